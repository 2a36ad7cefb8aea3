/**
 * Inflate: decompression that tells how many compressed bytes it used.
 *
 * A pack says how large each object is and not how long its compressed bytes are, and the streams of browsers reject
 * whatever follows. The size is known beforehand, so the output is made once and never grows.
 *
 * Every `as number` below is an index that its table covers: tables are as long as the codes that index them, and
 * positions are compared with `end` and `out.length` first.
 *
 * Specs: RFC 1950 (zlib), RFC 1951 (deflate)
 *
 * @module
 */
import { MalformedError } from './error.ts'

/** Deflate makes at most this many bytes out of one. */
const MAX_RATIO = 1032

/** Bits that are looked up at once; longer codes are found by counting. */
const ROOT = 9
const ROOT_MASK = (1 << ROOT) - 1
const MAX_BITS = 15

const LENGTH_BASE = Uint16Array.of(
  3,
  4,
  5,
  6,
  7,
  8,
  9,
  10,
  11,
  13,
  15,
  17,
  19,
  23,
  27,
  31,
  35,
  43,
  51,
  59,
  67,
  83,
  99,
  115,
  131,
  163,
  195,
  227,
  258,
)
const LENGTH_EXTRA = Uint8Array.of(
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  1,
  1,
  1,
  1,
  2,
  2,
  2,
  2,
  3,
  3,
  3,
  3,
  4,
  4,
  4,
  4,
  5,
  5,
  5,
  5,
  0,
)
const DISTANCE_BASE = Uint16Array.of(
  1,
  2,
  3,
  4,
  5,
  7,
  9,
  13,
  17,
  25,
  33,
  49,
  65,
  97,
  129,
  193,
  257,
  385,
  513,
  769,
  1025,
  1537,
  2049,
  3073,
  4097,
  6145,
  8193,
  12289,
  16385,
  24577,
)
const DISTANCE_EXTRA = Uint8Array.of(
  0,
  0,
  0,
  0,
  1,
  1,
  2,
  2,
  3,
  3,
  4,
  4,
  5,
  5,
  6,
  6,
  7,
  7,
  8,
  8,
  9,
  9,
  10,
  10,
  11,
  11,
  12,
  12,
  13,
  13,
)
const CODE_ORDER = Uint8Array.of(16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)

const REVERSED = Uint16Array.from({ length: 1 << ROOT }, (_, value) => {
  let reversed = 0
  for (let bit = 0; bit < ROOT; bit++) reversed |= ((value >> bit) & 1) << (ROOT - 1 - bit)
  return reversed
})

/** What came out, and how many compressed bytes went in, the checksum included. */
export interface Inflated {
  readonly body: Uint8Array<ArrayBuffer>
  readonly used: number
}

/** Where a zlib stream begins, how far its bytes may be read, and how much it must hold. */
export interface InflateRequest {
  readonly start: number
  readonly end: number
  readonly size: number
}

/**
 * Decompresses the zlib stream at `start`; bytes behind it are allowed. `undefined` when `end` comes before the stream's.
 *
 * Nothing is allocated when `size` bytes cannot come out of what is there.
 *
 * @throws MalformedError when the stream is corrupt, its Adler-32 is wrong or it does not hold exactly `size` bytes
 */
export function inflateZlib(
  bytes: Uint8Array,
  { start, end, size }: InflateRequest,
): Inflated | undefined {
  const length = Math.min(end, bytes.length) - start
  if (length < 2) return undefined
  checkHeader(bytes[start] as number, bytes[start + 1] as number)
  if (size > length * MAX_RATIO) return undefined
  const body = new Uint8Array(size)
  const input = new BitInput(bytes, start + 2, start + length)
  const problem = inflateBlocks(input, body)
  input.alignToByte()
  if (input.position > input.end) return undefined
  if (problem !== undefined) throw new MalformedError('a zlib stream', problem)
  if (input.position + 4 > input.end) return undefined
  checkAdler(bytes, input.position, body)
  return { body, used: input.position + 4 - start }
}

/** Adler-32 of the bytes, as an unsigned number. */
export function adler32(bytes: Uint8Array): number {
  let a = 1
  let b = 0
  for (let i = 0; i < bytes.length;) {
    // 3,800 bytes are as many as can be added up before `b` leaves 31 bits.
    const stop = Math.min(i + 3800, bytes.length)
    for (; i < stop; i++) {
      a += bytes[i] as number
      b += a
    }
    a %= 65521
    b %= 65521
  }
  return ((b << 16) | a) >>> 0
}

