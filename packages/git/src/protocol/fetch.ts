/**
 * fetch: how version 2 asks for objects. Every request holds all that the server needs to know; every answer is a row of
 * sections, the pack the last of them.
 *
 * The answer to haves without `done` is `acknowledgments`: which of them the server has too, and, once it knows enough,
 * `ready` with the rest right behind: where the history is cut (`shallow-info`), where refs are that were wanted by name
 * (`wanted-refs`), and the pack. `done` skips them.
 *
 * Spec: https://git-scm.com/docs/protocol-v2#_fetch
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import { parseOid, type Oid } from '../oid.ts'
import { encodeCommand } from './command.ts'
import {
  deepenLines,
  parseShallowInfo,
  ShallowLines,
  type ShallowChange,
  type ShallowWish,
} from './deepen.ts'
import { DELIMITER, encodeLine, expectPacket, FLUSH, lineText, readLines } from './pkt-line.ts'

/** What a client wants, what it has, and what it can read. */
export interface FetchWish {
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

/** A request as a server reads it, with what our own client does not ask for. */
export interface FetchRequest extends FetchWish, ShallowWish {
  /** Refs that are wanted by name, wherever they point by now. */
  readonly wantedRefs: readonly string[]
  /** What is left out, as it was written, see `filter.ts`. */
  readonly filter: string | undefined
  /** Whether every line of the answer shall come in a side-band, so that there can be progress in between. */
  readonly sidebandAll: boolean
  /** Schemes of URIs that the client follows to packs. */
  readonly uriSchemes: readonly string[]
}

/** The server's word on the client's haves. */
export interface Acknowledgments {
  readonly common: readonly Oid[]
  /** Whether the pack follows. */
  readonly ready: boolean
}

const flags: ReadonlyMap<string, keyof FetchWish> = new Map([
  ['done', 'done'],
  ['thin-pack', 'thinPack'],
  ['no-progress', 'quiet'],
  ['include-tag', 'includeTag'],
  ['ofs-delta', 'ofsDelta'],
  ['wait-for-done', 'waitForDone'],
])

/** What a client asks for that does not want all. */
export interface PartialWish {
  /** Where its history is cut, and how far it shall go; whole when left out. */
  readonly cut?: ShallowWish | undefined
  /** What is left out, in the words of `git clone --filter`; nothing when left out. */
  readonly filter?: string | undefined
}

/** The bytes of the request. */
export function encodeFetch(request: FetchWish & PartialWish): Uint8Array<ArrayBuffer> {
  const { cut, filter } = request
  const args: string[] = []
  for (const [word, name] of flags) if (word !== 'done' && request[name] === true) args.push(word)
  if (cut !== undefined) args.push(...deepenLines(cut))
  if (isRelative(cut)) args.push('deepen-relative')
  if (filter !== undefined) args.push(`filter ${filter}`)
  for (const oid of request.wants) args.push(`want ${oid}`)
  for (const oid of request.haves) args.push(`have ${oid}`)
  if (request.done) args.push('done')
  return encodeCommand('fetch', args)
}

/**
 * The request that a command's arguments make.
 *
 * @throws MalformedError for an argument that is not known, or two that cannot go together
 */
export function decodeFetch(args: readonly string[]): FetchRequest {
  const [wants, haves, wantedRefs]: [Oid[], Oid[], string[]] = [[], [], []]
  const set = new Set<string>()
  const shallow = new ShallowLines()
  let filter: string | undefined
  let uriSchemes: readonly string[] = []
  for (const arg of args) {
    if (arg.startsWith('want ')) wants.push(parseOid(arg.slice(5)))
    else if (arg.startsWith('have ')) haves.push(parseOid(arg.slice(5)))
    else if (arg.startsWith('want-ref ')) wantedRefs.push(arg.slice(9))
    else if (arg.startsWith('filter ')) filter = onlyFilter(filter, arg.slice(7))
    else if (arg.startsWith('packfile-uris ')) uriSchemes = arg.slice(14).split(',')
    else if (isWord(arg)) set.add(arg)
    else if (!shallow.take(arg)) throw unexpectedArgument(arg)
  }
  return {
    ...shallow.wish(set.has('deepen-relative')),
    wants,
    haves,
    wantedRefs,
    filter,
    sidebandAll: set.has('sideband-all'),
    uriSchemes,
    done: set.has('done'),
    thinPack: set.has('thin-pack'),
    quiet: set.has('no-progress'),
    includeTag: set.has('include-tag'),
    ofsDelta: set.has('ofs-delta'),
    waitForDone: set.has('wait-for-done'),
  }
}

/** Whether a depth is counted from where history is cut off so far. */
export function isRelative(cut: ShallowWish | undefined): boolean {
  return cut?.deepen?.kind === 'depth' && cut.deepen.relative
}

function isWord(arg: string): boolean {
  return flags.has(arg) || arg === 'deepen-relative' || arg === 'sideband-all'
}

/** The filter of a request that had none so far. @throws MalformedError when it had */
export function onlyFilter(before: string | undefined, filter: string): string {
  if (before === undefined) return filter
  throw new MalformedError('a fetch', 'multiple filter-specs cannot be combined')
}

/** What is said to an argument that is not known, or not offered. */
export function unexpectedArgument(arg: string): MalformedError {
  return new MalformedError('a fetch', `"${arg.slice(0, 80)}" is no argument of fetch here`)
}

/** The lines of the acknowledgments. With `ready` the other sections follow, else the answer ends behind them. */
export function acknowledgmentLines({ common, ready }: Acknowledgments): string[] {
  const lines = common.map((oid) => `ACK ${oid}`)
  if (lines.length === 0) lines.push('NAK')
  if (ready) lines.push('ready')
  return lines
}

/**
 * A section of the answer: its name, its lines, and what ends it. With `sidebandAll` each line is on band 1, as the frames
 * of the pack are.
 */
export function encodeSection(
  name: string,
  lines: readonly string[],
  options: { readonly end: 'delimiter' | 'flush'; readonly sidebandAll: boolean },
): Uint8Array<ArrayBuffer> {
  const end = options.end === 'flush' ? FLUSH : DELIMITER
  // Git ends every line but these, and there are tools that know the bytes.
  const newline = name === 'shallow-info' ? '' : '\n'
  const texts = [`${name}\n`, ...lines.map((line) => `${line}${newline}`)]
  return concat([...texts.map((text) => encodeLine(onBand(text, options))), end])
}

/** What stands in front of the pack, which comes in side-band frames and ends with a flush packet. */
export function encodePackHeader(options: {
  readonly sidebandAll: boolean
}): Uint8Array<ArrayBuffer> {
  return encodeLine(onBand('packfile\n', options))
}

function onBand(line: string, { sidebandAll }: { readonly sidebandAll: boolean }): string {
  return sidebandAll ? `\x01${line}` : line
}

/** An answer up to its pack. */
export interface FetchAnswer {
  readonly acknowledgments: Acknowledgments | undefined
  /** Where history is cut off from now on. */
  readonly cuts: ShallowChange
  /** Whether the pack follows. */
  readonly pack: boolean
}

/**
 * The sections of an answer up to the pack. With `pack`, the reader stands at the pack's side-band frames.
 *
 * @throws MalformedError when it is none or cut short
 * @throws RefusedError `remote` when the server answers with `ERR`
 */
export async function readFetchAnswer(reader: ByteReader): Promise<FetchAnswer> {
  let acknowledgments: Acknowledgments | undefined
  let cuts: ShallowChange = { shallow: [], unshallow: [] }
  for (;;) {
    const packet = await expectPacket(reader, 'an answer to fetch')
    if (packet.kind !== 'line')
      throw new MalformedError('an answer to fetch', 'a section has no name')
    const section = lineText(packet.payload)
    if (section === 'packfile') return { acknowledgments, cuts, pack: true }
    const { lines, end } = await readSection(reader)
    if (section === 'acknowledgments') acknowledgments = parseAcknowledgments(lines)
    else if (section === 'shallow-info') cuts = parseShallowInfo(lines)
    else if (section !== 'wanted-refs') {
      throw new MalformedError('an answer to fetch', `"${section.slice(0, 80)}" is no section`)
    }
    if (end === 'flush') return { acknowledgments, cuts, pack: false }
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
