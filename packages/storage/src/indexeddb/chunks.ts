/**
 * Chunks: the bytes of packs and of their indexes, in rows of 256 kB.
 *
 * That is as much as `Objects` asks for at once, so that a window is one row. Each chunk has a CRC-32, so that a reader
 * notices bytes that rotted; it finds the pack and its chunks in one transaction, so that they belong together.
 *
 * @module
 */
import { concat } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'
import { crc32 } from '@datakit/git/pack/crc32'
import type { PackId } from '@datakit/git/place'
import type { Connection } from './connection.ts'
import { later } from './loading.ts'
import { CHUNK, PACK_BYTES, type ChunkKind, type ChunkRow, type Home } from './schema.ts'
import { putRow, type Transaction } from './database.ts'

/** Which bytes are written, and where they belong. */
export interface ChunkTarget {
  readonly home: Home
  readonly kind: ChunkKind
  /** Number of the first chunk. */
  readonly first: number
}

/** Writes bytes as chunks; all but the last are full. The requests are not waited for, the transaction is. */
export function putChunks(
  transaction: Transaction<'readwrite'>,
  target: ChunkTarget,
  bytes: Uint8Array,
): void {
  for (let i = 0; i * CHUNK < bytes.length; i++) {
    // A copy: structured cloning stores the whole buffer under a view.
    const piece = bytes.slice(i * CHUNK, (i + 1) * CHUNK)
    const row = { bytes: piece, crc: crc32(piece) }
    putRow(transaction, 'chunks', row, [target.home, target.kind, target.first + i])
  }
}

/**
 * Bytes of a pack or of its index, fewer when they end before `span` does.
 *
 * @throws MissingError when the pack is gone
 * @throws MalformedError when a chunk is missing or is not what was written
 */
export async function readChunks(
  connection: Connection,
  { id, kind }: { readonly id: PackId; readonly kind: ChunkKind },
  span: readonly [number, number],
): Promise<Uint8Array> {
  const { row, rows } = await connection.read(['packs', 'chunks'], async (transaction) => {
    // Nothing was appended to most packs: their homes are their ids.
    const [row, own] = await Promise.all([
      transaction.objectStore('packs').index('id').get(id),
      getRows(transaction, id, { kind, span }),
    ])
    const isOwn = !row || row.home === id
    return { row, rows: isOwn ? own : await getRows(transaction, row.home, { kind, span }) }
  })
  // Swept, or put into another one.
  if (!row) return (await later()).readAlias(connection, { id, kind }, span)
  const [start, end] = [span[0], Math.min(span[1], kind === PACK_BYTES ? row.size : row.indexSize)]
  const bytes = cut(id, rows, [start, end])
  if (bytes.length === Math.max(0, end - start)) return bytes
  throw new MalformedError(`pack ${id}`, 'a stored chunk of it is missing')
}

/** The rows with the bytes from `start` to `end` of a pack or an index. */
export async function getRows(
  transaction: Transaction,
  home: Home,
  { kind, span: [start, end] }: { kind: ChunkKind; span: readonly [number, number] },
): Promise<ChunkRow[]> {
  if (end <= start) return []
  const first = [home, kind, Math.floor(start / CHUNK)]
  return transaction
    .objectStore('chunks')
    .getAll(IDBKeyRange.bound(first, [home, kind, Math.ceil(end / CHUNK) - 1]))
}

/** The bytes from `start` to `end` of a pack, from the rows that hold them; fewer when a row is missing. */
export function cut(
  id: PackId,
  rows: readonly ChunkRow[],
  [start, end]: readonly [number, number],
): Uint8Array {
  for (const { bytes, crc } of rows) {
    if (crc32(bytes) === crc) continue
    throw new MalformedError(`pack ${id}`, 'its stored bytes fail their checksum')
  }
  const skip = start % CHUNK
  const whole =
    rows.length === 1 && rows[0] ? rows[0].bytes : concat(rows.map(({ bytes }) => bytes))
  return whole.subarray(skip, skip + end - start)
}
