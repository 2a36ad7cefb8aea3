/**
 * fetch: how version 2 asks for objects. Every request holds all that the server needs to know; every answer is a row of
 * sections, the pack the last of them.
 *
 * The answer to haves without `done` is `acknowledgments`: which of them the server has too, and, once it knows enough,
 * `ready` with the pack right behind. `done` skips them.
 *
 * Spec: https://git-scm.com/docs/protocol-v2#_fetch
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat } from '../bytes.ts'
import { MalformedError, RefusedError } from '../error.ts'
import { parseOid, type Oid } from '../oid.ts'
import { encodeCommand } from './command.ts'
import {
  DELIMITER,
  encodeLine,
  encodeLines,
  expectPacket,
  FLUSH,
  lineText,
  readLines,
} from './pkt-line.ts'

/** What a client wants, what it has, and what it can read. */
export interface FetchRequest {
  readonly wants: readonly Oid[]
  readonly haves: readonly Oid[]
  /** Whether the pack shall come at once, without further questions. */
  readonly done: boolean
  /** Whether deltas may have bases that only the client has. */
  readonly thinPack: boolean
  /** Whether progress is to be spared. */
  readonly quiet: boolean
  /** Whether tags come along whose targets are sent. */
  readonly includeTag: boolean
  /** Whether a delta may name its base by distance. */
  readonly ofsDelta: boolean
  /** Whether `ready` must not start the pack: the client says `done` itself. */
  readonly waitForDone: boolean
}

/** The server's word on the client's haves. */
export interface Acknowledgments {
  readonly common: readonly Oid[]
  /** Whether the pack follows. */
  readonly ready: boolean
}

const flags: ReadonlyMap<string, keyof FetchRequest> = new Map([
  ['done', 'done'],
  ['thin-pack', 'thinPack'],
  ['no-progress', 'quiet'],
  ['include-tag', 'includeTag'],
  ['ofs-delta', 'ofsDelta'],
  ['wait-for-done', 'waitForDone'],
])

// Known to Git, not offered by us: a client that asks all the same is told so in plain words.
const unsupported =
  /^(shallow|deepen|deepen-since|deepen-not|deepen-relative|filter|want-ref|packfile-uris|sideband-all)( |$)/

/** The bytes of the request. */
export function encodeFetch(request: FetchRequest): Uint8Array<ArrayBuffer> {
  const args: string[] = []
  for (const [word, name] of flags) if (word !== 'done' && request[name] === true) args.push(word)
  for (const oid of request.wants) args.push(`want ${oid}`)
  for (const oid of request.haves) args.push(`have ${oid}`)
  if (request.done) args.push('done')
  return encodeCommand('fetch', args)
}

/**
 * The request that a command's arguments make.
 *
 * @throws RefusedError `unsupported` for what Git knows and we do not offer: shallow and partial fetches
 * @throws MalformedError for an argument that is not known
 */
export function decodeFetch(args: readonly string[]): FetchRequest {
  const wants: Oid[] = []
  const haves: Oid[] = []
  const set = new Set<string>()
  for (const arg of args) {
    if (arg.startsWith('want ')) wants.push(parseOid(arg.slice(5)))
    else if (arg.startsWith('have ')) haves.push(parseOid(arg.slice(5)))
    else if (flags.has(arg)) set.add(arg)
    else refuseArgument(arg)
  }
  return {
    wants,
    haves,
    done: set.has('done'),
    thinPack: set.has('thin-pack'),
    quiet: set.has('no-progress'),
    includeTag: set.has('include-tag'),
    ofsDelta: set.has('ofs-delta'),
    waitForDone: set.has('wait-for-done'),
  }
}

/** @throws RefusedError or MalformedError, always */
function refuseArgument(arg: string): never {
  const word = unsupported.exec(arg)?.[1]
  if (word !== undefined) {
    throw new RefusedError('unsupported', `upload-pack: "${word}" is not offered by this server`)
  }
  throw new MalformedError('a fetch', `"${arg.slice(0, 80)}" is no argument of fetch`)
}

/** The acknowledgments; with `ready`, the pack has to follow, else the answer ends here. */
export function encodeAcknowledgments({ common, ready }: Acknowledgments): Uint8Array<ArrayBuffer> {
  const lines = common.map((oid) => `ACK ${oid}`)
  if (lines.length === 0) lines.push('NAK')
  if (ready) lines.push('ready')
  return concat([encodeLines(['acknowledgments', ...lines]), ready ? DELIMITER : FLUSH])
}

/** What stands in front of the pack, which comes in side-band frames and ends with a flush packet. */
export function encodePackHeader(): Uint8Array<ArrayBuffer> {
  return encodeLine('packfile\n')
}

/**
 * The sections of an answer up to the pack. With `pack`, the reader stands at the pack's side-band frames.
 *
 * @throws MalformedError when it is none or cut short
 * @throws RefusedError `remote` when the server answers with `ERR`
 */
export async function readFetchAnswer(
  reader: ByteReader,
): Promise<{ readonly acknowledgments: Acknowledgments | undefined; readonly pack: boolean }> {
  let acknowledgments: Acknowledgments | undefined
  for (;;) {
    const packet = await expectPacket(reader, 'an answer to fetch')
    if (packet.kind !== 'line')
      throw new MalformedError('an answer to fetch', 'a section has no name')
    const section = lineText(packet.payload)
    if (section === 'packfile') return { acknowledgments, pack: true }
    const { lines, end } = await readSection(reader)
    if (section === 'acknowledgments') acknowledgments = parseAcknowledgments(lines)
    else if (section !== 'shallow-info' && section !== 'wanted-refs') {
      throw new MalformedError('an answer to fetch', `"${section.slice(0, 80)}" is no section`)
    }
    if (end === 'flush') return { acknowledgments, pack: false }
  }
}

async function readSection(reader: ByteReader): Promise<{ lines: string[]; end: string }> {
  const lines: string[] = []
  const each = readLines(reader, 'an answer to fetch')
  for (;;) {
    const next = await each.next()
    if (next.done === true) return { lines, end: next.value }
    lines.push(next.value)
  }
}

function parseAcknowledgments(lines: readonly string[]): Acknowledgments {
  const common: Oid[] = []
  let ready = false
  for (const line of lines) {
    if (line.startsWith('ACK ')) common.push(parseOid(line.slice(4)))
    else if (line === 'ready') ready = true
    else if (line !== 'NAK') {
      throw new MalformedError('acknowledgments', `found "${line.slice(0, 80)}"`)
    }
  }
  return { common, ready }
}
