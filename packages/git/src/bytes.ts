/**
 * Bytes: what `Uint8Array` cannot do itself.
 *
 * @module
 */
const encoder = new TextEncoder()
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lenientDecoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })

/** The parts, one after the other, in an array of their own. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** Whether both hold the same bytes. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Order by unsigned bytes, a prefix before what it begins: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** The number as four bytes, the highest first. */
export function u32(value: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}

/** The number of four bytes, the highest first. */
export function readU32(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0)
}

/** UTF-8 of a text without lone surrogates; see {@link encodeName} for names that may not be UTF-8. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  // `TextEncoder` makes the array itself, on an `ArrayBuffer` in every runtime; the DOM types say so, those of Workers do not.
  return encoder.encode(text) as Uint8Array<ArrayBuffer>
}

/** Text of UTF-8 bytes, with U+FFFD for what is not UTF-8: for people to read, not to be encoded again. */
export function text(bytes: Uint8Array): string {
  return lenientDecoder.decode(bytes)
}

/**
 * A name (path, ref) as text that {@link encodeName} turns into the same bytes again. Valid UTF-8 becomes what it says;
 * each byte of anything else becomes the lone surrogate U+DC00 + byte, which valid UTF-8 never contains.
 */
export function decodeName(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes)
  } catch {
    return decodeOddName(bytes)
  }
}

/** The bytes of a name that {@link decodeName} made, or of any text. */
export function encodeName(name: string): Uint8Array<ArrayBuffer> {
  if (!/[\uD800-\uDFFF]/.test(name)) return utf8(name)
  const parts: Uint8Array[] = []
  for (const character of name) {
    const code = character.codePointAt(0) ?? 0
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Uint8Array.of(code & 0xff) : utf8(character))
  }
  return concat(parts)
}

function decodeOddName(bytes: Uint8Array): string {
  let name = ''
  for (let i = 0; i < bytes.length;) {
    const byte = bytes[i] ?? 0
    const length = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
    try {
      name += strictDecoder.decode(bytes.subarray(i, i + length))
      i += length
    } catch {
      name += String.fromCharCode(0xdc00 + byte)
      i++
    }
  }
  return name
}

const hexDigits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Lower-case hexadecimal, two digits a byte. */
export function toHex(bytes: Uint8Array): string {
  let hex = ''
  for (const byte of bytes) hex += hexDigits[byte]
  return hex
}

/**
 * The bytes of lower- or upper-case hexadecimal.
 *
 * @throws RangeError when the text has an odd length or anything but hexadecimal digits
 */
export function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  if (hex.length % 2 !== 0 || /[^0-9a-fA-F]/.test(hex))
    throw new RangeError(`Not hexadecimal: "${hex}"`)
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

/** A name that nobody else takes, of an update, a pack, a repository: 16 random bytes in hexadecimal. */
export function randomId(): string {
  return toHex(crypto.getRandomValues(new Uint8Array(16)))
}
