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
  LENGTH_BASE,
  LENGTH_EXTRA,
  lengths,
  makeCodes,
  MAX_BITS,
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
  const source = bytes.subarray(start, end)
  const { length } = source
  if (length < 2) return undefined
  checkHeader(source[0] as number, source[1] as number)
  if (size > length * MAX_RATIO) return undefined
  const body = makeRoom(size)
  const view = new DataView(source.buffer, source.byteOffset, length)
  const stream = { source, view, at: 16, body, written: 0 }
  try {
    readBlocks(stream)
    const end = Math.ceil(stream.at / 8)
    const [written, found] = [view.getUint32(end), adler32(body)]
    if (written !== found) fail(`its Adler-32 is ${found}, expected ${written}`)
    return { body, used: end + 4 }
  } catch (error) {
    // The view has no such bytes.
    if (error instanceof RangeError) return undefined
    throw error
  }
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

function fail(problem = DAMAGED): never {
  throw new MalformedError('a zlib stream', problem)
}

// One set of tables serves every stream: nothing is awaited between filling and using them.
const dynamicLiterals = makeCodes(MAX_BITS)
const dynamicDistances = makeCodes(MAX_BITS)
const codeLengths = makeCodes(7)
const fixedLiterals = makeCodes(9)
const fixedDistances = makeCodes(5)

/**
 * One stream, its bits lowest first. Four bytes are looked at wherever it stands: 25 bits or more. In a whole one they are
 * always there, since four bytes of checksum follow; where they are not, the view throws a RangeError.
 */
interface Stream {
  readonly source: Uint8Array
  readonly view: DataView
  /** Bits that were used up. */
  at: number
  readonly body: Uint8Array
  /** Bytes of the body so far. */
  written: number
}

function take(stream: Stream, bits: number): number {
  const { view, at } = stream
  stream.at += bits
  return (view.getUint32(at >>> 3, true) >>> (at & 7)) & ((1 << bits) - 1)
}

/** @throws MalformedError when the blocks are corrupt or do not fill the body */
function readBlocks(stream: Stream): void {
  for (let isLast = 0; isLast === 0;) {
    isLast = take(stream, 1)
    const kind = take(stream, 2)
    if (kind === 0) readStored(stream)
    else if (kind === 1) readFixed(stream)
    else if (kind === 2) readDynamic(stream)
    else fail()
  }
  const { body, written } = stream
  if (written < body.length) fail(`it holds ${written} bytes, expected ${body.length}`)
}

function readStored(stream: Stream): void {
  const { source, view, body, written } = stream
  const at = Math.ceil(stream.at / 8)
  const length = view.getUint16(at, true)
  if ((length ^ 0xffff) !== view.getUint16(at + 2, true)) fail()
  stream.at = 8 * (at + 4 + length)
  stream.written += length
  if (stream.written > body.length) failFull(stream)
  body.set(source.subarray(at + 4, at + 4 + length), written)
}

function readFixed(stream: Stream): void {
  if (fixedLiterals.mask === 0) {
    // With those that mean nothing, so that the sets are complete; they are refused when they are met.
    lengths.fill(8).fill(9, 144, 256).fill(7, 256, 280)
    build(fixedLiterals, 0, 288)
    lengths.fill(5)
    build(fixedDistances, 0, 32)
  }
  readCodes(stream, fixedLiterals, fixedDistances)
}

function readDynamic(stream: Stream): void {
  const literals = take(stream, 5) + 257
  const distances = take(stream, 5) + 1
  const count = take(stream, 4) + 4
  if (literals > 286 || distances > 30) fail()
  lengths.fill(0, 0, 19)
  for (let i = 0; i < count; i++) lengths[CODE_ORDER[i] as number] = take(stream, 3)
  if (!build(codeLengths, 0, 19)) fail()
  readLengths(stream, literals + distances)
  if (lengths[256] === 0) fail()
  if (!build(dynamicLiterals, 0, literals)) fail()
  if (!build(dynamicDistances, literals, distances)) fail()
  readCodes(stream, dynamicLiterals, dynamicDistances)
}

/** Reads so many code lengths, which are compressed themselves; no code for them has more than seven bits. */
function readLengths(stream: Stream, total: number): void {
  for (let i = 0; i < total;) {
    const code = codeLengths.table[take(stream, 7) & codeLengths.mask] as number
    stream.at -= 7 - (code & 15)
    const symbol = code >> 4
    if (code === 0) fail()
    if (symbol < 16) {
      lengths[i++] = symbol
      continue
    }
    if (symbol === 16 && i === 0) fail()
    const value = symbol === 16 ? (lengths[i - 1] as number) : 0
    const repeat =
      symbol === 16
        ? 3 + take(stream, 2)
        : symbol === 17
          ? 3 + take(stream, 3)
          : 11 + take(stream, 7)
    if (i + repeat > total) fail()
    lengths.fill(value, i, i + repeat)
    i += repeat
  }
}

/** The body of a block of codes. The hot loop: the state is in local variables. */
function readCodes(stream: Stream, literals: Codes, distances: Codes): void {
  const { view, body } = stream
  const size = body.length
  let { at, written } = stream
  for (;;) {
    let hold = view.getUint32(at >>> 3, true) >>> (at & 7)
    let code = literals.table[hold & literals.mask] as number
    let symbol = code >> 4
    at += code & 15
    if (symbol < 256 && code !== 0) {
      if (written === size) failFull(stream)
      body[written++] = symbol
      continue
    }
    if (symbol === 256) break
    symbol -= 257
    if (code === 0 || symbol > 28) fail()
    const lengthBits = LENGTH_EXTRA[symbol] as number
    const length =
      (LENGTH_BASE[symbol] as number) + ((hold >>> (code & 15)) & ((1 << lengthBits) - 1))
    at += lengthBits
    hold = view.getUint32(at >>> 3, true) >>> (at & 7)
    code = distances.table[hold & distances.mask] as number
    symbol = code >> 4
    at += code & 15
    if (code === 0 || symbol > 29) fail()
    const distanceBits = DISTANCE_EXTRA[symbol] as number
    hold = view.getUint32(at >>> 3, true) >>> (at & 7)
    const distance = (DISTANCE_BASE[symbol] as number) + (hold & ((1 << distanceBits) - 1))
    at += distanceBits
    if (distance > written) fail()
    if (written + length > size) failFull(stream)
    for (const stop = written + length; written < stop; written++)
      body[written] = body[written - distance] as number
  }
  stream.at = at
  stream.written = written
}

function failFull({ body }: Stream): never {
  fail(`it holds more than ${body.length} bytes`)
}
