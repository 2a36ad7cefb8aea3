/**
 * Our pack index, opened: typed arrays over stored bytes, with the rarer sections read when they are asked for.
 *
 * What an index says is a claim. It was checked that nothing in it leads out of bounds, so that it can be followed
 * blindly; whether it is true, only the objects tell.
 *
 * Spec: docs/storage-format.md, "Pack index"
 *
 * @module
 */
import { text } from '../bytes.ts'
import { typeOfNumber, type ObjectType } from '../object.ts'
import { compareAt, encodeOid, type Oid, OID_BYTES, readOid } from '../oid.ts'
import type { PackId } from '../place.ts'
import {
  aligned,
  decodeIndexHeader,
  HEADER_BYTES,
  malformedIndex,
  MAX_SECTIONS,
  NO_LINK,
  SECTION_BYTES,
  wordsOf,
} from './index-format.ts'
import type { IndexHeader, Link, SectionPlace, SectionTag } from './index-format.ts'
import { decodeCommits, decodeEdges, decodeTags } from './index-rows.ts'
import type { CommitRows, EdgeRows, RowSource, TagRows } from './index-rows.ts'
import { findOid } from './oid-order.ts'

/** Looks up objects by oid or by ordinal, their position in the order of the oids. */
export interface PackIndex {
  readonly count: number
  /** Packs that a merged index covers; none in the index of one pack. */
  readonly packs: readonly PackId[]
  /** Ordinal of an object; -1 when it is not here. */
  find(oid: Oid): number
  /** The same, for the 20 bytes at `start`. */
  findBytes(oid: Uint8Array, start?: number): number
  oid(ordinal: number): Oid
  /** The oid as 20 bytes, to be looked at. */
  oidBytes(ordinal: number): Uint8Array
  /** The first seven digits of the oid, as a number. */
  prefix(ordinal: number): number
  type(ordinal: number): ObjectType
  /** Length of the body. */
  size(ordinal: number): number
  /** Where the entry begins in its pack. */
  offset(ordinal: number): number
  /** Length of the entry, header included. */
  length(ordinal: number): number
  /** The base of a delta; `NO_LINK` for whole objects. */
  base(ordinal: number): Link
  /** Which of `packs` holds the object; 0 in the index of one pack. */
  packOf(ordinal: number): number
  /** The oid that a link leads to; `undefined` for `NO_LINK`. */
  linkOid(link: Link): Oid | undefined
  /** The same as 20 bytes, to be looked at. */
  linkBytes(link: Link): Uint8Array | undefined
  /** Low 32 bits of the offsets, lengths, sizes and bases: a column of `count` words after the other, and more behind them. */
  readonly look: Uint32Array
  /** CRC-32 of each entry. */
  crcs(): Promise<Uint32Array>
  commits(): Promise<CommitRows>
  edges(): Promise<EdgeRows>
  tags(): Promise<TagRows>
}

/** Gives bytes of a stored index; fewer when it ends before `end`. */
export type ReadIndex = (start: number, end: number) => Promise<Uint8Array>

/** What is read at least: the whole of an index of a few thousand objects, since a request costs more than bytes. */
const FIRST_READ = 256 * 1024
/** Bytes in front of the columns, and of an object in them. */
const HEAD_BYTES = 1280
const COLUMN_BYTES = OID_BYTES + 17

/**
 * Opens an index. Reads its look-up columns, in one or two requests; the rest when asked for.
 *
 * @param size length of the index, `undefined` or 0 where nobody knows it
 * @param count how many objects are expected in it: one request is enough then, unless it names many that are outside
 * @throws MalformedError when a section is cut short, or a count, an order or a link cannot be
 */
export async function openPackIndex(
  read: ReadIndex,
  size: number | undefined,
  count = 0,
): Promise<PackIndex> {
  const limit = size === undefined || size === 0 ? Infinity : size
  const first = await read(
    0,
    Math.min(limit, Math.max(FIRST_READ, HEAD_BYTES + count * COLUMN_BYTES)),
  )
  const header = decodeIndexHeader(
    first.subarray(0, HEADER_BYTES + MAX_SECTIONS * SECTION_BYTES),
    limit,
  )
  const sections = new Sections(header, first, read)
  await sections.load(['oids', 'look', 'offh', 'outs', 'pack', 'pkid'])
  const columns = await readColumns(sections)
  checkColumns(columns)
  return packIndex(columns, sections)
}

