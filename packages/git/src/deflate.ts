/**
 * Deflate: compression to a zlib stream.
 *
 * Each block is stored, or told by the fixed codes or by codes of its own, whichever is shortest.
 *
 * Every `as number` below is an index that its table covers: tables are as long as the codes that index them, and counters
 * stay below the number of what they count.
 *
 * Specs: RFC 1950 (zlib), RFC 1951 (deflate)
 *
 * @module
 */
import { concat } from './bytes.ts'
import {
  CODE_ORDER,
  codesOf,
  DISTANCE_BASE,
  DISTANCE_EXTRA,
  FIXED_DISTANCES,
  FIXED_LITERALS,
  LENGTH_BASE,
  LENGTH_EXTRA,
  lengthsOf,
  MAX_BITS,
} from './deflate-codes.ts'
import { adler32 } from './inflate.ts'
import { distances, MatchFinder, MAX_PIECE, values } from './matches.ts'

/** The symbol that ends a block. */
const END = 256

/**
 * Compresses `body` to a zlib stream.
 *
 * @param level 0 stores; from 1 on each looks at twice as many places for a match as the one before
 */
export function deflateZlib(body: Uint8Array, level: number): Uint8Array<ArrayBuffer> {
  // A block is as long as one that is stored can be.
  const blocks = Math.max(1, Math.ceil(body.length / MAX_PIECE))
  const out = new BitOutput(body.length + 6 * blocks + 7)
  out.put(0x9c78, 16)
  const finder = new MatchFinder(body, (1 << level) >> 1)
  for (let block = 1; block <= blocks; block++) {
    const piece = body.subarray((block - 1) * MAX_PIECE, block * MAX_PIECE)
    out.put(block === blocks ? 1 : 0, 1)
    if (level === 0) putStored(out, piece)
    else putBlock(out, piece, finder.fill(piece.length))
  }
  out.alignToByte()
  const sum = adler32(body)
  out.put(sum >>> 24, 8)
  out.put((sum >>> 16) & 255, 8)
  out.put((sum >>> 8) & 255, 8)
  out.put(sum & 255, 8)
  return out.bytes.slice(0, out.position)
}

/** Bits, lowest first, into an array that is long enough. */
class BitOutput {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Of the next byte to be written. */
  position = 0
  hold = 0
  count = 0

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
  }

  /** At most 16 bits. */
  put(value: number, bits: number): void {
    this.hold |= value << this.count
    this.count += bits
    for (; this.count >= 8; this.count -= 8) {
      this.bytes[this.position++] = this.hold
      this.hold >>>= 8
    }
  }

  alignToByte(): void {
    this.put(0, -this.count & 7)
  }
}

/** A code for each symbol. */
interface Code {
  readonly lengths: Uint8Array
  readonly bits: Uint16Array
}

/** The codes of literals and lengths, and of distances. */
type Codes = readonly [literals: Code, distances: Code]

const fixed: Codes = [codeOf(FIXED_LITERALS), codeOf(FIXED_DISTANCES)]

function codeOf(lengths: Uint8Array): Code {
  return { lengths, bits: codesOf(lengths) }
}

function putCode(out: BitOutput, { lengths, bits }: Code, symbol: number): void {
  out.put(bits[symbol] as number, lengths[symbol] as number)
}

function putStored(out: BitOutput, piece: Uint8Array): void {
  out.put(0, 2)
  out.alignToByte()
  out.put(piece.length, 16)
  out.put(piece.length ^ 0xffff, 16)
  out.bytes.set(piece, out.position)
  out.position += piece.length
}

/** Puts the `count` values of `piece` that were found, in the shortest of three ways. */
function putBlock(out: BitOutput, piece: Uint8Array, count: number): void {
  const literals = new Uint32Array(286)
  const far = new Uint32Array(30)
  const extra = countSymbols(count, literals, far)
  const own: Codes = [codeOf(lengthsOf(literals, MAX_BITS)), codeOf(lengthsOf(far, MAX_BITS))]
  const head = headOf(own)
  const cost = ([a, b]: Codes): number => extra + costOf(literals, a) + costOf(far, b)
  const fixedCost = cost(fixed)
  const ownCost = cost(own) + head.cost
  if (piece.length * 8 + 40 < Math.min(fixedCost, ownCost)) putStored(out, piece)
  else if (fixedCost <= ownCost) {
    out.put(1, 2)
    putSymbols(out, count, fixed)
  } else {
    out.put(2, 2)
    putHead(out, head)
    putSymbols(out, count, own)
  }
}

