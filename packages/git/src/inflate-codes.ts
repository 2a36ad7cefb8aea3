/**
 * Codes of deflate: Huffman codes, told by the lengths of their symbols.
 *
 * Every `as number` below is an index that its table covers: tables are as long as the codes that index them.
 *
 * Spec: RFC 1951, section 3.2
 *
 * @module
 */

/** Bits that are looked up at once; longer codes are found by counting. */
const ROOT = 9
/** Masks as many bits as {@link Codes.root} is looked up with. */
export const ROOT_MASK = (1 << ROOT) - 1
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

/** A code is read from its first bit on, so that its bits come in reverse. */
function reverse(value: number, bits: number): number {
  let reversed = 0
  for (let bit = 0; bit < bits; bit++) reversed |= ((value >> bit) & 1) << (bits - 1 - bit)
  return reversed
}

const REVERSED = Uint16Array.from({ length: 1 << ROOT }, (_, value) => reverse(value, ROOT))

/** A set of codes: how many there are of each length, the symbols in order, and what the next {@link ROOT} bits mean. */
export interface Codes {
  readonly counts: Uint16Array
  readonly symbols: Uint16Array
  /** `symbol << 4 | bits`; 0 where the code is longer than {@link ROOT} bits or there is none. */
  readonly root: Uint16Array
}

/** Codes that wait for {@link build}. */
export function makeCodes(): Codes {
  return {
    counts: new Uint16Array(16),
    symbols: new Uint16Array(320),
    root: new Uint16Array(1 << ROOT),
  }
}

/** Lengths of symbols, to be filled before {@link build}. One array serves every stream: nothing is awaited in between. */
export const lengths = new Uint8Array(320)
const offsets = new Uint16Array(16)

/** Fills `codes` from `count` of {@link lengths}; whether they make a set that may be used. */
export function build(codes: Codes, from: number, count: number): boolean {
  const { counts, symbols, root } = codes
  counts.fill(0)
  root.fill(0)
  let longest = 0
  for (let i = from; i < from + count; i++) {
    const length = lengths[i] as number
    counts[length] = (counts[length] as number) + 1
    if (length > longest) longest = length
  }
  let left = 1
  offsets[1] = 0
  for (let length = 1; length <= MAX_BITS; length++) {
    left = 2 * left - (counts[length] as number)
    if (left < 0) return false
    if (length < MAX_BITS)
      offsets[length + 1] = (offsets[length] as number) + (counts[length] as number)
  }
  for (let i = 0; i < count; i++) {
    const length = lengths[from + i] as number
    if (length === 0) continue
    const place = offsets[length] as number
    symbols[place] = i
    offsets[length] = place + 1
  }
  fillRoot(codes)
  // Too few codes are only allowed where there is one of one bit, or none at all.
  return left === 0 || longest <= 1
}

function fillRoot({ counts, symbols, root }: Codes): void {
  let code = 0
  let place = 0
  for (let length = 1; length <= ROOT; length++) {
    for (let n = counts[length] as number; n > 0; n--, code++, place++) {
      const entry = ((symbols[place] as number) << 4) | length
      const first = REVERSED[code << (ROOT - length)] as number
      for (let i = first; i <= ROOT_MASK; i += 1 << length) root[i] = entry
    }
    code <<= 1
  }
}

/** Symbol and length, as in {@link Codes.root}, of a code that is longer than {@link ROOT} bits; 0 when there is none. */
export function findLong({ counts, symbols }: Codes, hold: number): number {
  let code = 0
  let first = 0
  let index = 0
  for (let length = 1; length <= MAX_BITS; length++) {
    code |= (hold >>> (length - 1)) & 1
    const count = counts[length] as number
    if (code - count < first) return ((symbols[index + code - first] as number) << 4) | length
    index += count
    first = (first + count) << 1
    code <<= 1
  }
  return 0
}
