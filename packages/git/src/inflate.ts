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
import {
  build,
  CODE_ORDER,
  DISTANCE_BASE,
  DISTANCE_EXTRA,
  FIXED_DISTANCES,
  FIXED_LITERALS,
  findLong,
  LENGTH_BASE,
  LENGTH_EXTRA,
  lengths,
  makeCodes,
  ROOT_MASK,
  type Codes,
} from './inflate-codes.ts'

/** Deflate makes at most this many bytes out of one. */
const MAX_RATIO = 1032

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

  /** Takes in bytes until so many bits can be looked at. */
  need(bits: number): void {
    while (this.count < bits) {
      const byte = this.position < this.end ? (this.bytes[this.position] as number) : 0
      this.hold |= byte << this.count
      this.position++
      this.count += 8
    }
  }

  take(bits: number): number {
    this.need(bits)
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

// One set of tables serves every stream: nothing is awaited between filling and using them.
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
  // With those that mean nothing, so that the sets are complete; they are refused when they are met.
  lengths.set(FIXED_LITERALS)
  build(fixedLiterals, 0, 288)
  lengths.set(FIXED_DISTANCES)
  build(fixedDistances, 0, 32)
  fixedAreBuilt = true
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

/** The next symbol of a code that has no more than seven bits; -1 when the bits mean nothing. */
function readSymbol(input: BitInput, { root }: Codes): number {
  input.need(7)
  const code = root[input.hold & ROOT_MASK] as number
  input.take(code & 15)
  return code === 0 ? -1 : code >> 4
}

/**
 * The body of a block of codes. The hot loop: the state is in local variables, and 25 bits or more are taken in before a
 * length code (15 and 5 bits), before a distance code (15) and before its extra bits (13).
 */
// The hot loop: parts of it in functions of their own would hand all of its state back and forth.
// oxlint-disable-next-line max-lines-per-function
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
