/**
 * Alias: a pack as it was before it was put into another one. Whoever holds a state of before reads it, until it is swept.
 *
 * @module
 */
import { concat } from '@datakit/git/bytes'
import { MissingError } from '@datakit/git/error'
import { rowsOfIndex } from '@datakit/git/pack/index-table'
import { openPackIndexBytes } from '@datakit/git/pack/pack-index'
import type { RawRow } from '@datakit/git/pack/pack-table'
import { rowTable } from '@datakit/git/pack/row-table'
import { encodePackHeader } from '@datakit/git/pack/write-pack'
import type { PackId } from '@datakit/git/place'
import { cut, getRows } from './chunks.ts'
import type { Connection } from './connection.ts'
import { INDEX_BYTES, type AliasRow, type ChunkKind } from './schema.ts'

const HEADER = 12
const TRAILER = 20
const WHOLE = [0, Infinity] as const

/**
 * Bytes of the pack or of its index, fewer when they end before `span` does.
 *
 * @throws MissingError when it was swept, or the pack around it was
 * @throws MalformedError when a chunk of that is not what was written
 */
export async function readAlias(
  connection: Connection,
  { id, kind }: { readonly id: PackId; readonly kind: ChunkKind },
  span: readonly [number, number],
): Promise<Uint8Array> {
  const { alias, rows } = await connection.read(['aliases', 'chunks'], async (transaction) => {
    const alias = await transaction.objectStore('aliases').get(id)
    return { alias, rows: await getRows(transaction, alias?.home ?? '', { kind, span: WHOLE }) }
  })
  if (!alias || rows.length === 0) throw new MissingError('a pack', id)
  const host = cut(id, rows, WHOLE)
  const bytes = kind === INDEX_BYTES ? await indexInside(host, alias) : packInside(host, alias)
  return bytes.subarray(...span)
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