/** Counts how often each symbol is needed; tells how many bits follow symbols in all. */
function countSymbols(count: number, literals: Uint32Array, far: Uint32Array): number {
  let extra = 0
  const add = (counts: Uint32Array, symbol: number): void => {
    counts[symbol] = (counts[symbol] as number) + 1
  }
  for (let i = 0; i < count; i++) {
    const [value, distance] = [values[i] as number, distances[i] as number]
    if (distance === 0) {
      add(literals, value)
      continue
    }
    const [length, back] = [lengthSymbol(value), distanceSymbol(distance)]
    add(literals, END + 1 + length)
    add(far, back)
    extra += (LENGTH_EXTRA[length] as number) + (DISTANCE_EXTRA[back] as number)
  }
  add(literals, END)
  return extra
}

function costOf(counts: Uint32Array, { lengths }: Code): number {
  let cost = 0
  counts.forEach((count, symbol) => (cost += count * (lengths[symbol] as number)))
  return cost
}

function putSymbols(out: BitOutput, count: number, [literals, far]: Codes): void {
  for (let i = 0; i < count; i++) {
    const [value, distance] = [values[i] as number, distances[i] as number]
    if (distance === 0) {
      putCode(out, literals, value)
      continue
    }
    const [length, back] = [lengthSymbol(value), distanceSymbol(distance)]
    putCode(out, literals, END + 1 + length)
    out.put(value - (LENGTH_BASE[length] as number), LENGTH_EXTRA[length] as number)
    putCode(out, far, back)
    out.put(distance - (DISTANCE_BASE[back] as number), DISTANCE_EXTRA[back] as number)
  }
  putCode(out, literals, END)
}

/** The symbol of a length, counted from the first that is one. */
function lengthSymbol(length: number): number {
  return length === 258 ? 28 : symbolOf(length - 3, 2)
}

function distanceSymbol(distance: number): number {
  return symbolOf(distance - 1, 1)
}

/** The symbol that says the uppermost bits of `value`: the first of them, and `more` behind it. */
function symbolOf(value: number, more: number): number {
  const rest = Math.max(0, 31 - Math.clz32(value) - more)
  return (rest << more) + (value >> rest)
}

/** What a block with codes of its own begins with: the lengths of these codes, told by a third one. */
interface Head {
  readonly sizes: readonly [literals: number, distances: number]
  /** Lengths as symbols; what follows one stands above its lowest five bits. */
  readonly runs: readonly number[]
  readonly code: Code
  /** How many lengths of the third code are told. */
  readonly told: number
  /** In bits. */
  readonly cost: number
}

/** Bits that follow the symbols of runs: 16 repeats the length before, 17 and 18 are few zeros and many. */
const RUN_BITS = new Uint8Array(19)
RUN_BITS.set([2, 3, 7], 16)

function headOf([literals, far]: Codes): Head {
  const [a, b] = [usedLengths(literals), usedLengths(far)]
  const runs = runsOf(concat([a, b]))
  const counts = new Uint32Array(19)
  let cost = 0
  for (const run of runs) {
    counts[run & 31] = (counts[run & 31] as number) + 1
    cost += RUN_BITS[run & 31] as number
  }
  const code = codeOf(lengthsOf(counts, 7))
  let told = 19
  while (code.lengths[CODE_ORDER[told - 1] as number] === 0) told--
  cost += 14 + 3 * told + costOf(counts, code)
  return { sizes: [a.length, b.length], runs, code, told, cost }
}

function putHead(out: BitOutput, { sizes, runs, code, told }: Head): void {
  out.put(sizes[0] - 257, 5)
  out.put(sizes[1] - 1, 5)
  out.put(told - 4, 4)
  for (let i = 0; i < told; i++) out.put(code.lengths[CODE_ORDER[i] as number] as number, 3)
  for (const run of runs) {
    putCode(out, code, run & 31)
    out.put(run >> 5, RUN_BITS[run & 31] as number)
  }
}

/** The lengths up to the last one that is used; one at least. */
function usedLengths({ lengths }: Code): Uint8Array {
  let size = lengths.length
  while (size > 1 && lengths[size - 1] === 0) size--
  return lengths.subarray(0, size)
}

function runsOf(lengths: Uint8Array): number[] {
  const runs: number[] = []
  for (let i = 0; i < lengths.length;) {
    const length = lengths[i] as number
    let left = -i
    while (lengths[i] === length) i++
    left += i
    if (length > 0) {
      runs.push(length)
      left--
    }
    while (left > 2) {
      const size = Math.min(left, length > 0 ? 6 : 138)
      const [symbol, least] = length > 0 ? [16, 3] : size < 11 ? [17, 3] : [18, 11]
      runs.push(symbol | ((size - least) << 5))
      left -= size
    }
    while (left-- > 0) runs.push(length)
  }
  return runs
}
