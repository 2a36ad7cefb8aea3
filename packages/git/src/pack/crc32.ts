/**
 * CRC-32, as pack indexes and IndexedDB chunks keep it of stored bytes: against decay, not against people.
 *
 * Spec: RFC 1952, section 8
 *
 * @module
 */

const tables = makeTables()

/** The checksum of `bytes` from `start` up to `end`, going on from `previous` (0 at the beginning). */
export function crc32(bytes: Uint8Array, previous = 0, start = 0, end = bytes.length): number {
  let crc = ~previous
  let i = start
  // Four bytes a step, by four tables: three times as fast as one.
  for (; i + 4 <= end; i += 4) {
    crc ^=
      (bytes[i] ?? 0) |
      ((bytes[i + 1] ?? 0) << 8) |
      ((bytes[i + 2] ?? 0) << 16) |
      ((bytes[i + 3] ?? 0) << 24)
    crc =
      (tables[768 + (crc & 0xff)] ?? 0) ^
      (tables[512 + ((crc >>> 8) & 0xff)] ?? 0) ^
      (tables[256 + ((crc >>> 16) & 0xff)] ?? 0) ^
      (tables[crc >>> 24] ?? 0)
  }
  for (; i < end; i++) crc = (tables[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8)
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
