/**
 * CRC-32, as pack indexes and IndexedDB chunks keep it of stored bytes: against decay, not against people.
 *
 * Every `as number` is an index that is masked to the table, or below the end of what it looks at. Words are little-endian, as
 * everywhere that runs a browser or Node.
 *
 * Spec: RFC 1952, section 8
 *
 * @module
 */

const tables = makeTables()

/** Bytes from which on a view of them as words is worth its while. */
const LONG = 64

let quick: typeof crc32 | undefined

/** Has a quicker way do what is worth it, from now on. */
export function hasten(way: typeof crc32): void {
  quick = way
}

/** The checksum of `bytes` from `start` up to `end`, going on from `previous` (0 at the beginning). */
export function crc32(bytes: Uint8Array, previous = 0, start = 0, end = bytes.length): number {
  if (quick && end - start > 4096) return quick(bytes, previous, start, end)
  let crc = ~previous
  for (let i = start; i < end; i++) {
    const at = bytes.byteOffset + i
    if (at % 4 === 0 && end - i >= LONG) {
      // Whole words, each by four tables: in a page that was just opened more than twice as fast as by their bytes.
      const words = new Int32Array(bytes.buffer, at, (end - i) >> 2)
      for (let k = 0; k < words.length; k++) {
        crc ^= words[k] as number
        crc =
          (tables[768 + (crc & 0xff)] as number) ^
          (tables[512 + ((crc >>> 8) & 0xff)] as number) ^
          (tables[256 + ((crc >>> 16) & 0xff)] as number) ^
          (tables[crc >>> 24] as number)
      }
      i += words.length * 4
    }
    if (i < end) crc = (tables[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8)
  }
  return ~crc >>> 0
}

function makeTables(): Int32Array {
  const values = new Int32Array(1024)
  for (let i = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    values[i] = crc
  }
  for (let i = 256; i < 1024; i++) {
    const crc = values[i - 256] ?? 0
    values[i] = (values[crc & 0xff] ?? 0) ^ (crc >>> 8)
  }
  return values
}
