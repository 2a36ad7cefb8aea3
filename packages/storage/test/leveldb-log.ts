/**
 * The log of the LevelDB in which Chromium keeps all databases of an origin, as far as a test must see whether it was torn.
 *
 * Chromium writes the seven-byte header of a record and its payload by two calls. When it is killed between them, the next start takes the
 * header for the end of the log and goes on writing behind it; the start after that finds that the checksum is wrong and
 * deletes all databases of the origin. A page can neither see this come nor prevent it.
 *
 * @see https://github.com/google/leveldb/blob/main/doc/log_format.md
 * @module
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

const BLOCK = 32768
/** Checksum (4), length (2), kind (1). */
const HEADER = 7

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? 0x82f63b78 ^ (rest >>> 1) : rest >>> 1
  return rest
})

/** CRC-32C, and masked as LevelDB stores it. */
function maskedCrc(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 255] ?? 0) ^ (crc >>> 8)
  crc = ~crc
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** Whether a header without its payload is anywhere in the log: at its end, or with later records behind it. */
export function isTorn(log: Uint8Array): boolean {
  const view = new DataView(log.buffer, log.byteOffset, log.length)
  let at = 0
  while (at + HEADER <= log.length) {
    const left = BLOCK - (at % BLOCK)
    if (left < HEADER) {
      at += left
      continue
    }
    const end = at + HEADER + view.getUint16(at + 4, true)
    if (end > log.length) return true
    if (view.getUint32(at, true) !== maskedCrc(log.subarray(at + 6, end))) return true
    at = end
  }
  return false
}

/** Whether a log of an IndexedDB in this profile of Chromium is torn; no browser may have it open. */
export async function hasTornLog(profile: string): Promise<boolean> {
  const room = join(profile, 'Default', 'IndexedDB')
  const names = await readdir(room, { recursive: true }).catch(() => [])
  for (const name of names) {
    if (/\.leveldb\/\d+\.log$/.test(name) && isTorn(await readFile(join(room, name)))) return true
  }
  return false
}
