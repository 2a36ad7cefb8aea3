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
import type { PackId, PackSummary, PackWriter, StagedPack } from '@datakit/git/place'
import { randomId, STAGE_LIFETIME } from '../update.ts'
import { putChunks, readStaged } from './chunks.ts'
import type { Connection } from './connection.ts'
import { CHUNK, chunksOf, INDEX_BYTES, PACK_BYTES, type PackRow } from './schema.ts'
import { deleteRows, putRow, type Transaction } from './database.ts'

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

/** Begins a pack. */
export function packWriter(stages: Stages): PackWriter {
  const { held, clock } = stages
  for (const { id, at } of held.values()) if (at < clock() - STAGE_LIFETIME) held.delete(id)
  return new StageWriter(stages)
}

class StageWriter implements PackWriter {
  readonly #stages: Stages
  readonly #id = randomId()
  /** Bytes that are in chunks; always whole chunks until `finish`. */
  #flushed = 0
  #pieces: Uint8Array[] = []
  #pending = 0
  #hasEnded = false

  constructor(stages: Stages) {
    this.#stages = stages
  }

  async write(piece: Uint8Array): Promise<void> {
    if (this.#hasEnded) throw new TypeError('Cannot write to a pack that has ended')
    this.#pieces.push(piece.slice())
    this.#pending += piece.length
    if (this.#pending < FLUSH) return
    await this.#flush(this.#pending - (this.#pending % CHUNK))
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    const flushed = this.#flushed
    const own = this.#whole().slice(Math.max(0, start - flushed), Math.max(0, end - flushed))
    if (start >= flushed) return own
    const { connection } = this.#stages
    return concat([await readStaged(connection, this.#id, [start, Math.min(end, flushed)]), own])
  }

  async finish({ table, needs, verified }: PackSummary): Promise<StagedPack> {
    const { held, clock } = this.#stages
    const [id, objects, size] = [this.#id, table.count, this.#flushed + this.#pending]
    const staged = { id, size, objects, verified }
    const index = table.encodeIndex()
    const holding = [...held.values()].reduce((sum, { bytes }) => sum + bytes.length, 0)
    if (size < SMALL && holding + size <= HELD) {
      const rows = await rowsOfIndex(await openPackIndexBytes(index))
      held.set(id, { id, bytes: this.#whole(), index, rows, needs, verified, at: clock() })
    } else {
      await this.#flush(this.#pending, (transaction) => {
        putChunks(transaction, { home: id, kind: INDEX_BYTES, first: 0 }, index)
        return { size, indexSize: index.length, objects, needs, verified }
      })
    }
    this.#hasEnded = true
    this.#pieces = []
    return staged
  }

  async abort(): Promise<void> {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#pieces = []
    if (this.#flushed === 0) return
    await this.#stages.connection.write(['state', 'packs', 'chunks'], async (transaction) => {
      deleteRows(transaction, 'packs', this.#id)
      deleteRows(transaction, 'chunks', chunksOf(this.#id))
    })
  }

  /** Writes the first `length` pending bytes, and the row of the stage. */
  async #flush(
    length: number,
    describe?: (transaction: Transaction<'readwrite'>) => Partial<PackRow>,
  ): Promise<void> {
    const bytes = this.#whole()
    const id = this.#id
    const first = this.#flushed / CHUNK
    await this.#stages.connection.write(['state', 'packs', 'chunks'], async (transaction) => {
      // What was written before is gone when the site's data was cleared.
      if (first > 0 && (await transaction.objectStore('packs').getKey(id)) === undefined)
        throw new MissingError('a stage', id)
      const piece = bytes.subarray(0, length)
      putChunks(transaction, { home: id, kind: PACK_BYTES, first }, piece)
      putRow(transaction, 'packs', { ...this.#row(), ...describe?.(transaction) })
    })
    this.#flushed += length
    this.#pieces = [bytes.slice(length)]
    this.#pending -= length
  }

  #row(): PackRow {
    const [id, since] = [this.#id, this.#stages.clock()]
    const nothing = { size: 0, indexSize: 0, objects: 0, needs: [], verified: false }
    return { home: id, id, state: 'staged', ...nothing, since, order: -1, changed: -1 }
  }

  #whole(): Uint8Array {
    const [only] = this.#pieces
    if (this.#pieces.length === 1 && only) return only
    const whole = concat(this.#pieces)
    this.#pieces = [whole]
    return whole
  }
}
