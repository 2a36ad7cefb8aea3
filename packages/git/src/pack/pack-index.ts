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
import { typeOfNumber, type ObjectType } from '../object.ts'
import { encodeOid, OID_BYTES, readOid, type Oid } from '../oid.ts'
import type { PackId } from '../place.ts'
import {
  decodeCommits,
  decodeEdges,
  decodeTags,
  type CommitRows,
  type EdgeRows,
  type TagRows,
} from './index-rows.ts'
import {
  decodeIndexHeader,
  HEADER_BYTES,
  malformedIndex,
  MAX_SECTIONS,
  NO_LINK,
  SECTION_BYTES,
} from './index-format.ts'
import type { IndexHeader, Link, SectionTag } from './index-format.ts'
import { compareAt, findOid } from './oid-order.ts'

/** Looks up objects by oid or by ordinal, their position in the order of the oids. */
export interface PackIndex {
  readonly count: number
  /** Packs that a merged index covers; none in the index of one pack. */
  readonly packs: readonly PackId[]
  /** How many outside oids it names. */
  readonly outsides: number
  /** Bytes held by what was read of it so far. */
  readonly bytesHeld: number
  /** Ordinal of an object; -1 when it is not here. */
  find(oid: Oid): number
  /** The same, for the 20 bytes at `start`. */
  findBytes(oid: Uint8Array, start?: number): number
  oid(ordinal: number): Oid
  /** The oid as 20 bytes, to be looked at. */
  oidBytes(ordinal: number): Uint8Array
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
  /** CRC-32 of each entry. */
  crcs(): Promise<Uint32Array>
  commits(): Promise<CommitRows>
  edges(): Promise<EdgeRows>
  tags(): Promise<TagRows>
}

/** Gives bytes of a stored index; fewer when it ends before `end`. */
export type ReadIndex = (start: number, end: number) => Promise<Uint8Array>

/** What is read at first: enough for the whole of a small index. */
const FIRST_READ = 64 * 1024

/**
 * Opens an index. Reads its look-up columns, in one or two requests; the rest when asked for.
 *
 * @param size length of the index, `undefined` or 0 where nobody knows it
 * @throws MalformedError when a section is cut short, or a count, an order or a link cannot be
 */
export async function openPackIndex(read: ReadIndex, size: number | undefined): Promise<PackIndex> {
  const limit = size === undefined || size === 0 ? Infinity : size
  const first = await read(0, Math.min(limit, FIRST_READ))
  const header = decodeIndexHeader(
    first.subarray(0, HEADER_BYTES + MAX_SECTIONS * SECTION_BYTES),
    limit,
  )
  const source = new SectionSource(header, first, read)
  await source.load(coreTags)
  return new OpenIndex(source, await decodeCore(source))
}

/** Opens an index that is in memory whole. */
export async function openPackIndexBytes(bytes: Uint8Array): Promise<PackIndex> {
  return openPackIndex(async (start, end) => bytes.subarray(start, end), bytes.length)
}

const coreTags: readonly SectionTag[] = ['oids', 'look', 'offh', 'outs', 'pack', 'pkid']

/** Reads sections of an index, each once. */
class SectionSource {
  readonly header: IndexHeader
  readonly #read: ReadIndex
  /** The piece of the index that was read at the beginning. */
  #head: Uint8Array
  held = 0

  constructor(header: IndexHeader, head: Uint8Array, read: ReadIndex) {
    this.header = header
    this.#head = head
    this.#read = read
  }

