/**
 * Chunks: the bytes of packs and of their indexes, in rows of 256 kB.
 *
 * That is as much as `Objects` asks for at once, so that a window is one row. Each chunk says of which pack it is and
 * has a CRC-32, so that a reader notices both a pack that was replaced and bytes that rotted.
 *
 * @module
 */
import { concat } from '@datakit/git/bytes'
import { MalformedError, MissingError } from '@datakit/git/error'
import { crc32 } from '@datakit/git/pack/crc32'
import { encodePackHeader } from '@datakit/git/pack/write-pack'
import { openPackIndexBytes } from '@datakit/git/pack/pack-index'
import { tableOfIndex } from '@datakit/git/pack/index-table'
import { PackTable } from '@datakit/git/pack/pack-table'
import type { PackId } from '@datakit/git/place'
import type { Connection } from './connection.ts'
import {
  INDEX_BYTES,
  PACK_BYTES,
  putRow,
  type AliasRow,
  type ChunkKind,
  type ChunkRow,
  type Home,
  type Transaction,
} from './schema.ts'

/** Bytes in a chunk; the last one of a pack has fewer. */
export const CHUNK = 256 * 1024

const HEADER = 12
const TRAILER = 20

/** Which bytes are written, and where they belong. */
export interface ChunkTarget {
  readonly home: Home
  readonly of: PackId
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
    const row = { of: target.of, bytes: piece, crc: crc32(piece) }
    putRow(transaction, 'chunks', row, [target.home, target.kind, target.first + i])
  }
}

/** Every chunk of a pack and its index. */
export function chunksOf(home: Home): IDBKeyRange {
  return IDBKeyRange.bound([home], [home, []])
}

/** Reads packs and indexes by ranges. */
export class ChunkReader {
  readonly #connection: Connection
  /** Homes of packs by id, as far as somebody knew. */
  readonly homes = new Map<PackId, Home>()

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /**
   * Bytes of a pack or of its index.
   *
   * @throws MissingError when the pack is gone
   * @throws MalformedError when a chunk is missing or is not what was written
   */
  async read(
    id: PackId,
    kind: ChunkKind,
    [start, end]: readonly [number, number],
  ): Promise<Uint8Array> {
    if (end <= start) return new Uint8Array(0)
    const known = this.homes.get(id)
    if (known !== undefined) {
      const rows = await this.#rows(known, kind, [start, end])
      const bytes = cut(id, rows, [start, end])
      if (bytes.length === end - start && rows.every(({ of }) => of === id)) return bytes
    }
    return this.#find(id, kind, [start, end])
  }

  /** Bytes of full chunks of a pack that is being written. */
  async readStaged(home: Home, span: readonly [number, number]): Promise<Uint8Array> {
    return cut(home, await this.#rows(home, PACK_BYTES, span), span)
  }

  #rows(home: Home, kind: ChunkKind, span: readonly [number, number]): Promise<ChunkRow[]> {
    return this.#connection.read(['chunks'], (transaction) =>
      getRows(transaction, home, { kind, span }),
    )
  }

  /** Looks the pack up and reads in one transaction. */
  async #find(id: PackId, kind: ChunkKind, span: readonly [number, number]): Promise<Uint8Array> {
    const found = await this.#connection.read(
      ['packs', 'aliases', 'chunks'],
      async (transaction) => {
        const row = await transaction.objectStore('packs').index('id').get(id)
        if (row) {
          const limit = Math.min(span[1], kind === PACK_BYTES ? row.size : row.indexSize)
          const rows = await getRows(transaction, row.home, { kind, span: [span[0], limit] })
          return { home: row.home, rows, limit }
        }
        const alias = await transaction.objectStore('aliases').get(id)
        if (!alias) throw new MissingError('a pack', id)
        const rows = await getRows(transaction, alias.home, { kind, span: [0, Infinity] })
        return { alias, rows }
      },
    )
    if (found.alias !== undefined) return readAlias(id, kind, { ...found, span })
    this.homes.set(id, found.home)
    const bytes = cut(id, found.rows, [span[0], found.limit])
    if (bytes.length === Math.max(0, found.limit - span[0])) return bytes
    throw new MalformedError(`pack ${id}`, 'a stored chunk of it is missing')
  }
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
  const all = await tableOfIndex(await openPackIndexBytes(host))
  const table = new PackTable()
  for (let i = 0; i < all.count; i++) {
    const row = all.rawRow(i)
    const offset = row.offset - shift
    if (offset >= HEADER && offset < size - TRAILER) table.addRaw({ ...row, offset })
  }
  return table.encodeIndex()
}
