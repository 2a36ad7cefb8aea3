/**
 * Stages of an IndexedDB place: packs that were written and wait for their update.
 *
 * A small pack waits in memory, so that its commit is one transaction; a large one goes into chunks while it comes in, see
 * `large-stage.ts`.
 *
 * @module
 */
import { concat } from '@datakit/git/bytes'
import { rowsOfIndex } from '@datakit/git/pack/index-table'
import { openPackIndexBytes } from '@datakit/git/pack/pack-index'
import type { RawRow } from '@datakit/git/pack/pack-table'
import type { PackId, PackWriter } from '@datakit/git/place'
import { randomId, STAGE_LIFETIME } from '../update.ts'
import type { Connection } from './connection.ts'
import type { LargeStage, StageEnd } from './large-stage.ts'
import { later } from './loading.ts'
import { CHUNK } from './schema.ts'

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
  const { clock, held } = stages
  for (const { id, at } of held.values()) if (at < clock() - STAGE_LIFETIME) held.delete(id)
  const id = randomId()
  /** What is in chunks; always whole chunks until `finish`. Not there while all is in memory. */
  let large: LargeStage | undefined
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

  /** Writes the first `length` pending bytes. */
  const flush = async (length: number, end?: StageEnd) => {
    large ??= (await later()).largeStage(stages, id)
    const bytes = gather()
    await large.write(bytes.subarray(0, length), end)
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
      const { size = 0 } = large ?? {}
      const own = gather().slice(Math.max(0, start - size), Math.max(0, end - size))
      return large ? concat([await large.read(start, end), own]) : own
    },
    async finish({ table, needs, verified }) {
      const { size: flushed = 0 } = large ?? {}
      const [size, objects, index] = [flushed + pending, table.count, table.encodeIndex()]
      const holding = [...held.values()].reduce((sum, { bytes }) => sum + bytes.length, size)
      if (size < SMALL && holding <= HELD) {
        const rows = await rowsOfIndex(await openPackIndexBytes(index))
        held.set(id, { id, bytes: gather(), index, rows, needs, verified, at: clock() })
      } else await flush(pending, { index, size, objects, needs, verified })
      hasEnded = true
      pieces = []
      return { id, size, objects, verified }
    },
    async abort() {
      if (hasEnded) return
      hasEnded = true
      pieces = []
      await large?.abort()
    },
  }
}
