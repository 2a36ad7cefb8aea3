/**
 * PackTable: what is known of every object of one pack while it is made or read.
 *
 * Rows come in any order and are kept in typed arrays, about 70 bytes an object and 20 for each oid that it names, so
 * that a pack of a million objects fits into a Worker. `encodeIndex` makes our index of it, `encodeIdx` Git's.
 *
 * @module
 */
import type { ObjectType } from '../object.ts'
import { TYPE_NUMBERS, typeOfNumber } from '../object.ts'
import { encodeOid, OID_BYTES, readOid, type Oid } from '../oid.ts'
import type { Runtime } from '../runtime.ts'
import { encodeIndexOf } from './encode-index.ts'
import { encodeStockIdx } from './idx.ts'
import { packLinks, unpackLinks, type Links, type PackedLinks } from './links.ts'
import { OidOrder } from './oid-order.ts'

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

const NOWHERE = 0xffffffff
const kinds: readonly Links['kind'][] = ['commit', 'tree', 'tag']
/** Bit in the column of kinds that says that a tree's first oid is its `against`. */
const AGAINST = 4

/** The objects of one pack, in the order in which they were added. */
export class PackTable {
  #count = 0
  #capacity = 0
  #oids = new Uint8Array(0)
  #types = new Uint8Array(0)
  #kinds = new Uint8Array(0)
  #offsets = new Float64Array(0)
  #times = new Float64Array(0)
  #lengths = new Uint32Array(0)
  #sizes = new Uint32Array(0)
  #crcs = new Uint32Array(0)
  #bases = new Uint32Array(0)
  #removed = new Uint32Array(0)
  #generations = new Uint32Array(0)
  #linkStarts = new Uint32Array(0)
  #linkEnds = new Uint32Array(0)
  /** Oids that rows name, one after the other. */
  #pool = new Uint8Array(0)
  #pooled = 0
  #order: OidOrder | undefined

  /** How many rows there are. */
  get count(): number {
    return this.#count
  }

  /** Adds an object; tells its row number. The same object twice is an error that `order` finds. */
  add(row: PackRow): number {
    const { oid, base, links } = row
    return this.addRaw({
      ...row,
      oid: encodeOid(oid),
      base: base === undefined ? undefined : encodeOid(base),
      links: links === undefined ? undefined : packLinks(links),
    })
  }

