/**
 * Receive-pack: the server's side of `git push`, a thin shell around `receiveUpdate`.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-pack#_pushing_data_to_a_server
 *
 * @module
 */
import { ByteReader } from '../byte-reader.ts'
import { concat, toHex } from '../bytes.ts'
import { GitError } from '../error.ts'
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import type { State } from '../place.ts'
import { encodeRefsAdvertisement, type WireRef } from '../protocol/advertisement.ts'
import { AGENT } from '../protocol/capability.ts'
import { FLUSH } from '../protocol/pkt-line.ts'
import { encodeReport, readPush, type PushReport, type PushRequest } from '../protocol/push.ts'
import { certificateHeaders } from '../protocol/push-certificate.ts'
import { BANDS, encodeBand, encodeProgress } from '../protocol/sideband.ts'
import { resolveAliases } from './aliases.ts'
import { PushTalk } from './push-talk.ts'
import { ALL_REFS, type Readable } from './reach.ts'
import { receiveUpdate, type ReceiveOutcome, type RefOutcome } from './receive.ts'
import type { ReceivePolicy } from './ref-rules.ts'
import { RECEIVE_LIMITS, type ReceiveLimits } from './stage.ts'

/** Who pushes, what they may, and how much. */
export interface ReceivePackOptions {
  /** Who pushes, as `Name <address>`, for the log. */
  readonly who: string
  readonly policy?: ReceivePolicy | undefined
  readonly limits?: ReceiveLimits | undefined
  /** Whether a push may be signed; not when left out. Whoever is asked about it looks at the signature, nobody else does. */
  readonly takesCertificates?: boolean | undefined
  /** Takes what there is to tell before the report. */
  readonly talk?: PushTalk | undefined
  readonly signal?: AbortSignal | undefined
}

/** What we offer to those who push. */
const CAPABILITIES = [
  'report-status',
  'report-status-v2',
  'delete-refs',
  'side-band-64k',
  'quiet',
  'ofs-delta',
  'object-format=sha1',
  `agent=${AGENT}`,
]

/** Most bytes that are read and thrown away after a refusal, so that the client hears why. */
const MAX_DRAINED = 4 * RECEIVE_LIMITS.bytes
/** The same of what is no push at all. */
const MAX_RUBBISH = 16 * 1024 * 1024

const INCONSISTENT = 'inconsistent push options'

/** How refs are told to those who push. */
export interface AdvertiseOptions {
  readonly version?: 0 | 1
  readonly readable?: Readable
  /** What a push may build on besides; none when left out. */
  readonly lent?: readonly Oid[] | undefined
  /** Whether `git push --push-option` is taken, for those who are asked about a push. */
  readonly takesOptions?: boolean
  /** Whether `git push --atomic` is offered; it is when left out. */
  readonly takesAtomic?: boolean
  /** What a push that is signed is to name, so that it is known to be made for this server now; `undefined` offers none. */
  readonly nonce?: string | undefined
}

/** The answer to `GET info/refs?service=git-receive-pack`. */
export async function advertiseReceivePack(
  state: State,
  {
    version = 0,
    readable = ALL_REFS,
    lent = [],
    takesOptions = false,
    takesAtomic = true,
    nonce,
  }: AdvertiseOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const refs: WireRef[] = []
  for await (const { name, oid } of state.refs()) {
    if (readable.includes(name)) refs.push({ name, oid, peeled: undefined, symref: undefined })
  }
  const told = new Set(refs.map(({ oid }) => oid))
  for (const oid of lent)
    if (!told.has(oid)) refs.push({ name: '.have', oid, peeled: undefined, symref: undefined })
  const capabilities = [
    ...CAPABILITIES,
    ...(takesAtomic ? ['atomic'] : []),
    ...(nonce === undefined ? [] : [`push-cert=${nonce}`]),
    ...(takesOptions ? ['push-options'] : []),
  ]
  const shallow = state.shallow
  return encodeRefsAdvertisement('git-receive-pack', { version, capabilities, refs, shallow })
}

/**
 * The answer to `POST git-receive-pack`: takes a push out of `source`, makes it on the state that the objects have,
 * and reports. What goes before the report is in {@link ReceivePackOptions.talk}, for callers that send it while they wait.
 *
 * The source is read to its end, whatever happens, within bounds: a client that is cut off while it sends tells its user
 * of a broken pipe and not of our reasons.
 *
 * @throws MalformedError when the source is not a push
 * @throws RefusedError `unsupported` for kinds of push that are not offered
 * @throws UnavailableError when the place cannot take it, or does not say whether it did
 */
