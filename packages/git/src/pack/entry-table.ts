/**
 * EntryTable: the entries of a pack that is read, before and while their deltas are resolved.
 *
 * Typed arrays, 44 bytes an entry, that grow with the entries that were seen and not with the number that a header
 * announces.
 *
 * The `as number` below is of an entry that was added.
 *
 * @module
 */
import { enlarge, release } from '../memory.ts'
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

// An entry is nine words. Lengths, sizes and checksums have no sign.
const LENGTH = 0
const HEAD = 1
const SIZE = 2
const CRC = 3
/** Entry of the base; below `NONE`: number -2 - b in `#baseOids`. */
const BASE = 4
const DEPTH = 5
const ROW = 6
const CHILD = 7
const SIBLING = 8
const WORDS = 9

/** Entries in the order of the pack. */
export class EntryTable {
  #count = 0
  #capacity = 64
  #offsets = new Float64Array(64)
  #words = new Int32Array(64 * WORDS)
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
    if (this.#count === this.#capacity) this.#grow()
    const i = this.#count++
    const { offset, length, head, size, crc, base, baseOid } = entry
    this.#offsets[i] = offset
    this.#words.set([length, head, size, crc, base, 0, NONE, NONE, NONE], i * WORDS)
    if (baseOid === undefined) return i
    this.#set(i, BASE, -2 - this.#numberOf(baseOid))
    this.#set(i, SIBLING, this.#waiting.get(baseOid) ?? NONE)
    this.#waiting.set(baseOid, i)
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
    return this.#word(i, LENGTH) >>> 0
  }

  head(i: number): number {
    return this.#word(i, HEAD)
  }

  size(i: number): number {
    return this.#word(i, SIZE) >>> 0
  }

  crc(i: number): number {
    return this.#word(i, CRC) >>> 0
  }

  /** How many deltas lie between the entry and a whole object; only for resolved entries. */
  depth(i: number): number {
    return this.#word(i, DEPTH)
  }

  isDelta(i: number): boolean {
    return this.#word(i, BASE) !== NONE
  }

  /** Entry of the base; `NONE` for whole objects and for bases outside of the pack. */
  base(i: number): number {
    return Math.max(NONE, this.#word(i, BASE))
  }

  /** Name of the base if it lies outside of the pack, or nobody knows where. */
  outsideBase(i: number): Oid | undefined {
    const base = this.#word(i, BASE)
    return base < NONE ? this.#baseOids[-2 - base] : undefined
  }

  /** Row of the pack table for a resolved entry; `NONE` before. */
  row(i: number): number {
    return this.#word(i, ROW)
  }

  /** The entry is resolved: it has a row. */
  setRow(i: number, row: number): void {
    this.#set(i, ROW, row)
    const base = this.base(i)
    this.#set(i, DEPTH, this.isDelta(i) ? (base === NONE ? 1 : this.depth(base) + 1) : 0)
  }

  firstChild(i: number): number {
    return this.#word(i, CHILD)
  }

  nextChild(i: number): number {
    return this.#word(i, SIBLING)
  }

  /** The first of its children, who are not listed any more: whoever takes them sees to them. */
  takeChildren(i: number): number {
    const first = this.firstChild(i)
    this.#set(i, CHILD, NONE)
    return first
  }

  /** Lists, for each entry, the OFS_DELTAs of it that are not resolved. Call once, when all entries are here. */
  linkChildren(): void {
    for (let i = this.#count - 1; i >= 0; i--) {
      const base = this.#word(i, BASE)
      if (base < 0 || this.row(i) !== NONE) continue
      this.#set(i, SIBLING, this.firstChild(base))
      this.#set(base, CHILD, i)
    }
  }

  /** Makes those that wait for `oid` children of the entry that turned out to be it. */
  adopt(i: number, oid: Oid): void {
    const first = this.takeWaiting(oid)
    if (first === NONE) return
    let last = first
    for (let child = first; child !== NONE; child = this.nextChild(child)) {
      this.#set(child, BASE, i)
      last = child
    }
    this.#set(last, SIBLING, this.firstChild(i))
    this.#set(i, CHILD, first)
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

  /** Gives its memory back; no entry can be read any more. */
  release(): void {
    release(this.#offsets, this.#words)
  }

  #word(i: number, column: number): number {
    return this.#words[i * WORDS + column] as number
  }

  #set(i: number, column: number, value: number): void {
    this.#words[i * WORDS + column] = value
  }

  #grow(): void {
    this.#capacity *= 2
    this.#offsets = enlarge(this.#offsets, new Float64Array(this.#capacity))
    this.#words = enlarge(this.#words, new Int32Array(this.#capacity * WORDS))
  }
}
