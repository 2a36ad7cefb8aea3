/**
 * Codes of deflate: Huffman codes, told by the lengths of their symbols.
 *
 * Every `as number` below is an index that its table covers: tables are as long as the codes that index them.
 *
 * Spec: RFC 1951, section 3.2
 *
 * @module
 */

/** The longest code, in bits. */
export const MAX_BITS = 15

/** Bits that are added to the least length of each symbol from 257 on: four symbols a number of bits. */
export const LENGTH_EXTRA = Uint8Array.from({ length: 29 }, (_, i) =>
  i < 8 || i === 28 ? 0 : (i >> 2) - 1,
)
/** Least length of each symbol from 257 on. The last one says 258, which the one before could say too. */
export const LENGTH_BASE = basesOf(3, LENGTH_EXTRA)
LENGTH_BASE[28] = 258

/** Bits that are added to the least distance of each symbol: two symbols a number of bits. */
export const DISTANCE_EXTRA = Uint8Array.from({ length: 30 }, (_, i) => (i < 4 ? 0 : (i >> 1) - 1))
/** Least distance of each symbol. */
export const DISTANCE_BASE = basesOf(1, DISTANCE_EXTRA)

/** The order in which the lengths of code lengths come: the likely ones first. */
export const CODE_ORDER = Uint8Array.from(
  '16 17 18 0 8 7 9 6 10 5 11 4 12 3 13 2 14 1 15'.split(' '),
  Number,
)

/** Where each symbol begins, if each covers as many values as its bits can tell apart. */
function basesOf(first: number, extra: Uint8Array): Uint16Array {
  let base = first
  return Uint16Array.from(extra, (bits) => {
    const own = base
    base += 1 << bits
    return own
  })
}

/** A set of codes: what as many bits as the longest of them has can begin with. */
export interface Codes {
  /** `symbol << 4 | bits` for all that the bits can be, the first one lowest; 0 where there is no such code. */
  readonly table: Uint16Array
  /** Masks the bits. */
  mask: number
}

/** Codes of at most so many bits, that wait for {@link build}. */
export function makeCodes(bits: number): Codes {
  return { table: new Uint16Array(1 << bits), mask: 0 }
}

/** Lengths of symbols, to be filled before {@link build}. One array serves every stream: nothing is awaited in between. */
export const lengths = new Uint8Array(320)
const counts = new Uint16Array(MAX_BITS + 1)
const next = new Uint16Array(MAX_BITS + 1)

/** Fills `codes` from `count` of {@link lengths}; whether they make a set that may be used. */
export function build(codes: Codes, from: number, count: number): boolean {
  counts.fill(0)
  let longest = 0
  for (let i = from; i < from + count; i++) {
    const length = lengths[i] as number
    counts[length] = (counts[length] as number) + 1
    if (length > longest) longest = length
  }
  counts[0] = 0
  let left = 1
  for (let length = 1; length <= longest; length++) {
    next[length] = ((next[length - 1] as number) + (counts[length - 1] as number)) << 1
    left = 2 * left - (counts[length] as number)
    if (left < 0) return false
  }
  const { table } = codes
  codes.mask = (1 << longest) - 1
  table.fill(0, 0, 1 << longest)
  for (let i = 0; i < count; i++) {
    const length = lengths[from + i] as number
    if (length === 0) continue
    const code = next[length] as number
    next[length] = code + 1
    for (let at = reverse(code, length); at <= codes.mask; at += 1 << length)
      table[at] = (i << 4) | length
  }
  // Too few codes are only allowed where there is one of one bit, or none at all.
  return left === 0 || longest <= 1
}

/** A code is read from its first bit on, so that its bits come in reverse. */
function reverse(code: number, bits: number): number {
  let reversed = 0
  for (let bit = 0; bit < bits; bit++) reversed = (reversed << 1) | ((code >> bit) & 1)
  return reversed
}
