/**
 * Push: a client's wishes for refs, the pack that they need, and the server's report on each.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-pack#_reference_update_request_and_packfile_transfer,
 * https://git-scm.com/docs/protocol-capabilities (report-status, report-status-v2, push-options)
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat } from '../bytes.ts'
import { MalformedError, RefusedError } from '../error.ts'
import { parseOid, ZERO_OID, type Oid } from '../oid.ts'
import type { RefUpdate } from '../place.ts'
import { parseCapabilities, type Capabilities } from './capability.ts'
import { certificateCommands, readCertificate, type PushCertificate } from './push-certificate.ts'
import {
  encodeLine,
  encodeLines,
  FLUSH,
  expectPacket,
  lineText,
  readLines,
  readPacket,
  type Packet,
} from './pkt-line.ts'

/** A push up to its pack. */
export interface PushRequest {
  readonly updates: readonly RefUpdate[]
  readonly capabilities: Capabilities
  /** What the user gave with `--push-option`, in order. */
  readonly options: readonly string[]
  /** Commits of whose parents the client knows nothing, for it pushes from a shallow clone. */
  readonly shallow: readonly Oid[]
  /** What a signed push is signed by, and has its updates from. */
  readonly certificate: PushCertificate | undefined
}

/** What a server takes. */
export interface PushReading {
  /** Whether a push may be signed; not when left out. */
  readonly takesCertificates?: boolean | undefined
}

/** What was done in place of a wish, or as a part of it; what is not said is as the wish says. Oids may be {@link ZERO_OID}. */
export interface RefRewrite {
  readonly name?: string | undefined
  readonly from?: Oid | undefined
  readonly to?: Oid | undefined
  /** Whether commits were lost. */
  readonly isForced?: boolean | undefined
}

/** What became of one wish. */
export interface RefReport {
  readonly name: string
  /** Why it was not done, in words for a person; `undefined` when it was. */
  readonly problem: string | undefined
  /** What was done instead; the wish itself when it is left out or empty. */
  readonly rewrites?: readonly RefRewrite[] | undefined
}

/** What became of a push. */
export interface PushReport {
  /** Why the pack was not taken; `undefined` when it was. */
  readonly unpack: string | undefined
  readonly refs: readonly RefReport[]
}

const MOST_UPDATES = 100_000
const MOST_BYTES = 32 * 1024 * 1024
const MOST_OPTIONS = 1000

/**
 * The bytes of a push up to its pack, which follows unless every update is a deletion. `shallow`: commits of whose parents
 * the client knows nothing.
 */
export function encodePush(
  updates: readonly RefUpdate[],
  capabilities: readonly string[],
  shallow: Iterable<Oid> = [],
): Uint8Array<ArrayBuffer> {
  const cuts = [...shallow].map((oid) => encodeLine(`shallow ${oid}`))
  const lines = updates.map(({ name, from, to }, i) => {
    const tail = i === 0 ? `\0 ${capabilities.join(' ')}` : ''
    return encodeLine(`${from ?? ZERO_OID} ${to ?? ZERO_OID} ${name}${tail}`)
  })
  return concat([...cuts, ...lines, FLUSH])
}

/**
 * A push up to its pack, at which the reader stands afterwards. Without updates for the lone flush by which clients try
 * whether they may, and for no bytes at all.
 *
 * @throws RefusedError `unsupported` for signed pushes where they are not taken, and for other object formats
 * @throws MalformedError when it is none or cut short
 */
export async function readPush(
  reader: ByteReader,
  { takesCertificates = false }: PushReading = {},
): Promise<PushRequest> {
  let taken = 0
  const updates: RefUpdate[] = []
  const shallow: Oid[] = []
  let capabilities: Capabilities = new Map()
  let certificate: PushCertificate | undefined
  for (let packet = await readFirst(reader); packet?.kind === 'line';) {
    const line = lineText(packet.payload)
    const cut = line.indexOf('\0')
    const words = cut === -1 ? line : line.slice(0, cut)
    if (updates.length === 0 && cut !== -1) capabilities = parseCapabilities(line.slice(cut + 1))
    checkFormat(capabilities)
    if (words === 'push-cert') {
      if (!takesCertificates) throw notOffered()
      if (updates.length > 0) throw malformed('it has commands beside its certificate')
      certificate = await readCertificate(reader, MOST_BYTES)
      for (const command of certificateCommands(certificate)) updates.push(parseUpdate(command))
    } else if (words.startsWith('shallow ')) shallow.push(parseOid(words.slice('shallow '.length)))
    else if (certificate === undefined) updates.push(parseUpdate(words))
    else throw malformed('it has commands beside its certificate')
    if (updates.length + shallow.length > MOST_UPDATES) {
      throw malformed(`it has more than ${MOST_UPDATES} commands`)
    }
    taken += packet.payload.length
    if (taken > MOST_BYTES) {
      throw malformed(`its commands are more than ${MOST_BYTES} bytes`)
    }
    packet = await expectCommand(reader)
  }
  const hasOptions = updates.length > 0 && capabilities.has('push-options')
  const options = hasOptions ? await readOptions(reader) : []
  return { updates, capabilities, shallow, options, certificate }
}

