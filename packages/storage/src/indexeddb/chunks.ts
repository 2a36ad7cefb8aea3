/**
 * Chunks: the bytes of packs and of their indexes, in rows of 256 kB.
 *
 * That is as much as `Objects` asks for at once, so that a window is one row. Each chunk has a CRC-32, so that a reader
 * notices bytes that rotted; it finds the pack and its chunks in one transaction, so that they belong together.
 *
 * @module
 */
import { concat } from '@datakit/git/bytes'
import { MalformedError, MissingError } from '@datakit/git/error'
import { crc32 } from '@datakit/git/pack/crc32'
import { encodePackHeader } from '@datakit/git/pack/write-pack'
import { openPackIndexBytes } from '@datakit/git/pack/pack-index'
import { rowsOfIndex } from '@datakit/git/pack/index-table'
import { rowTable } from '@datakit/git/pack/row-table'
import type { RawRow } from '@datakit/git/pack/pack-table'
import type { PackId } from '@datakit/git/place'
import type { Connection } from './connection.ts'
import {
  CHUNK,
  INDEX_BYTES,
  PACK_BYTES,
  type AliasRow,
  type ChunkKind,
  type ChunkRow,
  type Home,
} from './schema.ts'
import { putRow, type Transaction } from './database.ts'

const HEADER = 12
const TRAILER = 20

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
  const found = await connection.read(['packs', 'aliases', 'chunks'], async (transaction) => {
    // Nothing was appended to most packs: their homes are their ids.
    const [row, own] = await Promise.all([
      transaction.objectStore('packs').index('id').get(id),
      getRows(transaction, id, { kind, span }),
    ])
    if (row?.home === id) return { row, rows: own }
    if (row) return { row, rows: await getRows(transaction, row.home, { kind, span }) }
    const alias = await transaction.objectStore('aliases').get(id)
    if (!alias) throw new MissingError('a pack', id)
    const whole = { kind, span: [0, Infinity] } as const
    return { alias, rows: await getRows(transaction, alias.home, whole) }
  })
  if (found.alias) return readAlias(id, kind, { ...found, span })
  const { row, rows } = found
  const [start, end] = [span[0], Math.min(span[1], kind === PACK_BYTES ? row.size : row.indexSize)]
  const bytes = cut(id, rows, [start, end])
  if (bytes.length === Math.max(0, end - start)) return bytes
  throw new MalformedError(`pack ${id}`, 'a stored chunk of it is missing')
}

/** Bytes of full chunks of a pack that is being written. */
export async function readStaged(
  connection: Connection,
  home: Home,
  span: readonly [number, number],
): Promise<Uint8Array> {
  const rows = await connection.read(['chunks'], (transaction) =>
    getRows(transaction, home, { kind: PACK_BYTES, span }),
  )
  return cut(home, rows, span)
}

async function getRows(
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
function cut(
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

/** Bytes of a pack as it was before it was put into another one. */
async function readAlias(
  id: PackId,
  kind: ChunkKind,
  {
    alias,
    rows,
    span,
  }: { alias: AliasRow; rows: readonly ChunkRow[]; span: readonly [number, number] },
): Promise<Uint8Array> {
  // The pack around it was swept.
  if (rows.length === 0) throw new MissingError('a pack', id)
  const host = cut(id, rows, [0, Infinity])
  const whole = kind === INDEX_BYTES ? await indexInside(host, alias) : packInside(host, alias)
  return whole.subarray(...span)
}

function packInside(host: Uint8Array, { shift, size, objects, trailer }: AliasRow): Uint8Array {
  const entries = host.subarray(shift + HEADER, shift + size - TRAILER)
  return concat([encodePackHeader(objects), entries, trailer])
}

async function indexInside(host: Uint8Array, { shift, size }: AliasRow): Promise<Uint8Array> {
  const all = await rowsOfIndex(await openPackIndexBytes(host))
  const moved = all.map((row) => ({ ...row, offset: row.offset - shift }))
  const isInside = ({ offset }: RawRow) => offset >= HEADER && offset < size - TRAILER
  return rowTable(moved.filter(isInside)).encodeIndex()
}
