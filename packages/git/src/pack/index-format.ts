/**
 * Pack index: how our index of a pack, or of many, is laid out.
 *
 * A header (magic `DKIX`, version, number of objects, number of sections), a table of the sections, then the sections,
 * each at a multiple of eight bytes, so that typed arrays look straight into the bytes. Little-endian.
 *
 * Spec: docs/storage-format.md, "Pack index"
 *
 * @module
 */
import { text, utf8 } from '../bytes.ts'
import { MalformedError } from '../error.ts'

/** `DKIX` as it reads in little-endian. */
export const INDEX_MAGIC = 0x58494b44
export const INDEX_VERSION = 1
/** Bytes of the header before the section table. */
export const HEADER_BYTES = 16
/** Bytes of a row of the section table. */
export const SECTION_BYTES = 16
/** More sections than this are refused before their table is read. */
export const MAX_SECTIONS = 64

/**
 * A reference to an object inside an index: below `count` an ordinal of the index, from there an index into its table of
 * outside oids. Ordinals are positions in the order of the oids.
 */
export type Link = number

/** The link that leads nowhere. */
export const NO_LINK: Link = 0xffffffff

/** Tags of the sections. Others are passed over by readers. */
export type SectionTag =
  | 'oids'
  | 'look'
  | 'offh'
  | 'crcs'
  | 'outs'
  | 'cmts'
  | 'edge'
  | 'tags'
  | 'pack'
  | 'pkid'

/** A section before it is laid out. `rows` is what its own layout counts by. */
export interface Section {
  readonly tag: SectionTag
  readonly rows: number
  /** Its columns, one after the other. */
  readonly parts: readonly ArrayBufferView[]
}

/** Where a section lies in the index. */
export interface SectionPlace {
  readonly start: number
  readonly length: number
  readonly rows: number
}

/** What the header says. */
export interface IndexHeader {
  readonly count: number
  readonly sections: ReadonlyMap<string, SectionPlace>
  /** Where the last section ends. */
  readonly size: number
}

/** The smallest multiple of eight that is not below `length`. */
export function align(length: number): number {
  return Math.ceil(length / 8) * 8
}

/** The whole index of `count` objects, in the order of `sections`. */
export function encodeSections(
  count: number,
  sections: readonly Section[],
): Uint8Array<ArrayBuffer> {
  const words = [INDEX_MAGIC, INDEX_VERSION, count, sections.length]
  let size = HEADER_BYTES + SECTION_BYTES * sections.length
  for (const { parts, rows } of sections) {
    const length = parts.reduce((sum, { byteLength }) => sum + byteLength, 0)
    words.push(0, size, length, rows)
    size += align(length)
  }
  const index = new Uint8Array(size)
  index.set(bytesOf(Uint32Array.from(words)))
  for (const [i, { tag, parts }] of sections.entries()) {
    index.set(utf8(tag), HEADER_BYTES + SECTION_BYTES * i)
    let at = words[4 * i + 5] ?? 0
    for (const part of parts) {
      index.set(bytesOf(part), at)
      at += part.byteLength
    }
  }
  return index
}

/**
 * Decodes header and section table.
 *
 * @throws MalformedError when they are cut short, or a section is misplaced, twice there or beyond `limit`
 */
export function decodeIndexHeader(bytes: Uint8Array, limit = Infinity): IndexHeader {
  const [magic, version, count = 0, number = 0, ...table] = wordsOf(bytes)
  if (magic !== INDEX_MAGIC) throw malformedIndex('it does not begin with "DKIX"')
  if (version !== INDEX_VERSION)
    throw malformedIndex(`its version is ${version}, expected ${INDEX_VERSION}`)
  if (number > MAX_SECTIONS)
    throw malformedIndex(`it has ${number} sections, at most ${MAX_SECTIONS} are read`)
  if (table.length < 4 * number) throw malformedIndex('it ends inside its section table')
  const sections = new Map<string, SectionPlace>()
  let size = HEADER_BYTES + SECTION_BYTES * number
  for (let i = 0; i < 4 * number; i += 4) {
    const [start, length = 0, rows = 0] = table.slice(i + 1, i + 4)
    const tag = text(bytes.subarray(HEADER_BYTES + 4 * i, HEADER_BYTES + 4 * i + 4))
    // One after the other and aligned, as they are written: then no two can share bytes.
    if (start !== size || sections.has(tag))
      throw malformedIndex(`its section "${tag}" is misplaced`)
    if (start + length > limit)
      throw malformedIndex(`its section "${tag}" ends behind its ${limit} bytes`)
    size = align(start + length)
    sections.set(tag, { start, length, rows })
  }
  return { count, sections, size }
}

/** The error for an index that cannot be read. */
export function malformedIndex(problem: string): MalformedError {
  return new MalformedError('a pack index', problem)
}

/** The same bytes, copied if typed arrays could not look at them where they are. */
export function aligned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = bytes
  if (byteOffset % 8 !== 0 || !(buffer instanceof ArrayBuffer)) return bytes.slice()
  return new Uint8Array(buffer, byteOffset, length)
}

/** Whole words of little-endian bytes, looked at where they are if typed arrays can. */
export function wordsOf(bytes: Uint8Array): Uint32Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = aligned(bytes)
  return new Uint32Array(buffer, byteOffset, length >> 2)
}

/** The bytes of a typed array. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}