/** A lone flush, or nothing, is no push. */
async function readFirst(reader: ByteReader): Promise<Packet | undefined> {
  const packet = await readPacket(reader)
  return packet === undefined ? undefined : commandOrEnd(packet)
}

async function expectCommand(reader: ByteReader): Promise<Packet> {
  const packet = await readPacket(reader)
  if (packet === undefined) throw malformed('it ends within its commands')
  return commandOrEnd(packet)
}

function commandOrEnd(packet: Packet): Packet {
  if (packet.kind === 'line' || packet.kind === 'flush') return packet
  throw malformed(`found a ${packet.kind} packet among its commands`)
}

function checkFormat(capabilities: Capabilities): void {
  const [format = 'sha1'] = capabilities.get('object-format') ?? []
  if (format === 'sha1') return
  throw new RefusedError(
    'unsupported',
    `receive-pack: objects are named by sha1 here, not by ${JSON.stringify(format.slice(0, 40))}`,
  )
}

function parseUpdate(line: string): RefUpdate {
  if (line[40] !== ' ' || line[81] !== ' ' || line.length < 83) {
    throw malformed(`found "${line.slice(0, 120)}", expected two oids and a ref`)
  }
  return {
    name: line.slice(82),
    from: oidOrNone(line.slice(0, 40)),
    to: oidOrNone(line.slice(41, 81)),
  }
}

function notOffered(): RefusedError {
  return new RefusedError(
    'unsupported',
    'receive-pack: a signed push is not offered by this server',
  )
}

function oidOrNone(word: string): Oid | undefined {
  return word === ZERO_OID ? undefined : parseOid(word)
}

async function readOptions(reader: ByteReader): Promise<string[]> {
  const options: string[] = []
  for await (const line of readLines(reader, 'a push', MOST_OPTIONS)) options.push(line)
  return options
}

/**
 * The report, before it is wrapped in side-band 1 for clients that asked for it. What was done instead of a wish is in
 * version 2 alone.
 */
export function encodeReport(report: PushReport, version: 1 | 2 = 1): Uint8Array<ArrayBuffer> {
  const refs = report.refs.flatMap(({ name, problem, rewrites = [] }) => {
    if (problem !== undefined) return [`ng ${name} ${oneLine(problem)}`]
    if (version === 1 || rewrites.length === 0) return [`ok ${name}`]
    return rewrites.flatMap((rewrite) => [`ok ${name}`, ...optionLines(rewrite)])
  })
  return concat([encodeLines([`unpack ${oneLine(report.unpack ?? 'ok')}`, ...refs]), FLUSH])
}

function optionLines({ name, from, to, isForced }: RefRewrite): string[] {
  const lines: string[] = []
  if (name !== undefined) lines.push(`option refname ${oneLine(name)}`)
  if (from !== undefined) lines.push(`option old-oid ${from}`)
  if (to !== undefined) lines.push(`option new-oid ${to}`)
  if (isForced === true) lines.push('option forced-update')
  return lines
}

function oneLine(words: string): string {
  return words.replaceAll(/[\r\n\0]+/g, ' ').slice(0, 1000)
}

/**
 * The report of a server, in either version; what `option` lines say of a server that did something else is left out.
 *
 * @throws MalformedError when it is none or cut short
 * @throws RefusedError `remote` when the server answers with `ERR`
 */
export async function readReport(reader: ByteReader): Promise<PushReport> {
  const first = await expectPacket(reader, 'a report')
  const unpack = first.kind === 'line' ? lineText(first.payload) : ''
  if (!unpack.startsWith('unpack '))
    throw new MalformedError('a report', `found "${unpack.slice(0, 80)}"`)
  const refs: RefReport[] = []
  for await (const line of readLines(reader, 'a report')) {
    if (!line.startsWith('option ')) refs.push(parseReport(line))
  }
  return { unpack: unpack === 'unpack ok' ? undefined : unpack.slice(7), refs }
}

function parseReport(line: string): RefReport {
  if (line.startsWith('ok ')) return { name: line.slice(3), problem: undefined }
  const cut = line.indexOf(' ', 3)
  if (!line.startsWith('ng ')) throw new MalformedError('a report', `found "${line.slice(0, 80)}"`)
  if (cut === -1) return { name: line.slice(3), problem: 'refused' }
  return { name: line.slice(3, cut), problem: line.slice(cut + 1) }
}

function malformed(problem: string): MalformedError {
  return new MalformedError('a push', problem)
}
