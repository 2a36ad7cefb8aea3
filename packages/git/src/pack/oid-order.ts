/**
 * OidOrder: the rows of a table in the order of their oids, and the search in it.
 *
 * @module
 */
import { compareAt, OID_BYTES } from '../oid.ts'

/** A sorting of rows by oid, each oid once. The place of a row in it is its *ordinal*. */
export class OidOrder {
  readonly count: number
  /** The oids in order, 20 bytes each. */
  readonly sorted: Uint8Array<ArrayBuffer>
  /** A row whose oid another row before it has too, if there is one; it has no ordinal. */
  twice: number | undefined
  readonly #rows: Uint32Array
  readonly #fanOut: Uint32Array

  /** Sorts `count` oids of 20 bytes each. */
  constructor(oids: Uint8Array, count: number) {
    this.#rows = sortRows(oids, count).filter((row, i, all) => {
      const before = all[i - 1]
      const isFirst =
        before === undefined || compareAt(oids, before * OID_BYTES, oids, row * OID_BYTES) !== 0
      if (!isFirst) this.twice = row
      return isFirst
    })
    this.count = this.#rows.length
    this.sorted = new Uint8Array(this.count * OID_BYTES)
    // Byte by byte: a view of each of a hundred thousand oids would be more garbage than the oids are.
    for (let to = 0; to < this.sorted.length; to++)
      this.sorted[to] =
        oids[this.row(Math.floor(to / OID_BYTES)) * OID_BYTES + (to % OID_BYTES)] ?? 0
    this.#fanOut = fanOutOf(this.sorted, this.count)
  }

  /** Row of the object with this ordinal. */
  row(ordinal: number): number {
    return this.#rows[ordinal] ?? -1
  }

  /** Ordinal of the oid that begins at `start`; -1 when there is none. */
  find(bytes: Uint8Array, start = 0): number {
    return findOid(this.#fanOut, this.sorted, bytes, start)
  }
}

/** For each first byte, how many of the sorted oids begin with it or a smaller one. */
export function fanOutOf(sorted: Uint8Array, count: number): Uint32Array<ArrayBuffer> {
  const fanOut = new Uint32Array(256)
  for (let i = 0; i < count; i++) {
    const first = sorted[i * OID_BYTES] ?? 0
    fanOut[first] = (fanOut[first] ?? 0) + 1
  }
  for (let byte = 1; byte < 256; byte++)
    fanOut[byte] = (fanOut[byte] ?? 0) + (fanOut[byte - 1] ?? 0)
  return fanOut
}

/** Place of the oid at `bytes[start]` among sorted oids with their fan-out; -1 when it is not among them. */
export function findOid(
  fanOut: Uint32Array,
  sorted: Uint8Array,
  bytes: Uint8Array,
  start: number,
): number {
  const first = bytes[start] ?? 0
  let low = first === 0 ? 0 : (fanOut[first - 1] ?? 0)
  let high = (fanOut[first] ?? 0) - 1
  while (low <= high) {
    const middle = (low + high) >>> 1
    const order = compareAt(sorted, middle * OID_BYTES, bytes, start)
    if (order === 0) return middle
    if (order < 0) low = middle + 1
    else high = middle - 1
  }
  return -1
}

/** Row numbers in the order of the oids, equal ones in the order of the rows. */
export function sortRows(oids: Uint8Array, count: number): Uint32Array<ArrayBuffer> {
  const view = new DataView(oids.buffer, oids.byteOffset, oids.byteLength)
  const prefixes = new Uint32Array(count)
  const rows = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    prefixes[i] = view.getUint32(i * OID_BYTES)
    rows[i] = i
  }
  return rows.sort(
    (a, b) =>
      (prefixes[a] ?? 0) - (prefixes[b] ?? 0) ||
      compareAt(oids, a * OID_BYTES, oids, b * OID_BYTES) ||
      a - b,
  )
}
