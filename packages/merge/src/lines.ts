/**
 * Lines: files cut at their line ends, with a number for each line that says which lines are equal.
 *
 * A line keeps its line end, so a last line without one is another line than the same text with it.
 *
 * @module
 */

/** A file as lines. */
export interface Lines {
  readonly bytes: Uint8Array
  /** Where each line begins; one more entry than there are lines, for the end. */
  readonly starts: Int32Array
  /** Lines have the same id if and only if they have the same bytes, also across files of one {@link LineTable}. */
  readonly ids: Int32Array
}

const LF = 10
const CR = 13

/** Numbers the lines of several files alike. */
export class LineTable {
  /** Ids by hash, open addressing; 0 is free, else the id plus one. */
  #slots = new Int32Array(1024)
  /** Of each id: the hash, and where its bytes are. */
  #hashes = new Int32Array(512)
  #starts = new Int32Array(512)
  #ends = new Int32Array(512)
  readonly #homes: Uint8Array[] = []
  #count = 0

  /** How many different lines there are. */
  get size(): number {
    return this.#count
  }

  /** Cuts a file into lines and numbers them. The bytes must not change afterwards. */
  add(bytes: Uint8Array): Lines {
    let ends = new Int32Array(Math.max(16, bytes.length >> 5))
    let ids = new Int32Array(ends.length)
    let count = 0
    for (let at = 0; at < bytes.length; count++) {
      if (count === ends.length) {
        ends = grow(ends)
        ids = grow(ids)
      }
      const start = at
      let hash = 0x811c9dc5
      for (let byte = -1; byte !== LF && at < bytes.length; at++) {
        byte = bytes[at] ?? 0
        hash = Math.imul(hash ^ byte, 0x01000193)
      }
      ids[count] = this.#idOf(bytes, start, at, hash ^ (hash >>> 15))
      ends[count] = at
    }
    const starts = new Int32Array(count + 1)
    starts.set(ends.subarray(0, count), 1)
    return { bytes, starts, ids: ids.slice(0, count) }
  }

  #idOf(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1
    let slot = hash & mask
    for (let id = at(this.#slots, slot) - 1; id >= 0; id = at(this.#slots, slot) - 1) {
      if (at(this.#hashes, id) === hash && this.#isEqual(id, bytes, start, end)) return id
      slot = (slot + 1) & mask
    }
    const id = this.#count++
    if (id === this.#hashes.length) {
      this.#hashes = grow(this.#hashes)
      this.#starts = grow(this.#starts)
      this.#ends = grow(this.#ends)
    }
    this.#hashes[id] = hash
    this.#starts[id] = start
    this.#ends[id] = end
    this.#homes.push(bytes)
    this.#slots[slot] = id + 1
    if (this.#count * 2 > this.#slots.length) this.#rehash()
    return id
  }

  #isEqual(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const from = at(this.#starts, id)
    const home = this.#homes[id]
    if (home === undefined || at(this.#ends, id) - from !== end - start) return false
    for (let i = 0; i < end - start; i++) if (home[from + i] !== bytes[start + i]) return false
    return true
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 2)
    for (let id = 0; id < this.#count; id++) {
      let slot = at(this.#hashes, id) & (slots.length - 1)
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1)
      slots[slot] = id + 1
    }
    this.#slots = slots
  }
}

/** The bytes of `count` lines from line `first` on. */
export function sliceLines(lines: Lines, first: number, count: number): Uint8Array {
  return lines.bytes.subarray(at(lines.starts, first), at(lines.starts, first + count))
}

/** Whether the line ends with LF. */
export function endsWithLineFeed({ bytes, starts }: Lines, line: number): boolean {
  const end = at(starts, line + 1)
  return end > at(starts, line) && bytes[end - 1] === LF
}

/** Whether the line ends with CR LF. */
export function endsWithCrLf(lines: Lines, line: number): boolean {
  const end = at(lines.starts, line + 1)
  const isLong = end - at(lines.starts, line) > 1
  return isLong && endsWithLineFeed(lines, line) && lines.bytes[end - 2] === CR
}

/** The number at an index that is inside the list; 0 beyond its ends. */
export function at(list: Int32Array | Uint8Array, index: number): number {
  return list[index] ?? 0
}

function grow(list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(list.length * 2)
  larger.set(list)
  return larger
}
