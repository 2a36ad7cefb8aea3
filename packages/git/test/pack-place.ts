/**
 * A place that holds packs and nothing else, for tests of reading. The places that people use are in `packages/storage`,
 * which this package does not know.
 *
 * @module
 */
import { inPieces } from '../src/pack-pieces.ts'
import { MissingError } from '../src/error.ts'
import type { Oid } from '../src/oid.ts'
import type { CatalogInfo, PackContents, PackInfo, Place, State } from '../src/place.ts'

interface StoredPack {
  readonly info: PackInfo
  readonly bytes: Uint8Array
  readonly index: Uint8Array
  isLive: boolean
  isThere: boolean
}

/** Packs that come and go as a test wants. */
export class PackPlace implements Pick<Place, 'read' | 'readPack' | 'readIndex'> {
  readonly #packs = new Map<string, StoredPack>()
  readonly promised = new Map<Oid, string>()
  catalogs: CatalogInfo[] = []
  /** Requests for bytes of packs so far. */
  requests = 0
  #version = 0

  add(id: string, bytes: Uint8Array, table: PackContents, verified = true): void {
    const index = table.encodeIndex()
    // Like a place that makes indexes late: nobody knows how long it is.
    const info = { id, size: bytes.length, indexSize: 0, objects: table.count, needs: [], verified }
    this.#packs.set(id, { info, bytes, index, isLive: true, isThere: true })
    this.#version++
  }

  /** The pack leaves the state; its bytes are deleted when `sweeps`. */
  remove(id: string, sweeps = true): void {
    const pack = this.#packs.get(id)
    if (pack === undefined) return
    pack.isLive = false
    pack.isThere = !sweeps
    this.#version++
  }

  /** The bytes are lost, and the state does not know. */
  lose(id: string): void {
    const pack = this.#packs.get(id)
    if (pack !== undefined) pack.isThere = false
  }

  /** The bytes of a pack, to be spoilt. */
  bytesOf(id: string): Uint8Array {
    return this.#packs.get(id)?.bytes ?? new Uint8Array(0)
  }

  async read(): Promise<State> {
    const live = [...this.#packs.values()].filter(({ isLive }) => isLive)
    return {
      version: String(this.#version),
      repository: 'test',
      exists: true,
      head: { ref: 'refs/heads/main' },
      packs: live.map(({ info }) => info),
      catalogs: this.catalogs,
      shallow: new Set(),
      ref: async () => undefined,
      async *refs() {},
      promised: async (oid) => this.promised.get(oid),
      receipt: async () => undefined,
    }
  }

  async readPack(id: string, start: number, end: number): Promise<Uint8Array> {
    this.requests++
    return this.#there(id).bytes.subarray(start, end)
  }

  streamPack(id: string, start: number, end: number): AsyncIterable<Uint8Array> {
    return inPieces((...span) => this.readPack(id, ...span), start, end)
  }

  async readIndex(id: string, start: number, end: number): Promise<Uint8Array> {
    return this.#there(id).index.subarray(start, end)
  }

  /** The same as a whole place; what is not here must not be asked for. */
  asPlace(): Place {
    // Only reading is asked of it by what is tested here.
    return this as unknown as Place
  }

  #there(id: string): StoredPack {
    const pack = this.#packs.get(id)
    if (pack === undefined || !pack.isThere) throw new MissingError('a pack', id)
    return pack
  }
}