function checkHeader(method: number, flags: number): void {
  const isZlib = (method & 15) === 8 && method >> 4 <= 7 && ((method << 8) | flags) % 31 === 0
  if (!isZlib) throw new MalformedError('a zlib stream', 'it does not begin with a zlib header')
  if ((flags & 32) !== 0) throw new MalformedError('a zlib stream', 'it wants a preset dictionary')
}

function checkAdler(bytes: Uint8Array, at: number, body: Uint8Array): void {
  const written = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0)
  const found = adler32(body)
  if (written === found) return
  throw new MalformedError('a zlib stream', `its Adler-32 is ${found}, expected ${written}`)
}

/**
 * Bits, lowest first. Behind `end` it gives zeros and goes on counting, so that whether the input was long enough is
 * asked once, at the end, and not for every bit.
 */
class BitInput {
  readonly bytes: Uint8Array
  readonly end: number
  /** Of the next byte to be taken in. */
  position: number
  /** Bits taken in and not used up. */
  hold = 0
  count = 0
  /** Bytes written to the output. */
  written = 0

  constructor(bytes: Uint8Array, position: number, end: number) {
    this.bytes = bytes
    this.position = position
    this.end = end
  }

  take(bits: number): number {
    while (this.count < bits) {
      const byte = this.position < this.end ? (this.bytes[this.position] as number) : 0
      this.hold |= byte << this.count
      this.position++
      this.count += 8
    }
    const value = this.hold & ((1 << bits) - 1)
    this.hold >>>= bits
    this.count -= bits
    return value
  }

  /** Drops the rest of a byte that was begun and gives back whole ones. */
  alignToByte(): void {
    this.position -= this.count >> 3
    this.hold = 0
    this.count = 0
  }
}

/** A set of codes: how many there are of each length, the symbols in order, and what the next {@link ROOT} bits mean. */
interface Codes {
  readonly counts: Uint16Array
  readonly symbols: Uint16Array
  /** `symbol << 4 | bits`; 0 where the code is longer than {@link ROOT} bits or there is none. */
  readonly root: Uint16Array
}

function makeCodes(): Codes {
  return {
    counts: new Uint16Array(16),
    symbols: new Uint16Array(320),
    root: new Uint16Array(1 << ROOT),
  }
}

// One set of tables serves every stream: nothing is awaited between filling and using them.
const lengths = new Uint8Array(320)
const offsets = new Uint16Array(16)
const dynamicLiterals = makeCodes()
const dynamicDistances = makeCodes()
const codeLengths = makeCodes()
const fixedLiterals = makeCodes()
const fixedDistances = makeCodes()
let fixedAreBuilt = false

/** Reads block after block; what was wrong, or `undefined` when the stream came to its end with `out` full. */
function inflateBlocks(input: BitInput, out: Uint8Array): string | undefined {
  let isLast = false
  while (!isLast) {
    isLast = input.take(1) === 1
    const problem = inflateBlock(input, out)
    if (problem !== undefined) return problem
    if (input.position - (input.count >> 3) > input.end) return 'it is cut short'
  }
  if (input.written < out.length) return `it holds ${input.written} bytes, expected ${out.length}`
  return undefined
}

function inflateBlock(input: BitInput, out: Uint8Array): string | undefined {
  const kind = input.take(2)
  if (kind === 0) return copyStored(input, out)
  if (kind === 3) return 'it has a block of an unknown kind'
  if (kind === 1) {
    buildFixed()
    return inflateCodes(input, out, [fixedLiterals, fixedDistances])
  }
  const problem = readDynamic(input)
  return problem ?? inflateCodes(input, out, [dynamicLiterals, dynamicDistances])
}

function copyStored(input: BitInput, out: Uint8Array): string | undefined {
  input.alignToByte()
  const length = input.take(16)
  if ((length ^ 0xffff) !== input.take(16))
    return 'the length of a stored block and its complement differ'
  input.alignToByte()
  const from = input.position
  input.position += length
  if (input.position > input.end) return 'it is cut short'
  if (input.written + length > out.length) return `it holds more than ${out.length} bytes`
  out.set(input.bytes.subarray(from, from + length), input.written)
  input.written += length
  return undefined
}

function buildFixed(): void {
  if (fixedAreBuilt) return
  lengths.fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280, 288)
  build(fixedLiterals, 0, 288)
  // All 32, so that the set is complete: the last two mean nothing and are refused when they are met.
  lengths.fill(5, 0, 32)
  build(fixedDistances, 0, 32)
  fixedAreBuilt = true
}

