/**
 * pkt-line: the outermost framing of everything Git says over a wire.
 *
 * A line is its own length as four hexadecimal digits, those four included, then the payload. Lengths 0, 1 and 2 carry
 * nothing and mark structure.
 *
 * Spec: https://git-scm.com/docs/protocol-common#_pkt_line_format
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat, decodeName, encodeName, utf8 } from '../bytes.ts'
import { MalformedError, RefusedError } from '../error.ts'

/** The longest payload of one line, in bytes. */
export const MAX_PAYLOAD = 65_516

/** Ends a message. */
export const FLUSH: Uint8Array<ArrayBuffer> = utf8('0000')

/** Separates the parts of a message (version 2). */
export const DELIMITER: Uint8Array<ArrayBuffer> = utf8('0001')

/** Ends a response over a connection that stays open (version 2). */
export const RESPONSE_END: Uint8Array<ArrayBuffer> = utf8('0002')

/** One step of the framing. */
export type Packet =
  | { readonly kind: 'line'; readonly payload: Uint8Array }
  | { readonly kind: 'flush' | 'delimiter' | 'response-end' }

const marks = ['flush', 'delimiter', 'response-end'] as const

/**
 * One line with these bytes, or with this text as {@link encodeName} encodes it.
 *
 * @throws RangeError when the payload is longer than {@link MAX_PAYLOAD}
 */
export function encodeLine(payload: Uint8Array | string): Uint8Array<ArrayBuffer> {
  const bytes = typeof payload === 'string' ? encodeName(payload) : payload
  if (bytes.length > MAX_PAYLOAD) {
    throw new RangeError(
      `Cannot write a packet: ${bytes.length} bytes are more than ${MAX_PAYLOAD}`,
    )
  }
  const line = new Uint8Array(bytes.length + 4)
  writeLength(bytes.length + 4, line, 0)
  line.set(bytes, 4)
  return line
}

/** Lines of text, each ended by a newline as Git does. */
export function encodeLines(lines: Iterable<string>): Uint8Array<ArrayBuffer> {
  return concat(Array.from(lines, (line) => encodeLine(`${line}\n`)))
}

/** Writes the four digits of a length, which counts them, at `offset`. */
export function writeLength(length: number, bytes: Uint8Array, offset: number): void {
  for (let i = 0; i < 4; i++) {
    const digit = (length >> (12 - 4 * i)) & 15
    bytes[offset + i] = digit < 10 ? 48 + digit : 87 + digit
  }
}

/**
 * The next packet; `undefined` at the end of the stream. The payload may be a view of what the stream gave.
 *
 * @throws MalformedError when the length is none, or the stream ends inside of the packet
 */
export async function readPacket(reader: ByteReader): Promise<Packet | undefined> {
  const digits = await reader.readOrEnd(4)
  if (digits === undefined) return undefined
  const length = parseLength(digits)
  const mark = marks[length]
  if (mark !== undefined) return { kind: mark }
  return { kind: 'line', payload: await reader.read(length - 4) }
}

/**
 * The next packet of a message that must go on.
 *
 * @throws MalformedError at the end of the stream
 * @throws RefusedError `remote` when the packet is the other side's `ERR`
 */
export async function expectPacket(reader: ByteReader, what: string): Promise<Packet> {
  const packet = await readPacket(reader)
  if (packet === undefined) throw new MalformedError(what, 'it ends without a flush packet')
  if (packet.kind === 'line') throwIfError(packet.payload)
  return packet
}

/** The longest message of lines, in bytes. */
const MAX_LINES = 256 * 1024 * 1024

/** Lines of text up to the next mark, which is taken as well. Stops at `most` lines, and at 256 MiB: no message is longer. */
export async function* readLines(
  reader: ByteReader,
  what: string,
  most = 1_000_000,
): AsyncGenerator<string, 'flush' | 'delimiter' | 'response-end', undefined> {
  for (let [count, bytes] = [0, 0]; count < most && bytes <= MAX_LINES; count++) {
    const packet = await expectPacket(reader, what)
    if (packet.kind !== 'line') return packet.kind
    bytes += packet.payload.length
    yield lineText(packet.payload)
  }
  throw new MalformedError(what, `it has more than ${most} lines, or than ${MAX_LINES} bytes`)
}

/** Text of a payload without the newline that may end it; keeps bytes that are not UTF-8, see {@link decodeName}. */
export function lineText(payload: Uint8Array): string {
  return decodeName(payload.at(-1) === 10 ? payload.subarray(0, -1) : payload)
}

/** The `ERR` line that ends a conversation with a reason. A message that is too long is cut. */
export function encodeError(message: string): Uint8Array<ArrayBuffer> {
  return encodeLine(`ERR ${message.slice(0, 4000)}\n`)
}

function throwIfError(payload: Uint8Array): void {
  // "ERR "
  if (payload[0] !== 69 || payload[1] !== 82 || payload[2] !== 82 || payload[3] !== 32) return
  throw new RefusedError('remote', `The other side says: ${lineText(payload).slice(4)}`)
}

function parseLength(digits: Uint8Array): number {
  let length = 0
  for (const digit of digits) length = length * 16 + hexValue(digit)
  // NaN, where a digit is none, fails the comparison too.
  if (length <= MAX_PAYLOAD + 4 && length !== 3) return length
  throw new MalformedError('a packet', `its length is "${decodeName(digits)}"`)
}

function hexValue(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const letter = code | 32
  return letter >= 97 && letter <= 102 ? letter - 87 : Number.NaN
}