export async function receivePack(
  objects: Objects,
  source: AsyncIterable<Uint8Array>,
  options: ReceivePackOptions,
): Promise<Uint8Array> {
  const { talk = new PushTalk(), takesCertificates } = options
  const reader = new ByteReader(source, 'a push')
  let push: PushRequest | undefined
  try {
    push = await readPush(reader, { takesCertificates })
    // A lone flush is how clients try whether they may push.
    if (push.updates.length === 0) return new Uint8Array(0)
    talk.hasSideBand = push.capabilities.has('side-band-64k')
    if (push.capabilities.has('quiet')) talk.quieten()
    const outcome = await receive(objects, { push, reader, talk }, options)
    return encodeAnswer(push, outcome, talk)
  } finally {
    await drain(reader, push === undefined ? MAX_RUBBISH : MAX_DRAINED)
  }
}

interface Incoming {
  readonly push: PushRequest
  readonly reader: ByteReader
  readonly talk: PushTalk
}

async function receive(
  objects: Objects,
  { push, reader, talk }: Incoming,
  { who, policy, limits, signal }: ReceivePackOptions,
): Promise<ReceiveOutcome> {
  const hasPack = push.updates.some(({ to }) => to !== undefined)
  if (!hasPack) talk.open()
  const resolved = resolveAliases(push.updates, objects.state.aliases)
  const outcome = await receiveUpdate(objects, {
    id: toHex(crypto.getRandomValues(new Uint8Array(16))),
    isFirst: true,
    isCurrent: true,
    updates: resolved.updates,
    pack: hasPack ? whole(reader, talk) : undefined,
    log: { who, why: 'push' },
    atomic: push.capabilities.has('atomic'),
    refusesEach: true,
    policy: hasSignedOptions(push) ? policy : { ...policy, refuse: () => INCONSISTENT },
    limits,
    options: push.options,
    certificate: push.certificate,
    boundaries: push.shallow,
    say: (piece) => talk.say(piece),
    onProgress: (done, total) => talk.progress(done, total),
    signal,
  })
  return { ...outcome, refs: resolved.outcomes(outcome.refs) }
}

/** Whether the options of a push are those that were signed, where it is. */
function hasSignedOptions({ certificate, options }: PushRequest): boolean {
  if (certificate === undefined) return true
  const signed = certificateHeaders(certificate, 'push-option')
  return signed.length === options.length && signed.every((option, i) => option === options[i])
}

/** The pack; the client listens once it is read to its end. */
async function* whole(reader: ByteReader, talk: PushTalk): AsyncGenerator<Uint8Array> {
  yield* reader.rest()
  talk.open()
}

/** Reads what is left, and throws it away. */
async function drain(reader: ByteReader, most: number): Promise<void> {
  try {
    for (let left = most; left > 0;) {
      const piece = await reader.readSome(left)
      if (piece === undefined) return
      left -= piece.length
    }
    await reader.cancel()
  } catch (error) {
    // The client went away: whatever was decided stands, and nobody is there to be told.
    if (!(error instanceof GitError)) await reader.cancel()
  }
}

function encodeAnswer(
  { capabilities }: PushRequest,
  outcome: ReceiveOutcome,
  talk: PushTalk,
): Uint8Array {
  const isNew = capabilities.has('report-status-v2')
  const wantsReport = isNew || capabilities.has('report-status')
  const report = wantsReport ? encodeReport(reportOf(outcome), isNew ? 2 : 1) : new Uint8Array(0)
  if (!talk.hasSideBand) return report
  const messages = messagesOf(outcome).map((message) => encodeProgress(`${message}\n`))
  return concat([talk.take(true), ...messages, encodeBand(BANDS.data, report), FLUSH])
}

function reportOf({ refs, problem }: ReceiveOutcome): PushReport {
  return {
    unpack: problem?.message,
    refs: refs.map((ref) => ({
      name: ref.name,
      problem: reasonOf(ref),
      rewrites: ref.state === 'done' ? ref.rewrites : undefined,
    })),
  }
}

function reasonOf(ref: RefOutcome): string | undefined {
  if (ref.state === 'done') return undefined
  if (ref.state === 'refused') return ref.reason
  return ref.current === undefined
    ? 'it was deleted meanwhile'
    : 'it was moved meanwhile, fetch first'
}

/** What the report has no room for, in words for the person at the terminal. */
function messagesOf({ refs, problem }: ReceiveOutcome): string[] {
  const messages = problem === undefined ? [] : [`The push was refused: ${problem.message}`]
  for (const ref of refs) {
    if (ref.state !== 'lost' || ref.current === undefined) continue
    messages.push(
      `Somebody else moved ${ref.name} to ${ref.current}: fetch, merge or rebase, and push again`,
    )
  }
  return messages
}