/** Opens an index that is in memory whole. */
export async function openPackIndexBytes(bytes: Uint8Array): Promise<PackIndex> {
  return openPackIndex(async (start, end) => bytes.subarray(start, end), bytes.length)
}

/** Reads sections of an index. */
class Sections {
  readonly header: IndexHeader
  readonly #read: ReadIndex
  /** The piece of the index that was read at the beginning. */
  #head: Uint8Array

  constructor(header: IndexHeader, head: Uint8Array, read: ReadIndex) {
    this.header = header
    this.#head = head
    this.#read = read
  }

  /** Reads from the beginning to the end of the last of these sections, unless that is there already. */
  async load(tags: readonly SectionTag[]): Promise<void> {
    let end = 0
    for (const tag of tags) {
      const { start, length } = this.#place(tag)
      end = Math.max(end, start + length)
    }
    if (end > this.#head.length) this.#head = await this.#piece(0, end)
  }

  rows(tag: SectionTag): number {
    return this.#place(tag).rows
  }

  has(tag: SectionTag): boolean {
    return this.header.sections.has(tag)
  }

  /**
   * Bytes of a section, at an address that typed arrays can look at; empty when the index has none.
   *
   * @throws MalformedError when there are not as many as `expected`
   */
  async bytes(tag: SectionTag, expected?: number): Promise<Uint8Array<ArrayBuffer>> {
    const { start, length } = this.#place(tag)
    const end = start + length
    if (length !== (expected ?? length))
      throw malformedIndex(`its section "${tag}" has ${length} bytes, expected ${expected}`)
    return aligned(
      end <= this.#head.length ? this.#head.subarray(start, end) : await this.#piece(start, end),
    )
  }

  #place(tag: SectionTag): SectionPlace {
    return this.header.sections.get(tag) ?? { start: 0, length: 0, rows: 0 }
  }

  async #piece(start: number, end: number): Promise<Uint8Array> {
    const bytes = await this.#read(start, end)
    if (bytes.length !== end - start) throw malformedIndex(`it ends before its byte ${end}`)
    return bytes
  }
}

/** What is looked at for every object. */
interface Columns {
  readonly count: number
  readonly look: Uint32Array
  readonly fanOut: Uint32Array
  readonly oids: Uint8Array
  readonly offsets: Uint32Array
  /** Empty where all are 0. */
  readonly highOffsets: Uint32Array
  readonly lengths: Uint32Array
  readonly sizes: Uint32Array
  readonly bases: Uint32Array
  readonly types: Uint8Array
  readonly outs: Uint8Array
  /** Empty in the index of one pack. */
  readonly packOf: Uint16Array
  readonly packs: readonly PackId[]
}

async function readColumns(sections: Sections): Promise<Columns> {
  const { count } = sections.header
  const oids = await sections.bytes('oids', 1024 + count * OID_BYTES)
  const look = await sections.bytes('look', count * 17)
  const outs = await sections.bytes('outs', sections.rows('outs') * OID_BYTES)
  const high = await sections.bytes('offh', sections.has('offh') ? count * 4 : 0)
  const ofSeveral = sections.has('pack') || sections.has('pkid')
  const packOf = await sections.bytes('pack', ofSeveral ? count * 2 : 0)
  const ids = await sections.bytes('pkid')
  const words = wordsOf(look)
  const column = (i: number): Uint32Array => words.subarray(i * count, (i + 1) * count)
  return {
    count,
    look: words,
    fanOut: wordsOf(oids).subarray(0, 256),
    oids: oids.subarray(1024),
    offsets: column(0),
    lengths: column(1),
    sizes: column(2),
    bases: column(3),
    types: look.subarray(count * 16),
    highOffsets: wordsOf(high),
    outs,
    packOf: new Uint16Array(packOf.buffer, packOf.byteOffset, packOf.length >> 1),
    packs: ids.length === 0 ? [] : text(ids).split('\n'),
  }
}

