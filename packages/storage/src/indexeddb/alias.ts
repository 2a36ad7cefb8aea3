/**
 * Alias: a pack as it was before it was put into another one. Whoever holds a state of before reads it, until it is swept.
 *
 * @module
 */
import { concat } from '@datakit/git/bytes'
import { rowsOfIndex } from '@datakit/git/pack/index-table'
import { openPackIndexBytes } from '@datakit/git/pack/pack-index'
import type { RawRow } from '@datakit/git/pack/pack-table'
import { rowTable } from '@datakit/git/pack/row-table'
import { encodePackHeader } from '@datakit/git/pack/write-pack'
import { INDEX_BYTES, type AliasRow, type ChunkKind } from './schema.ts'

const HEADER = 12
const TRAILER = 20

/** The bytes of the pack or of its index, from those of the pack `host` that it was put into. */
export async function readAlias(
  host: Uint8Array,
  alias: AliasRow,
  kind: ChunkKind,
): Promise<Uint8Array> {
  return kind === INDEX_BYTES ? indexInside(host, alias) : packInside(host, alias)
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
