/**
 * PackTable: what is known of every object of one pack while it is made or read.
 *
 * Rows come in any order and are kept in typed arrays, about 70 bytes an object and 20 for each oid that it names, so
 * that a pack of a million objects fits into a Worker. `encodeIndex` makes our index of it, `encodeStockIdx` Git's.
 *
 * Every `as number` below is of a row that was added: rows are counted by `count`.
 *
 * @module
 */
import { enlarge, release } from '../memory.ts'
import { TYPE_NUMBERS, typeOfNumber, type ObjectType } from '../object.ts'
import { encodeOid, OID_BYTES, readOid, type Oid } from '../oid.ts'
import type { PackContents } from '../place.ts'
import { encodeIndexOf, type IndexRows } from './encode-index.ts'
import { generationsOf } from './generations.ts'
import { packLinks, unpackLinks, type Links, type PackedLinks } from './links.ts'
import type { OidOrder } from './oid-order.ts'
import { sortOids } from './sort-oids.ts'

export type { Links } from './links.ts'

/** One object of a pack. */
export interface PackRow {
  readonly oid: Oid
  /** Where its entry begins in the pack. */
  readonly offset: number
  /** Length of its entry, header included. */
  readonly length: number
  /** CRC-32 of its entry. */
  readonly crc: number
  readonly type: ObjectType
  /** Length of its body. */
  readonly size: number
  /** The base, if the entry is a delta; in the pack or outside. */
  readonly base: Oid | undefined
  readonly links: Links | undefined
}

/** A row with its oids as bytes, for callers that have thousands of them. Bytes are copied. */
export interface RawRow {
  readonly oid: Uint8Array
  readonly offset: number
  readonly length: number
  readonly crc: number
  readonly type: ObjectType
  readonly size: number
  readonly base: Uint8Array | undefined
  readonly links: PackedLinks | undefined
}

/** The row with its oids as bytes. */
export function packRow({ oid, base, links, ...rest }: PackRow): RawRow {
  return {
    ...rest,
    oid: encodeOid(oid),
    base: base === undefined ? undefined : encodeOid(base),
    links: links === undefined ? undefined : packLinks(links),
  }
}

/** The row with its oids as text. */
export function unpackRow({ oid, base, links, ...rest }: RawRow): PackRow {
  return {
    ...rest,
    oid: readOid(oid),
    base: base === undefined ? undefined : readOid(base),
    links: links === undefined ? undefined : unpackLinks(links),
  }
}

// A row is nine words: where in the pool its base and its links are, and what is named after the other fields.
const LENGTH = 0
const SIZE = 1
const CRC = 2
const BASE = 3
const LINKS = 4
const LINKS_END = 5
const REMOVED = 6
const GENERATION = 7
/** Number of the type; {@link LINKED} and {@link AGAINST} on top where they hold. */
const KIND = 8
const WORDS = 9
/** Whether links are known. */
const LINKED = 8
/** Whether the first link of a tree is what it is told by. */
const AGAINST = 16
const NOWHERE = 0xffffffff

/** The objects of one pack, in the order in which they were added. */
export class PackTable implements IndexRows, PackContents {
  #count = 0
  #capacity = 0
  #oids = new Uint8Array(0)
  #words = new Uint32Array(0)
  /** Offset and time of each row. */
  #wide = new Float64Array(0)
  /** Oids that rows name, one after the other. */
  #pool = new Uint8Array(0)
  #pooled = 0
  #order: OidOrder | undefined

  /** How many rows there are. */
  get count(): number {
    return this.#count
  }