/** Fills `codes` from `count` of {@link lengths}; whether they make a set that may be used. */
function build(codes: Codes, from: number, count: number): boolean {
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

function readDynamic(input: BitInput): string | undefined {
  const literals = input.take(5) + 257
  const distances = input.take(5) + 1
  const count = input.take(4) + 4
  if (literals > 286 || distances > 30) return 'it has too many codes'
  lengths.fill(0, 0, 19)
  for (let i = 0; i < count; i++) lengths[CODE_ORDER[i] as number] = input.take(3)
  if (!build(codeLengths, 0, 19) || codeLengths.counts[0] === 19)
    return 'its code lengths are not a code'
  const problem = readLengths(input, literals + distances)
  if (problem !== undefined) return problem
  if (lengths[256] === 0) return 'a block has no code for its end'
  if (!build(dynamicLiterals, 0, literals)) return 'its literals and lengths are not a code'
  if (!build(dynamicDistances, literals, distances)) return 'its distances are not a code'
  return undefined
}

function readLengths(input: BitInput, total: number): string | undefined {
  for (let i = 0; i < total;) {
    const symbol = readSymbol(input, codeLengths)
    if (symbol < 0) return 'it has a code that means nothing'
    if (symbol < 16) {
      lengths[i++] = symbol
      continue
    }
    if (symbol === 16 && i === 0) return 'it repeats a length before there is one'
    const value = symbol === 16 ? (lengths[i - 1] as number) : 0
    const repeat =
      symbol === 16 ? 3 + input.take(2) : symbol === 17 ? 3 + input.take(3) : 11 + input.take(7)
    if (i + repeat > total) return 'it repeats a length too often'
    lengths.fill(value, i, i + repeat)
    i += repeat
  }
  return undefined
}

/** The next symbol, bit by bit; -1 when the bits mean nothing. */
function readSymbol(input: BitInput, { counts, symbols }: Codes): number {
  let code = 0
  let first = 0
  let index = 0
  for (let length = 1; length <= MAX_BITS; length++) {
    code |= input.take(1)
    const count = counts[length] as number
    if (code - count < first) return symbols[index + code - first] as number
    index += count
    first = (first + count) << 1
    code <<= 1
  }
  return -1
}

/** Symbol and length, as in {@link Codes.root}, of a code that is longer than {@link ROOT} bits; 0 when there is none. */
function findLong({ counts, symbols }: Codes, hold: number): number {
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

/**
 * The body of a block of codes. The hot loop: the state is in local variables, and 25 bits or more are taken in before a
 * length code (15 and 5 bits), before a distance code (15) and before its extra bits (13).
 */
function inflateCodes(
  input: BitInput,
  out: Uint8Array,
  [literals, distances]: readonly [Codes, Codes],
): string | undefined {
  const { bytes, end } = input
  const size = out.length
  let { position, hold, count, written } = input
  let problem: string | undefined
  for (;;) {
    while (count <= 24) {
      if (position < end) hold |= (bytes[position] as number) << count
      position++
      count += 8
    }
    const code = (literals.root[hold & ROOT_MASK] as number) || findLong(literals, hold)
    hold >>>= code & 15
    count -= code & 15
    let symbol = code >>> 4
    if (symbol < 256 && code !== 0) {
      if (written === size) {
        problem = `it holds more than ${size} bytes`
        break
      }
      out[written++] = symbol
      continue
    }
    if (symbol === 256) break
    symbol -= 257
    if (code === 0 || symbol > 28) {
      problem = 'it has a code that means nothing'
      break
    }
    const lengthBits = LENGTH_EXTRA[symbol] as number
    const length = (LENGTH_BASE[symbol] as number) + (hold & ((1 << lengthBits) - 1))
    hold >>>= lengthBits
    count -= lengthBits
    while (count <= 24) {
      if (position < end) hold |= (bytes[position] as number) << count
      position++
      count += 8
    }
    const distanceCode = (distances.root[hold & ROOT_MASK] as number) || findLong(distances, hold)
    hold >>>= distanceCode & 15
    count -= distanceCode & 15
    symbol = distanceCode >>> 4
    if (distanceCode === 0 || symbol > 29) {
      problem = 'it has a code that means nothing'
      break
    }
    while (count <= 24) {
      if (position < end) hold |= (bytes[position] as number) << count
      position++
      count += 8
    }
    const distanceBits = DISTANCE_EXTRA[symbol] as number
    const distance = (DISTANCE_BASE[symbol] as number) + (hold & ((1 << distanceBits) - 1))
    hold >>>= distanceBits
    count -= distanceBits
    if (distance > written || written + length > size) {
      problem =
        distance > written
          ? 'it refers to bytes before its begin'
          : `it holds more than ${size} bytes`
      break
    }
    for (const stop = written + length; written < stop; written++)
      out[written] = out[written - distance] as number
  }
  input.position = position
  input.hold = hold
  input.count = count
  input.written = written
  return problem
}