function checkColumns({ count, fanOut, oids, types, bases, outs, packOf, packs }: Columns): void {
  const links = count + outs.length / OID_BYTES
  let before = 0
  for (const total of fanOut) {
    if (total < before) throw malformedIndex('its fan-out is not monotonic')
    before = total
  }
  if (before !== count) throw malformedIndex(`its fan-out ends at ${before}, expected ${count}`)
  for (let i = 0, at = 0; i < count; i++, at += OID_BYTES) {
    const first = oids[at] as number
    if (i >= (fanOut[first] as number)) throw malformedIndex('its fan-out is not that of its oids')
    // Nearly all differ in the first two bytes; this is asked of every object before the first one is read.
    const order =
      (oids[at - 20] as number) - first || (oids[at - 19] as number) - (oids[at + 1] as number)
    if (i > 0 && (order || compareAt(oids, at - OID_BYTES, oids, at)) >= 0)
      throw malformedIndex('its oids are not in order')
    const type = types[i] as number
    if (type < 1 || type > 4) throw malformedIndex('a type is none of the four')
    const base = bases[i] as number
    if (base >= links && base !== NO_LINK) throw malformedIndex('a base is out of bounds')
  }
  for (const pack of packOf)
    if (pack >= packs.length) throw malformedIndex('a pack is out of bounds')
}

function packIndex(columns: Columns, sections: Sections): PackIndex {
  const { count, fanOut, oids, offsets, highOffsets, lengths, sizes, bases } = columns
  const { types, outs, packOf, packs } = columns
  /** Reads a section when it is first asked for. */
  const later = <Rows>(
    tag: SectionTag,
    decode: (source: RowSource) => Rows,
  ): (() => Promise<Rows>) => {
    let rows: Promise<Rows> | undefined
    return () => {
      rows ??= sections.bytes(tag).then((bytes) =>
        decode({
          bytes,
          rows: sections.rows(tag),
          count,
          links: count + outs.length / OID_BYTES,
        }),
      )
      // What could not be read at this moment may be read at the next.
      rows.catch(() => (rows = undefined))
      return rows
    }
  }
  const findBytes = (oid: Uint8Array, start = 0): number => findOid(fanOut, oids, oid, start)
  const oidBytes = (ordinal: number): Uint8Array =>
    oids.subarray(ordinal * OID_BYTES, (ordinal + 1) * OID_BYTES)
  const linkBytes = (link: Link): Uint8Array | undefined => {
    if (link < count) return oidBytes(link)
    const at = (link - count) * OID_BYTES
    return at < outs.length ? outs.subarray(at, at + OID_BYTES) : undefined
  }
  return {
    count,
    look: columns.look,
    packs,
    find: (oid) => findBytes(encodeOid(oid)),
    findBytes,
    oid: (ordinal) => readOid(oids, ordinal * OID_BYTES),
    oidBytes,
    prefix(ordinal) {
      const at = ordinal * OID_BYTES
      const high = ((oids[at] as number) << 20) | ((oids[at + 1] as number) << 12)
      return high | ((oids[at + 2] as number) << 4) | ((oids[at + 3] as number) >> 4)
    },
    type: (ordinal) => typeOfNumber(types[ordinal] ?? 0) ?? 'blob',
    size: (ordinal) => sizes[ordinal] ?? 0,
    offset: (ordinal) => (offsets[ordinal] ?? 0) + (highOffsets[ordinal] ?? 0) * 2 ** 32,
    length: (ordinal) => lengths[ordinal] ?? 0,
    base: (ordinal) => bases[ordinal] ?? NO_LINK,
    packOf: (ordinal) => packOf[ordinal] ?? 0,
    linkOid(link) {
      const bytes = linkBytes(link)
      return bytes === undefined ? undefined : readOid(bytes)
    },
    linkBytes,
    crcs: later('crcs', decodeCrcs),
    commits: later('cmts', decodeCommits),
    edges: later('edge', decodeEdges),
    tags: later('tags', decodeTags),
  }
}

function decodeCrcs({ bytes, count }: RowSource): Uint32Array {
  if (bytes.length !== count * 4) throw malformedIndex('its checksums are cut short')
  return wordsOf(bytes)
}