  /** Adds an object whose oids are bytes; tells its row number. */
  addRaw(row: RawRow): number {
    if (this.#count === this.#capacity) this.#grow()
    const i = this.#count++
    this.#order = undefined
    this.#oids.set(row.oid, i * OID_BYTES)
    this.#types[i] = TYPE_NUMBERS[row.type]
    this.#offsets[i] = row.offset
    this.#lengths[i] = row.length
    this.#crcs[i] = row.crc
    this.#sizes[i] = row.size
    this.#bases[i] = row.base === undefined ? NOWHERE : this.#keep(row.base)
    this.#setLinks(i, row.links)
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
    return this.#offsets[i] ?? 0
  }

  length(i: number): number {
    return this.#lengths[i] ?? 0
  }

  size(i: number): number {
    return this.#sizes[i] ?? 0
  }

  crc(i: number): number {
    return this.#crcs[i] ?? 0
  }

  type(i: number): ObjectType {
    return typeOfNumber(this.#types[i] ?? 0) ?? 'blob'
  }

  /** The base, if the entry is a delta. */
  base(i: number): Oid | undefined {
    const bytes = this.baseBytes(i)
    return bytes === undefined ? undefined : readOid(bytes)
  }

  /** The base as bytes: a view, valid until the next row is added. */
  baseBytes(i: number): Uint8Array | undefined {
    const at = this.#bases[i] ?? NOWHERE
    return at === NOWHERE ? undefined : this.#pool.subarray(at * OID_BYTES, (at + 1) * OID_BYTES)
  }

  links(i: number): Links | undefined {
    const packed = this.packedLinks(i)
    return packed === undefined ? undefined : unpackLinks(packed)
  }

  /** The links as bytes: views, valid until the next row is added. */
  packedLinks(i: number): PackedLinks | undefined {
    const number = this.#kinds[i] ?? 0
    const kind = kinds[(number & 3) - 1]
    if (kind === undefined) return undefined
    const [start, end] = [this.#linkStarts[i] ?? 0, this.#linkEnds[i] ?? 0]
    return {
      kind,
      oids: this.#pool.subarray(start * OID_BYTES, end * OID_BYTES),
      time: this.#times[i] ?? 0,
      generation: this.#generations[i] ?? 0,
      against: (number & AGAINST) !== 0,
      removed: this.#removed[i] ?? 0,
    }
  }

  /** One row as a value. */
  row(i: number): PackRow {
    return {
      oid: this.oid(i),
      offset: this.offset(i),
      length: this.length(i),
      crc: this.crc(i),
      type: this.type(i),
      size: this.size(i),
      base: this.base(i),
      links: this.links(i),
    }
  }

  /**
   * The rows in the order of their oids, worked out when first asked for.
   *
   * @throws MalformedError when an object is there twice
   */
  order(): OidOrder {
    this.#order ??= new OidOrder(this.#oids, this.#count)
    return this.#order
  }

  /** The row of an object; -1 when the pack does not hold it. Do not mix with `add` in a loop: see {@link order}. */
  find(oid: Oid): number {
    const order = this.order()
    const ordinal = order.find(encodeOid(oid))
    return ordinal < 0 ? -1 : order.row(ordinal)
  }

  /** Our index of the pack: docs/storage-format.md, "Pack index". */
  encodeIndex(): Uint8Array<ArrayBuffer> {
    return encodeIndexOf(this)
  }

  /** Git's index of the pack, version 2, the same bytes as `git index-pack` makes. `trailer` is the pack's SHA-1. */
  encodeIdx(trailer: Uint8Array, runtime: Runtime): Uint8Array<ArrayBuffer> {
    return encodeStockIdx(this, trailer, runtime)
  }

  #setLinks(i: number, links: PackedLinks | undefined): void {
    if (links === undefined) return
    this.#kinds[i] = kinds.indexOf(links.kind) + 1 + (links.against ? AGAINST : 0)
    this.#times[i] = links.time
    this.#generations[i] = links.generation
    this.#removed[i] = links.removed
    this.#linkStarts[i] = this.#keep(links.oids)
    this.#linkEnds[i] = this.#pooled
  }

  /** Puts oids into the pool; tells the number of the first. */
  #keep(oids: Uint8Array): number {
    const start = this.#pooled
    const end = start * OID_BYTES + oids.length
    if (end > this.#pool.length) {
      const larger = new Uint8Array(Math.max(end, this.#pool.length * 2, 1024))
      larger.set(this.#pool.subarray(0, start * OID_BYTES))
      this.#pool = larger
    }
    this.#pool.set(oids, start * OID_BYTES)
    this.#pooled += oids.length / OID_BYTES
    return start
  }

  #grow(): void {
    const capacity = Math.max(16, this.#capacity * 2)
    this.#oids = enlarge(this.#oids, new Uint8Array(capacity * OID_BYTES))
    this.#types = enlarge(this.#types, new Uint8Array(capacity))
    this.#kinds = enlarge(this.#kinds, new Uint8Array(capacity))
    this.#offsets = enlarge(this.#offsets, new Float64Array(capacity))
    this.#times = enlarge(this.#times, new Float64Array(capacity))
    this.#lengths = enlarge(this.#lengths, new Uint32Array(capacity))
    this.#sizes = enlarge(this.#sizes, new Uint32Array(capacity))
    this.#crcs = enlarge(this.#crcs, new Uint32Array(capacity))
    this.#bases = enlarge(this.#bases, new Uint32Array(capacity))
    this.#removed = enlarge(this.#removed, new Uint32Array(capacity))
    this.#generations = enlarge(this.#generations, new Uint32Array(capacity))
    this.#linkStarts = enlarge(this.#linkStarts, new Uint32Array(capacity))
    this.#linkEnds = enlarge(this.#linkEnds, new Uint32Array(capacity))
    this.#capacity = capacity
  }
}

function enlarge<Column extends { set(from: Column): void }>(from: Column, to: Column): Column {
  to.set(from)
  return to
}
