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
  findLong,
  LENGTH_BASE,
  LENGTH_EXTRA,
  lengths,
  makeCodes,
  ROOT_MASK,
  type Codes,
} from './inflate-codes.ts'

/** What is said of codes and blocks that cannot be: which of the rules they break helps nobody. */
const DAMAGED = 'it is damaged'
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
  /** Gives the memory that the body is put into; memory of its own when left out. */
  readonly makeRoom?: ((size: number) => Uint8Array<ArrayBuffer>) | undefined
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
  { start, end, size, makeRoom = (size) => new Uint8Array(size) }: InflateRequest,
): Inflated | undefined {
  const length = Math.min(end, bytes.length) - start
  if (length < 2) return undefined
  checkHeader(bytes[start] as number, bytes[start + 1] as number)
  if (size > length * MAX_RATIO) return undefined
  const body = makeRoom(size)
  const at = new Inflater(bytes, [start + 2, start + length], body).run()
  if (at === undefined || at + 4 > start + length) return undefined
  checkAdler(bytes, at, body)
  return { body, used: at + 4 - start }
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
  if (!isZlib) fail('it does not begin with a zlib header')
  if ((flags & 32) !== 0) fail('it wants a preset dictionary')
}

function checkAdler(bytes: Uint8Array, at: number, body: Uint8Array): void {
  const written = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0)
  const found = adler32(body)
  if (written !== found) fail(`its Adler-32 is ${found}, expected ${written}`)
}

function fail(problem = DAMAGED): never {
  throw new MalformedError('a zlib stream', problem)
}

// One set of tables serves every stream: nothing is awaited between filling and using them.
const dynamicLiterals = makeCodes()
const dynamicDistances = makeCodes()
const codeLengths = makeCodes()
const fixedLiterals = makeCodes()
const fixedDistances = makeCodes()
let fixedAreBuilt = false

/**
 * Reads one stream, its bits lowest first. Behind the end it reads zeros and goes on counting, so that whether the input
 * was long enough is asked once, at the end, and not for every bit.
 */
class Inflater {
  readonly #bytes: Uint8Array
  readonly #end: number
  readonly #out: Uint8Array
  /** Of the next byte to be taken in. */
  #position: number
  /** Bits taken in and not used up. */
  #hold = 0
  #count = 0
  /** Bytes written to the output. */
  #written = 0

  constructor(bytes: Uint8Array, [start, end]: readonly [number, number], out: Uint8Array) {
    this.#bytes = bytes
    this.#end = end
    this.#position = start
    this.#out = out
  }

  /**
   * Reads block after block, and tells where the last one ends; `undefined` when the input ends before that.
   *
   * @throws MalformedError when the blocks are corrupt or do not fill the output
   */
  run(): number | undefined {
    let failure: unknown
    try {
      for (let isLast = false; !isLast && this.#position - (this.#count >> 3) <= this.#end;) {
        isLast = this.#take(1) === 1
        this.#block()
      }
      if (this.#written < this.#out.length)
        fail(`it holds ${this.#written} bytes, expected ${this.#out.length}`)
    } catch (error) {
      failure = error
    }
    this.#alignToByte()
    // What is wrong behind the end is wrong with the zeros there.
    if (this.#position > this.#end) return undefined
    if (failure !== undefined) throw failure
    return this.#position
  }

  #block(): void {
    const kind = this.#take(2)
    if (kind === 0) this.#stored()
    else if (kind === 1) this.#fixed()
    else if (kind === 2) this.#dynamic()
    else fail()
  }

  #stored(): void {
    this.#alignToByte()
    const length = this.#take(16)
    if ((length ^ 0xffff) !== this.#take(16)) fail()
    this.#alignToByte()
    const from = this.#position
    this.#position += length
    const bytes = this.#bytes.subarray(from, Math.min(this.#position, this.#end))
    if (this.#written + length > this.#out.length) fail(this.#tooMuch())
    this.#out.set(bytes, this.#written)
    this.#written += length
  }

  #fixed(): void {
    if (!fixedAreBuilt) {
      // With those that mean nothing, so that the sets are complete; they are refused when they are met.
      lengths.fill(8).fill(9, 144, 256).fill(7, 256, 280)
      build(fixedLiterals, 0, 288)
      lengths.fill(5)
      build(fixedDistances, 0, 32)
      fixedAreBuilt = true
    }
    this.#codes(fixedLiterals, fixedDistances)
  }

  #dynamic(): void {
    const literals = this.#take(5) + 257
    const distances = this.#take(5) + 1
    const count = this.#take(4) + 4
    if (literals > 286 || distances > 30) fail()
    lengths.fill(0, 0, 19)
    for (let i = 0; i < count; i++) lengths[CODE_ORDER[i] as number] = this.#take(3)
    if (!build(codeLengths, 0, 19) || codeLengths.counts[0] === 19) fail()
    this.#lengths(literals + distances)
    if (lengths[256] === 0) fail()
    if (!build(dynamicLiterals, 0, literals)) fail()
    if (!build(dynamicDistances, literals, distances)) fail()
    this.#codes(dynamicLiterals, dynamicDistances)
  }

