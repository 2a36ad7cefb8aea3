/**
 * Stages of an IndexedDB place: packs that were written and wait for their update.
 *
 * A small pack waits in memory, so that its commit is one transaction; a large one goes into chunks while it comes in,
 * under a row that says `staged` and is swept after a day if nobody asks for it.
 *
 * @module
 */
import { concat } from '@datakit/git/bytes'
import { MissingError } from '@datakit/git/error'
import { rowsOfIndex } from '@datakit/git/pack/index-table'
import { openPackIndexBytes } from '@datakit/git/pack/pack-index'
import type { RawRow } from '@datakit/git/pack/pack-table'
import type { PackId, PackWriter } from '@datakit/git/place'
import { randomId, STAGE_LIFETIME } from '../update.ts'
import { putChunks, readStaged } from './chunks.ts'
import type { Connection } from './connection.ts'
import { CHUNK, chunksOf, INDEX_BYTES, PACK_BYTES, type PackRow, type StoreName } from './schema.ts'
import { deleteRows, putRow } from './database.ts'

/** A pack that waits in memory. */
export interface HeldPack {
  readonly id: PackId
  readonly bytes: Uint8Array
  readonly index: Uint8Array
  /** What the index says. */
  readonly rows: readonly RawRow[]
  readonly needs: readonly PackId[]
  readonly verified: boolean
  readonly at: number
}

/** Packs smaller than this wait in memory, and are put together: 256 kB. */
export const SMALL = 256 * 1024
/** Bytes of packs that wait in memory at most; more go to disk. */
const HELD = 16_000_000
/** Bytes that are written in one transaction. */
const FLUSH = 8 * CHUNK

/** What the writers of one place share. */
export interface Stages {
  readonly connection: Connection
  readonly clock: () => number
  readonly held: Map<PackId, HeldPack>
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

/** Begins a pack. */
export function packWriter({ connection, clock, held }: Stages): PackWriter {
  for (const { id, at } of held.values()) if (at < clock() - STAGE_LIFETIME) held.delete(id)
  const id = randomId()
  /** Bytes that are in chunks; always whole chunks until `finish`. */
  let flushed = 0
  let pieces: Uint8Array[] = []
  let pending = 0
  let hasEnded = false

  /** What is not in chunks yet, in one piece. */
  const gather = (): Uint8Array => {
    const [first, ...more] = pieces
    const whole = first && more.length === 0 ? first : concat(pieces)
    pieces = [whole]
    return whole
  }

  /** Writes the first `length` pending bytes, and the row of the stage; with the index, once it has ended. */
  const flush = async (length: number, index?: Uint8Array, row?: Partial<PackRow>) => {
    const bytes = gather()
    const first = flushed / CHUNK
    await connection.write(STORES, async (transaction) => {
      // What was written before is gone when the site's data was cleared.
      if (first > 0 && (await transaction.objectStore('packs').getKey(id)) === undefined)
        throw new MissingError('a stage', id)
      putChunks(transaction, { home: id, kind: PACK_BYTES, first }, bytes.subarray(0, length))
      if (index) putChunks(transaction, { home: id, kind: INDEX_BYTES, first: 0 }, index)
      putRow(transaction, 'packs', { ...BEGUN, home: id, id, since: clock(), ...row })
    })
    flushed += length
    pieces = [bytes.slice(length)]
    pending -= length
  }

  return {
    async write(piece) {
      if (hasEnded) throw new TypeError('Cannot write to a pack that has ended')
      pieces.push(piece.slice())
      pending += piece.length
      if (pending >= FLUSH) await flush(pending - (pending % CHUNK))
    },
    async read(start, end) {
      const own = gather().slice(Math.max(0, start - flushed), Math.max(0, end - flushed))
      if (start >= flushed) return own
      return concat([await readStaged(connection, id, [start, Math.min(end, flushed)]), own])
    },
    async finish({ table, needs, verified }) {
      const [size, objects, index] = [flushed + pending, table.count, table.encodeIndex()]
      const holding = [...held.values()].reduce((sum, { bytes }) => sum + bytes.length, size)
      if (size < SMALL && holding <= HELD) {
        const rows = await rowsOfIndex(await openPackIndexBytes(index))
        held.set(id, { id, bytes: gather(), index, rows, needs, verified, at: clock() })
      } else {
        const row = { size, indexSize: index.length, objects, needs, verified }
        await flush(pending, index, row)
      }
      hasEnded = true
      pieces = []
      return { id, size, objects, verified }
    },
    async abort() {
      if (hasEnded) return
      hasEnded = true
      pieces = []
      if (flushed === 0) return
      await connection.write(STORES, async (transaction) => {
        deleteRows(transaction, 'packs', id)
        deleteRows(transaction, 'chunks', chunksOf(id))
      })
    },
  }
}
