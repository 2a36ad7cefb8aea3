/**
 * What to do about stored bytes that are not what was written; loaded when some are met.
 *
 * A byte of a pack that changed is found by the checksum of its chunk and put right. Of what is worse, the entries that are
 * whole by their own checksums, which the index has, are given all the same. An index that is damaged can only be made anew:
 * `repairPlace` does.
 *
 * @module
 */
import { concat, equal } from '@datakit/git/bytes'
import type { MalformedError } from '@datakit/git/error'
import { crc32 } from '@datakit/git/pack/crc32'
import { openPackIndexBytes, type PackIndex } from '@datakit/git/pack/pack-index'
import { encodePackHeader } from '@datakit/git/pack/write-pack'
import type { PackId } from '@datakit/git/place'
import { readChunks } from './chunks.ts'
import type { Connection } from './connection.ts'
import { putRow } from './database.ts'
import { CHUNK, INDEX_BYTES, PACK_BYTES, type ChunkRow, type PackRow } from './schema.ts'

/** What could not be read, and why. */
export interface Damage {
  readonly id: PackId
  readonly span: readonly [number, number]
  readonly error: MalformedError
}

const HEADER = 12
const TRAILER = 20
const BYTES = 256

/**
 * The bytes all the same, where that can be had; what was put right is kept.
 *
 * @throws MalformedError of the damage when it cannot be had
 */
export async function readDamaged(connection: Connection, damage: Damage): Promise<Uint8Array> {
  const { id, span, error } = damage
  const row = await connection.read(['packs'], (transaction) =>
    transaction.objectStore('packs').index('id').get(id),
  )
  if (row === undefined) throw error
  // Without an index nobody can tell what is whole.
  const index = await readChunks(connection, { id, kind: INDEX_BYTES }, [0, row.indexSize])
    .then(openPackIndexBytes)
    .catch(() => undefined)
  const pack = index && (await DamagedPack.open(connection, row, index))
  const bytes = await pack?.read(span)
  if (bytes === undefined) throw error
  return bytes
}

/** A pack whose index says which of its entries are whole. */
class DamagedPack {
  readonly #connection: Connection
  readonly #row: PackRow
  readonly #index: PackIndex
  readonly #crcs: Uint32Array
  readonly #chunks: Map<number, ChunkRow>

  private constructor(
    connection: Connection,
    row: PackRow,
    known: { index: PackIndex; crcs: Uint32Array; chunks: Map<number, ChunkRow> },
  ) {
    this.#connection = connection
    this.#row = row
    this.#index = known.index
    this.#crcs = known.crcs
    this.#chunks = known.chunks
  }

  static async open(connection: Connection, row: PackRow, index: PackIndex): Promise<DamagedPack> {
    const { home } = row
    const range = IDBKeyRange.bound([home, PACK_BYTES], [home, PACK_BYTES, []])
    const [keys, rows] = await connection.read(['chunks'], (transaction) => {
      const store = transaction.objectStore('chunks')
      return Promise.all([store.getAllKeys(range), store.getAll(range)])
    })
    const chunks = new Map(rows.map((chunk, i) => [keys[i]?.[2] ?? 0, chunk]))
    return new DamagedPack(connection, row, { index, crcs: await index.crcs(), chunks })
  }

  /** Bytes of a span in which something is wrong; `undefined` when they cannot be had. */
  async read(span: readonly [number, number]): Promise<Uint8Array | undefined> {
    const [start, end] = [span[0], Math.min(span[1], this.#row.size)]
    let isRight = true
    for (let number = Math.floor(start / CHUNK); number * CHUNK < end; number++) {
      await this.#mend(number)
      const chunk = this.#chunks.get(number)
      isRight &&= chunk !== undefined && crc32(chunk.bytes) === chunk.crc
    }
    const bytes = this.#bytes(start, end)
    return isRight || this.#isSound(start, end) ? bytes : undefined
  }

  /** Puts a chunk right in which one byte is wrong, and keeps it. */
  async #mend(number: number): Promise<void> {
    const damaged = this.#chunks.get(number)
    const found = damaged && findWrongByte(damaged)
    if (damaged === undefined || found === undefined) return
    const bytes = damaged.bytes.slice()
    bytes[found.at] = (bytes[found.at] ?? 0) ^ found.difference
    const mended = { ...damaged, bytes }
    this.#chunks.set(number, mended)
    const at = number * CHUNK + found.at
    // Other damage may have the checksum of a wrong byte, once in a hundred times.
    const isTrailer = at >= this.#row.size - TRAILER
    if (!isTrailer && !this.#isSound(at, at + 1)) return void this.#chunks.set(number, damaged)
    const { home, id } = this.#row
    await this.#connection.write(['state', 'packs', 'chunks'], async (transaction) => {
      const now = await transaction.objectStore('packs').index('id').get(id)
      if (now?.home === home) putRow(transaction, 'chunks', mended, [home, PACK_BYTES, number])
    })
  }

  /** Whether everything that has a part in a span is what it was by its own checksum. */
  #isSound(start: number, end: number): boolean {
    const index = this.#index
    let whole = 0
    if (start < HEADER) {
      const header = this.#bytes(0, HEADER)
      if (header === undefined || !equal(header, encodePackHeader(index.count))) return false
      whole += Math.min(end, HEADER) - start
    }
    for (let ordinal = 0; ordinal < index.count; ordinal++) {
      const from = index.offset(ordinal)
      const to = from + index.length(ordinal)
      if (to <= start || from >= end) continue
      const entry = this.#bytes(from, to)
      if (entry === undefined || crc32(entry) !== this.#crcs[ordinal]) return false
      whole += Math.min(to, end) - Math.max(from, start)
    }
    return whole === end - start
  }

  /** Bytes as they are stored, right or wrong; `undefined` when some are missing. */
  #bytes(start: number, end: number): Uint8Array | undefined {
    const pieces: Uint8Array[] = []
    for (let number = Math.floor(start / CHUNK); number * CHUNK < end; number++) {
      const chunk = this.#chunks.get(number)
      if (chunk === undefined) return undefined
      const at = number * CHUNK
      pieces.push(chunk.bytes.subarray(Math.max(0, start - at), end - at))
    }
    return concat(pieces)
  }
}

/**
 * The byte that must have changed, if one did: a checksum is linear, so what differs in it depends only on what differs in
 * the bytes and on how many come behind.
 */
function findWrongByte({ bytes, crc }: ChunkRow): { at: number; difference: number } | undefined {
  let difference = (crc32(bytes) ^ crc) >>> 0
  if (difference === 0) return undefined
  const table = stepTable()
  const byValue = new Map(Array.from(table, (value, i) => [value, i]))
  // By the highest byte, which no two steps share: a step can be taken back.
  const byHigh = new Map(Array.from(table, (value, i) => [value >>> 24, i]))
  for (let at = bytes.length - 1; at >= 0; at--) {
    const found = byValue.get(difference)
    if (found !== undefined) return { at, difference: found }
    const low = byHigh.get(difference >>> 24) ?? 0
    difference = (((difference ^ (table[low] ?? 0)) << 8) | low) >>> 0
  }
  return undefined
}

/** What each byte makes of a checksum that is zero. */
function stepTable(): Uint32Array {
  const zero = crc32(Uint8Array.of(0))
  return Uint32Array.from({ length: BYTES }, (_, byte) => (crc32(Uint8Array.of(byte)) ^ zero) >>> 0)
}
