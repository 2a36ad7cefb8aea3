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
  readonly bytes: Uint8Array
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
  let size = align(HEADER_BYTES + SECTION_BYTES * sections.length)
  for (const { bytes } of sections) size += align(bytes.length)
  const index = new Uint8Array(size)
  const view = new DataView(index.buffer)
  const words = [INDEX_MAGIC, INDEX_VERSION, count, sections.length]
  words.forEach((word, i) => view.setUint32(4 * i, word, true))
  let at = align(HEADER_BYTES + SECTION_BYTES * sections.length)
  for (const [i, { tag, rows, bytes }] of sections.entries()) {
    const row = HEADER_BYTES + SECTION_BYTES * i
    for (let k = 0; k < 4; k++) index[row + k] = tag.charCodeAt(k)
    view.setUint32(row + 4, at, true)
    view.setUint32(row + 8, bytes.length, true)
    view.setUint32(row + 12, rows, true)
    index.set(bytes, at)
    at += align(bytes.length)
  }
  return index
}

/**
 * How many bytes header and section table take together.
 *
 * @throws MalformedError when `bytes`, the first ones of an index, do not begin with the header of one
 */
export function indexHeadSize(bytes: Uint8Array): number {
  if (bytes.length < HEADER_BYTES) throw malformedIndex(`it has ${bytes.length} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint32(0, true) !== INDEX_MAGIC) throw malformedIndex('it does not begin with "DKIX"')
  const version = view.getUint32(4, true)
  if (version !== INDEX_VERSION)
    throw malformedIndex(`its version is ${version}, expected ${INDEX_VERSION}`)
  const sections = view.getUint32(12, true)
  if (sections > MAX_SECTIONS)
    throw malformedIndex(`it has ${sections} sections, at most ${MAX_SECTIONS} are read`)
  return HEADER_BYTES + SECTION_BYTES * sections
}

/**
 * Decodes header and section table.
 *
 * @throws MalformedError when they are cut short, or a section is misplaced, twice there or beyond `limit`
 */
export function decodeIndexHeader(bytes: Uint8Array, limit = Infinity): IndexHeader {
  const head = indexHeadSize(bytes)
  if (bytes.length < head) throw malformedIndex('it ends inside its section table')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const sections = new Map<string, SectionPlace>()
  let end = align(head)
  for (let row = HEADER_BYTES; row < head; row += SECTION_BYTES) {
    const tag = String.fromCharCode(...bytes.subarray(row, row + 4))
    const start = view.getUint32(row + 4, true)
    const length = view.getUint32(row + 8, true)
    // One after the other and aligned, as they are written: then no two can share bytes.
    if (start !== end || sections.has(tag))
      throw malformedIndex(`its section "${tag}" is misplaced`)
    end = align(start + length)
    if (start + length > limit)
      throw malformedIndex(`its section "${tag}" ends behind its ${limit} bytes`)
    sections.set(tag, { start, length, rows: view.getUint32(row + 12, true) })
  }
  return { count: view.getUint32(8, true), sections, size: end }
}

/** The error for an index that cannot be read. */
export function malformedIndex(problem: string): MalformedError {
  return new MalformedError('a pack index', problem)
}

/** Looks at whole words of little-endian bytes, which begin at a multiple of four. */
export function wordsOf(bytes: Uint8Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
}

/** The bytes of a typed array. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}