  /** Reads so many code lengths, which are compressed themselves; no code for them has more than seven bits. */
  #lengths(total: number): void {
    for (let i = 0; i < total;) {
      this.#need(7)
      const code = codeLengths.root[this.#hold & ROOT_MASK] as number
      this.#take(code & 15)
      const symbol = code >> 4
      if (code === 0) fail()
      if (symbol < 16) {
        lengths[i++] = symbol
        continue
      }
      if (symbol === 16 && i === 0) fail()
      const value = symbol === 16 ? (lengths[i - 1] as number) : 0
      const repeat =
        symbol === 16 ? 3 + this.#take(2) : symbol === 17 ? 3 + this.#take(3) : 11 + this.#take(7)
      if (i + repeat > total) fail()
      lengths.fill(value, i, i + repeat)
      i += repeat
    }
  }

  /** Takes in bytes until so many bits can be looked at. */
  #need(bits: number): void {
    while (this.#count < bits) {
      const byte = this.#position < this.#end ? (this.#bytes[this.#position] as number) : 0
      this.#hold |= byte << this.#count
      this.#position++
      this.#count += 8
    }
  }

  #take(bits: number): number {
    this.#need(bits)
    const value = this.#hold & ((1 << bits) - 1)
    this.#hold >>>= bits
    this.#count -= bits
    return value
  }

  /** Drops the rest of a byte that was begun and gives back whole ones. */
  #alignToByte(): void {
    this.#position -= this.#count >> 3
    this.#hold = 0
    this.#count = 0
  }

  #tooMuch(): string {
    return `it holds more than ${this.#out.length} bytes`
  }

  /**
   * The body of a block of codes. The hot loop: the state is in local variables, and 25 bits or more are taken in before
   * a length code (15 and 5 bits), before a distance code (15) and before its extra bits (13).
   */
  // The hot loop: parts of it in functions of their own would hand all of its state back and forth.
  // oxlint-disable-next-line max-lines-per-function
  #codes(literals: Codes, distances: Codes): void {
    const bytes = this.#bytes
    const end = this.#end
    const out = this.#out
    const size = out.length
    let position = this.#position
    let hold = this.#hold
    let count = this.#count
    let written = this.#written
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
          problem = this.#tooMuch()
          break
        }
        out[written++] = symbol
        continue
      }
      if (symbol === 256) break
      symbol -= 257
      if (code === 0 || symbol > 28) {
        problem = DAMAGED
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
        problem = DAMAGED
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
      if (distance > written) problem = DAMAGED
      else if (written + length > size) problem = this.#tooMuch()
      if (problem !== undefined) break
      for (const stop = written + length; written < stop; written++)
        out[written] = out[written - distance] as number
    }
    this.#position = position
    this.#hold = hold
    this.#count = count
    this.#written = written
    if (problem !== undefined) fail(problem)
  }
}