  /** Reads from the beginning to the end of the last of these sections, unless that is there already. */
  async load(tags: readonly SectionTag[]): Promise<void> {
    let end = 0
    for (const tag of tags) {
      const place = this.header.sections.get(tag)
      if (place !== undefined) end = Math.max(end, place.start + place.length)
    }
    if (end > this.#head.length) this.#head = await this.#exactly(0, end)
    this.held += this.#head.length
  }

  rows(tag: SectionTag): number {
    return this.header.sections.get(tag)?.rows ?? 0
  }

  /** Bytes of a section, at an address that typed arrays can look at; empty when the index has none. */
  async bytes(tag: SectionTag): Promise<Uint8Array<ArrayBuffer>> {
    const place = this.header.sections.get(tag)
    if (place === undefined) return new Uint8Array(0)
    const end = place.start + place.length
    const isHere = end <= this.#head.length
    const bytes = isHere
      ? this.#head.subarray(place.start, end)
      : await this.#exactly(place.start, end)
    if (!isHere) this.held += bytes.length
    return aligned(bytes)
  }

  async #exactly(start: number, end: number): Promise<Uint8Array> {
    const bytes = await this.#read(start, end)
    if (bytes.length !== end - start) throw malformedIndex(`it ends before its byte ${end}`)
    return bytes
  }
}

/** The same bytes, copied if typed arrays could not look at them where they are. */
function aligned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes
  if (bytes.byteOffset % 8 !== 0 || !(buffer instanceof ArrayBuffer)) return bytes.slice()
  return new Uint8Array(buffer, bytes.byteOffset, bytes.length)
}

interface Core {
  readonly count: number
  readonly fanOut: Uint32Array
  readonly oids: Uint8Array
  readonly offsets: Uint32Array
  readonly highOffsets: Uint32Array | undefined
  readonly lengths: Uint32Array
  readonly sizes: Uint32Array
  readonly bases: Uint32Array
  readonly types: Uint8Array
  readonly outs: Uint8Array
  readonly packOf: Uint16Array | undefined
  readonly packs: readonly PackId[]
}

async function decodeCore(source: SectionSource): Promise<Core> {
  const { count } = source.header
  const oids = await source.bytes('oids')
  const look = await source.bytes('look')
  const outs = await source.bytes('outs')
  const high = await source.bytes('offh')
  const packOf = await source.bytes('pack')
  if (oids.length !== 1024 + count * OID_BYTES)
    throw malformedIndex(`its oids are not those of ${count} objects`)
  if (look.length !== count * 17)
    throw malformedIndex(`its columns are not those of ${count} objects`)
  if (outs.length !== source.rows('outs') * OID_BYTES)
    throw malformedIndex('its outside oids are cut short')
  if (high.length !== 0 && high.length !== count * 4)
    throw malformedIndex('its high offsets are cut short')
  const core: Core = {
    count,
    fanOut: new Uint32Array(oids.buffer, oids.byteOffset, 256),
    oids: oids.subarray(1024),
    offsets: new Uint32Array(look.buffer, look.byteOffset, count),
    highOffsets:
      high.length === 0 ? undefined : new Uint32Array(high.buffer, high.byteOffset, count),
    lengths: new Uint32Array(look.buffer, look.byteOffset + count * 4, count),
    sizes: new Uint32Array(look.buffer, look.byteOffset + count * 8, count),
    bases: new Uint32Array(look.buffer, look.byteOffset + count * 12, count),
    types: look.subarray(count * 16),
    outs,
    packOf:
      packOf.length === 0
        ? undefined
        : new Uint16Array(packOf.buffer, packOf.byteOffset, packOf.length >> 1),
    packs: decodePackIds(await source.bytes('pkid')),
  }
  checkCore(core)
  return core
}

function decodePackIds(bytes: Uint8Array): PackId[] {
  return bytes.length === 0 ? [] : new TextDecoder().decode(bytes).split('\n')
}

function checkCore(core: Core): void {
  const { count, fanOut, oids } = core
  const links = count + core.outs.length / OID_BYTES
  let before = 0
  for (const total of fanOut) {
    if (total < before) throw malformedIndex('its fan-out is not monotonic')
    before = total
  }
  if (before !== count) throw malformedIndex(`its fan-out ends at ${before}, expected ${count}`)
  for (let i = 0; i < count; i++) {
    if (i > 0 && compareAt(oids, (i - 1) * OID_BYTES, oids, i * OID_BYTES) >= 0) {
      throw malformedIndex('its oids are not in order')
    }
    const first = oids[i * OID_BYTES] ?? 0
    if (i >= (fanOut[first] ?? 0)) throw malformedIndex('its fan-out is not that of its oids')
    if (typeOfNumber(core.types[i] ?? 0) === undefined)
      throw malformedIndex('a type is none of the four')
    const base = core.bases[i] ?? NO_LINK
    if (base !== NO_LINK && base >= links) throw malformedIndex('a base is out of bounds')
  }
  checkPacks(core)
}

