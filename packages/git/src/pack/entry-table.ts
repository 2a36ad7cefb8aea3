/**
 * EntryTable: the entries of a pack that is read, before and while their deltas are resolved.
 *
 * Typed arrays, 40 bytes an entry, that grow with the entries that were seen and not with the number that a header
 * announces.
 *
 * @module
 */
import type { Oid } from '../oid.ts'

/** No entry. */
export const NONE = -1

/** An entry as it was scanned. */
export interface ScannedEntry {
  readonly offset: number
  readonly length: number
  /** Bytes of its header. */
  readonly head: number
  /** Length of what is compressed in it. */
  readonly size: number
  readonly crc: number
  /** Entry of its base, for OFS_DELTA; `NONE` otherwise. */
  readonly base: number
  /** Name of its base, for REF_DELTA. */
  readonly baseOid: Oid | undefined
}

/** Entries in the order of the pack. */
export class EntryTable {
  #count = 0
  #offsets = new Float64Array(64)
  #lengths = new Uint32Array(64)
  #heads = new Uint8Array(64)
  #sizes = new Uint32Array(64)
  #crcs = new Uint32Array(64)
  /** Entry of the base; below `NONE`: number -2 - b in `#baseOids`. */
  #bases = new Int32Array(64)
  #depths = new Uint16Array(64)
  #rows = new Int32Array(64)
  #children = new Int32Array(64)
  #siblings = new Int32Array(64)
  readonly #baseOids: Oid[] = []
  readonly #baseNumbers = new Map<Oid, number>()
  /** Entries that wait for an object that has no entry yet, by its name: the first of a list of siblings. */
  readonly #waiting = new Map<Oid, number>()

  get count(): number {
    return this.#count
  }

  /** Names of bases that nobody has seen. */
  get waiting(): readonly Oid[] {
    return [...this.#waiting.keys()]
  }

  add(entry: ScannedEntry): number {
    if (this.#count === this.#offsets.length) this.#grow()
    const i = this.#count++
    this.#offsets[i] = entry.offset
    this.#lengths[i] = entry.length
    this.#heads[i] = entry.head
    this.#sizes[i] = entry.size
    this.#crcs[i] = entry.crc
    this.#rows[i] = NONE
    this.#children[i] = NONE
    this.#siblings[i] = NONE
    this.#bases[i] = entry.baseOid === undefined ? entry.base : -2 - this.#numberOf(entry.baseOid)
    if (entry.baseOid !== undefined) {
      this.#siblings[i] = this.#waiting.get(entry.baseOid) ?? NONE
      this.#waiting.set(entry.baseOid, i)
    }
    return i
  }

  /** The entry that begins at this offset; `NONE` when none does. */
  at(offset: number): number {
    let low = 0
    let high = this.#count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const found = this.#offsets[middle] ?? 0
      if (found === offset) return middle
      if (found < offset) low = middle + 1
      else high = middle - 1
    }
    return NONE
  }

  offset(i: number): number {
    return this.#offsets[i] ?? 0
  }

  length(i: number): number {
    return this.#lengths[i] ?? 0
  }

  head(i: number): number {
    return this.#heads[i] ?? 0
  }

  size(i: number): number {
    return this.#sizes[i] ?? 0
  }

  crc(i: number): number {
    return this.#crcs[i] ?? 0
  }

  /** How many deltas lie between the entry and a whole object; only for resolved entries. */
  depth(i: number): number {
    return this.#depths[i] ?? 0
  }

  isDelta(i: number): boolean {
    return this.#bases[i] !== NONE
  }

  /** Entry of the base; `NONE` for whole objects and for bases outside of the pack. */
  base(i: number): number {
    return Math.max(NONE, this.#bases[i] ?? NONE)
  }

  /** Name of the base if it lies outside of the pack, or nobody knows where. */
  outsideBase(i: number): Oid | undefined {
    const base = this.#bases[i] ?? NONE
    return base < NONE ? this.#baseOids[-2 - base] : undefined
  }

  /** Row of the pack table for a resolved entry; `NONE` before. */
  row(i: number): number {
    return this.#rows[i] ?? NONE
  }

  /** The entry is resolved: it has a row. */
  setRow(i: number, row: number): void {
    this.#rows[i] = row
    const base = this.base(i)
    this.#depths[i] = this.isDelta(i) ? (base === NONE ? 1 : this.depth(base) + 1) : 0
  }

  firstChild(i: number): number {
    return this.#children[i] ?? NONE
  }

  nextChild(i: number): number {
    return this.#siblings[i] ?? NONE
  }

  /** The first of its children, who are not listed any more: whoever takes them sees to them. */
  takeChildren(i: number): number {
    const first = this.firstChild(i)
    this.#children[i] = NONE
    return first
  }

  /** Lists, for each entry, the OFS_DELTAs of it that are not resolved. Call once, when all entries are here. */
  linkChildren(): void {
    for (let i = this.#count - 1; i >= 0; i--) {
      const base = this.#bases[i] ?? NONE
      if (base < 0 || this.row(i) !== NONE) continue
      this.#siblings[i] = this.#children[base] ?? NONE
      this.#children[base] = i
    }
  }

  /** Makes those that wait for `oid` children of the entry that turned out to be it. */
  adopt(i: number, oid: Oid): void {
    const first = this.takeWaiting(oid)
    if (first === NONE) return
    let last = first
    for (let child = first; child !== NONE; child = this.nextChild(child)) {
      this.#bases[child] = i
      last = child
    }
    this.#siblings[last] = this.firstChild(i)
    this.#children[i] = first
  }

  /** The first of those that wait for `oid`, who wait no longer. */
  takeWaiting(oid: Oid): number {
    const first = this.#waiting.get(oid) ?? NONE
    this.#waiting.delete(oid)
    return first
  }

  /** Whether anybody waits for anything. */
  get hasWaiting(): boolean {
    return this.#waiting.size > 0
  }

  #numberOf(oid: Oid): number {
    const known = this.#baseNumbers.get(oid)
    if (known !== undefined) return known
    const number = this.#baseOids.push(oid) - 1
    this.#baseNumbers.set(oid, number)
    return number
  }

  #grow(): void {
    const size = this.#offsets.length * 2
    this.#offsets = enlarge(this.#offsets, new Float64Array(size))
    this.#lengths = enlarge(this.#lengths, new Uint32Array(size))
    this.#heads = enlarge(this.#heads, new Uint8Array(size))
    this.#sizes = enlarge(this.#sizes, new Uint32Array(size))
    this.#crcs = enlarge(this.#crcs, new Uint32Array(size))
    this.#bases = enlarge(this.#bases, new Int32Array(size))
    this.#depths = enlarge(this.#depths, new Uint16Array(size))
    this.#rows = enlarge(this.#rows, new Int32Array(size))
    this.#children = enlarge(this.#children, new Int32Array(size))
    this.#siblings = enlarge(this.#siblings, new Int32Array(size))
  }
}

function enlarge<Column extends { set(from: Column): void }>(from: Column, to: Column): Column {
  to.set(from)
  return to
}
