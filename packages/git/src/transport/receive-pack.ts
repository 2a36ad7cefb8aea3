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
import type { State } from '../place.ts'
import { encodeRefsAdvertisement, type WireRef } from '../protocol/advertisement.ts'
import { AGENT } from '../protocol/capability.ts'
import { FLUSH } from '../protocol/pkt-line.ts'
import { encodeReport, readPush, type PushReport, type PushRequest } from '../protocol/push.ts'
import { BANDS, encodeBand, encodeProgress } from '../protocol/sideband.ts'
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
  readonly signal?: AbortSignal | undefined
}

/** What we offer to those who push. */
const CAPABILITIES = [
  'report-status',
  'report-status-v2',
  'delete-refs',
  'side-band-64k',
  'quiet',
  'atomic',
  'ofs-delta',
  'object-format=sha1',
  `agent=${AGENT}`,
]

/** Most bytes that are read and thrown away after a refusal, so that the client hears why. */
const MAX_DRAINED = 4 * RECEIVE_LIMITS.bytes

/** How refs are told to those who push. */
export interface AdvertiseOptions {
  readonly version?: 0 | 1
  readonly readable?: Readable
  /** Whether `git push --push-option` is taken, for those who are asked about a push. */
  readonly takesOptions?: boolean
}

/** Bytes of what hooks say that are passed on. */
const MAX_SAID = 1 << 20

/** The answer to `GET info/refs?service=git-receive-pack`. */
export async function advertiseReceivePack(
  state: State,
  { version = 0, readable = ALL_REFS, takesOptions = false }: AdvertiseOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const refs: WireRef[] = []
  for await (const { name, oid } of state.refs()) {
    if (readable.includes(name)) refs.push({ name, oid, peeled: undefined, symref: undefined })
  }
  const capabilities = takesOptions ? [...CAPABILITIES, 'push-options'] : CAPABILITIES
  return encodeRefsAdvertisement('git-receive-pack', { version, capabilities, refs })
}

/**
 * The answer to `POST git-receive-pack`: takes a push out of `source`, makes it on the state that the objects have, and
 * reports.
 *
 * @throws MalformedError when the source is not a push
 * @throws RefusedError `unsupported` for kinds of push that are not offered
 * @throws UnavailableError when the place cannot take it, or does not say whether it did
 */
export async function receivePack(
  objects: Objects,
  source: AsyncIterable<Uint8Array>,
  options: ReceivePackOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = new ByteReader(source, 'a push')
  const push = await readPush(reader)
  // A lone flush is how clients try whether they may push.
  if (push.updates.length === 0) return new Uint8Array(0)
  const hasPack = push.updates.some(({ to }) => to !== undefined)
  const said: Uint8Array[] = []
  let room = MAX_SAID
  const outcome = await receiveUpdate(objects, {
    id: toHex(crypto.getRandomValues(new Uint8Array(16))),
    isFirst: true,
    isCurrent: true,
    updates: push.updates,
    pack: hasPack ? reader.rest() : undefined,
    log: { who: options.who, why: 'push' },
    atomic: push.capabilities.has('atomic'),
    policy: options.policy,
    limits: options.limits,
    options: push.options,
    say: (piece) => {
      if (room > 0) said.push(piece.slice(0, room))
      room -= piece.length
    },
    signal: options.signal,
  })
  await drain(reader)
  return encodeAnswer(push, outcome, concat(said))
}

/** Reads what is left: a client that is cut off while it sends tells its user of a broken pipe and not of our reasons. */
async function drain(reader: ByteReader): Promise<void> {
  try {
    for (let left = MAX_DRAINED; left > 0;) {
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
  said: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const wantsReport = capabilities.has('report-status') || capabilities.has('report-status-v2')
  const report = wantsReport ? encodeReport(reportOf(outcome)) : new Uint8Array(0)
  if (!capabilities.has('side-band-64k')) return report
  const messages = messagesOf(outcome).map((message) => encodeProgress(`${message}\n`))
  return concat([
    encodeBand(BANDS.progress, said),
    ...messages,
    encodeBand(BANDS.data, report),
    FLUSH,
  ])
}

function reportOf({ refs, problem }: ReceiveOutcome): PushReport {
  return {
    unpack: problem?.message,
    refs: refs.map((ref) => ({ name: ref.name, problem: reasonOf(ref) })),
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