  /** Adds an object; tells its row number. The same object twice is an error that `order` finds. */
  addRaw(row: RawRow): number {
    const { links } = row
    if (this.#count === this.#capacity) this.#grow()
    const i = this.#count++
    const at = i * WORDS
    const words = this.#words
    this.#order = undefined
    this.#oids.set(row.oid, i * OID_BYTES)
    this.#wide[2 * i] = row.offset
    words[at + LENGTH] = row.length
    words[at + SIZE] = row.size
    words[at + CRC] = row.crc
    words[at + BASE] = row.base === undefined ? NOWHERE : this.#keep(row.base)
    words[at + KIND] = TYPE_NUMBERS[row.type]
    if (links === undefined) return i
    this.#wide[2 * i + 1] = links.time
    words[at + KIND] = TYPE_NUMBERS[row.type] + LINKED + (links.against ? AGAINST : 0)
    words[at + LINKS] = this.#keep(links.oids)
    words[at + LINKS_END] = this.#pooled
    words[at + REMOVED] = links.removed
    words[at + GENERATION] = links.generation
    return i
  }

  oid(i: number): Oid {
    return readOid(this.#oids, i * OID_BYTES)
  }

  /** The oid as bytes: a view, valid until the next row is added. */
  oidBytes(i: number): Uint8Array {
    return this.#oids.subarray(i * OID_BYTES, (i + 1) * OID_BYTES)
  }

  offset(i: number): number {
    return this.#wide[2 * i] as number
  }

  length(i: number): number {
    return this.#word(i, LENGTH)
  }

  size(i: number): number {
    return this.#word(i, SIZE)
  }

  crc(i: number): number {
    return this.#word(i, CRC)
  }

  type(i: number): ObjectType {
    return typeOfNumber(this.#word(i, KIND) & 7) ?? 'blob'
  }

  /** The base, if the entry is a delta. */
  base(i: number): Oid | undefined {
    const bytes = this.baseBytes(i)
    return bytes === undefined ? undefined : readOid(bytes)
  }

  /** The base as bytes: a view, valid until the next row is added. */
  baseBytes(i: number): Uint8Array | undefined {
    const at = this.#word(i, BASE)
    return at === NOWHERE ? undefined : this.#pooledOids(at, at + 1)
  }

  /** The links as bytes: views, valid until the next row is added. */
  packedLinks(i: number): PackedLinks | undefined {
    const kind = this.type(i)
    const bits = this.#word(i, KIND)
    if (kind === 'blob' || bits < LINKED) return undefined
    return {
      kind,
      oids: this.#pooledOids(this.#word(i, LINKS), this.#word(i, LINKS_END)),
      time: this.#wide[2 * i + 1] as number,
      generation: this.#word(i, GENERATION),
      against: bits >= LINKED + AGAINST,
      removed: this.#word(i, REMOVED),
    }
  }

  /** One row as a value, with views that are valid until the next row is added. */
  rawRow(i: number): RawRow {
    return {
      oid: this.oidBytes(i),
      offset: this.offset(i),
      length: this.length(i),
      crc: this.crc(i),
      type: this.type(i),
      size: this.size(i),
      base: this.baseBytes(i),
      links: this.packedLinks(i),
    }
  }

  /**
   * The rows in the order of their oids, worked out when first asked for.
   *
   * @throws MalformedError when an object is there twice
   */
  order(): OidOrder {
    return (this.#order ??= sortOids(this.#oids, this.#count))
  }

  /** Our index of the pack: docs/storage-format.md, "Pack index". */
  encodeIndex(): Uint8Array<ArrayBuffer> {
    return encodeIndexOf(this, { fill: generationsOf })
  }

  /** Gives its memory back now; nothing may be asked afterwards. */
  release(): void {
    release(this.#oids, this.#words, this.#wide, this.#pool)
  }

  #word(i: number, column: number): number {
    return this.#words[i * WORDS + column] as number
  }

  #pooledOids(start: number, end: number): Uint8Array {
    return this.#pool.subarray(start * OID_BYTES, end * OID_BYTES)
  }

  /** Puts oids into the pool; tells the number of the first. */
  #keep(oids: Uint8Array): number {
    const start = this.#pooled
    const end = start * OID_BYTES + oids.length
    if (end > this.#pool.length) {
      const larger = Math.max(end, this.#pool.length * 2, 1024)
      this.#pool = enlarge(this.#pool, new Uint8Array(larger))
    }
    this.#pool.set(oids, start * OID_BYTES)
    this.#pooled += oids.length / OID_BYTES
    return start
  }

  #grow(): void {
    const capacity = Math.max(16, this.#capacity * 2)
    this.#oids = enlarge(this.#oids, new Uint8Array(capacity * OID_BYTES))
    this.#words = enlarge(this.#words, new Uint32Array(capacity * WORDS))
    this.#wide = enlarge(this.#wide, new Float64Array(capacity * 2))
    this.#capacity = capacity
  }
}

/** The row of an object; -1 when the pack does not hold it. Do not mix with `addRaw` in a loop: see {@link PackTable.order}. */
export function findRow(table: PackTable, oid: Oid): number {
  const order = table.order()
  const ordinal = order.find(encodeOid(oid))
  return ordinal < 0 ? -1 : order.row(ordinal)
}
