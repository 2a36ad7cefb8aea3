/**
 * The stage of a large pack: chunks under a row that says `staged`, and is swept after a day if nobody asks for it.
 *
 * @module
 */
import { MissingError } from '@datakit/git/error'
import type { PackId } from '@datakit/git/place'
import { cut, getRows, putChunks } from './chunks.ts'
import { deleteRows, putRow } from './database.ts'
import { CHUNK, chunksOf, INDEX_BYTES, PACK_BYTES, type PackRow, type StoreName } from './schema.ts'
import type { Stages } from './stages.ts'

/** A stage on disk. */
export interface LargeStage {
  /** Bytes that are in chunks. */
  readonly size: number
  /** Writes bytes behind those that are there: whole chunks, but for the last ones, which come with the index and the row. */
  write(bytes: Uint8Array, end?: StageEnd): Promise<void>
  /** Bytes from `start` up to `end`, as far as they are here. */
  read(start: number, end: number): Promise<Uint8Array>
  abort(): Promise<void>
}

/** What is known of a pack at its end. */
export interface StageEnd extends Pick<PackRow, 'size' | 'objects' | 'needs' | 'verified'> {
  readonly index: Uint8Array
}

const STORES: StoreName[] = ['state', 'packs', 'chunks']

/** The row of a stage that has not ended. */
const BEGUN = {
  state: 'staged',
  size: 0,
  indexSize: 0,
  objects: 0,
  needs: [],
  verified: false,
  order: -1,
  changed: -1,
} as const

/** Begins one; nothing is written yet. */
export function largeStage({ connection, clock }: Stages, id: PackId): LargeStage {
  let size = 0
  return {
    get size() {
      return size
    },
    async write(bytes, { index, ...row }: Partial<StageEnd> = {}) {
      await connection.write(STORES, async (transaction) => {
        // What was written before is gone when the site's data was cleared.
        if (size > 0 && (await transaction.objectStore('packs').getKey(id)) === undefined)
          throw new MissingError('a stage', id)
        putChunks(transaction, { home: id, kind: PACK_BYTES, first: size / CHUNK }, bytes)
        if (index) putChunks(transaction, { home: id, kind: INDEX_BYTES, first: 0 }, index)
        const more = { ...row, indexSize: index?.length ?? 0 }
        putRow(transaction, 'packs', { ...BEGUN, home: id, id, since: clock(), ...more })
      })
      size += bytes.length
    },
    async read(start, end) {
      const span = [start, Math.min(end, size)] as const
      const rows = await connection.read(['chunks'], (transaction) =>
        getRows(transaction, id, { kind: PACK_BYTES, span }),
      )
      return cut(id, rows, span)
    },
    async abort() {
      if (size === 0) return
      await connection.write(STORES, async (transaction) => {
        deleteRows(transaction, 'packs', id)
        deleteRows(transaction, 'chunks', chunksOf(id))
      })
    },
  }
}