function checkPacks({ count, packOf, packs }: Core): void {
  if (packOf === undefined && packs.length === 0) return
  if (packOf?.length !== count)
    throw malformedIndex('it does not say of each object which pack it is in')
  for (const pack of packOf)
    if (pack >= packs.length) throw malformedIndex('a pack is out of bounds')
}

class OpenIndex implements PackIndex {
  readonly count: number
  readonly packs: readonly PackId[]
  readonly outsides: number
  readonly #source: SectionSource
  readonly #core: Core
  #crcs: Promise<Uint32Array> | undefined
  #commits: Promise<CommitRows> | undefined
  #edges: Promise<EdgeRows> | undefined
  #tags: Promise<TagRows> | undefined

  constructor(source: SectionSource, core: Core) {
    this.#source = source
    this.#core = core
    this.count = core.count
    this.packs = core.packs
    this.outsides = core.outs.length / OID_BYTES
  }

  get bytesHeld(): number {
    return this.#source.held
  }

  find(oid: Oid): number {
    return this.findBytes(encodeOid(oid))
  }

  findBytes(oid: Uint8Array, start = 0): number {
    return findOid(this.#core.fanOut, this.#core.oids, oid, start)
  }

  oid(ordinal: number): Oid {
    return readOid(this.#core.oids, ordinal * OID_BYTES)
  }

  oidBytes(ordinal: number): Uint8Array {
    return this.#core.oids.subarray(ordinal * OID_BYTES, (ordinal + 1) * OID_BYTES)
  }

  type(ordinal: number): ObjectType {
    return typeOfNumber(this.#core.types[ordinal] ?? 0) ?? 'blob'
  }

  size(ordinal: number): number {
    return this.#core.sizes[ordinal] ?? 0
  }

  offset(ordinal: number): number {
    return (this.#core.offsets[ordinal] ?? 0) + (this.#core.highOffsets?.[ordinal] ?? 0) * 2 ** 32
  }

  length(ordinal: number): number {
    return this.#core.lengths[ordinal] ?? 0
  }

  base(ordinal: number): Link {
    return this.#core.bases[ordinal] ?? NO_LINK
  }

  packOf(ordinal: number): number {
    return this.#core.packOf?.[ordinal] ?? 0
  }

  linkOid(link: Link): Oid | undefined {
    const bytes = this.linkBytes(link)
    return bytes === undefined ? undefined : readOid(bytes)
  }

  linkBytes(link: Link): Uint8Array | undefined {
    if (link < this.count) return this.oidBytes(link)
    const at = (link - this.count) * OID_BYTES
    return at < this.#core.outs.length ? this.#core.outs.subarray(at, at + OID_BYTES) : undefined
  }

  crcs(): Promise<Uint32Array> {
    this.#crcs ??= this.#readCrcs()
    return this.#crcs
  }

  commits(): Promise<CommitRows> {
    this.#commits ??= this.#rows('cmts').then(decodeCommits)
    return this.#commits
  }

  edges(): Promise<EdgeRows> {
    this.#edges ??= this.#rows('edge').then(decodeEdges)
    return this.#edges
  }

  tags(): Promise<TagRows> {
    this.#tags ??= this.#rows('tags').then(decodeTags)
    return this.#tags
  }

  async #rows(tag: SectionTag): Promise<Parameters<typeof decodeTags>[0]> {
    const bytes = await this.#source.bytes(tag)
    return {
      bytes,
      rows: this.#source.rows(tag),
      count: this.count,
      links: this.count + this.outsides,
    }
  }

  async #readCrcs(): Promise<Uint32Array> {
    const bytes = await this.#source.bytes('crcs')
    if (bytes.length !== this.count * 4) throw malformedIndex('its checksums are cut short')
    return new Uint32Array(bytes.buffer, bytes.byteOffset, this.count)
  }
}
