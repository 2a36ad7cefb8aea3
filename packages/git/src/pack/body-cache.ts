/**
 * BodyCache: the bodies that were met last in a pack, for the deltas that are made of them.
 *
 * A pack of 100 MB has a hundred thousand bodies, and only some of them at a time are kept. One array for each would leave
 * all of them to the collector, which lets such garbage grow to half of what a Worker has. So small bodies are copied
 * into chunks that are used again and again, and a body goes when the chunk that it lies in is next in turn.
 *
 * @module
 */
import { ByteCache } from '../byte-cache.ts'

/** Bytes of a chunk. */
const CHUNK = 256 * 1024
/** Bodies over this many bytes are kept as they are. */
const SMALL = CHUNK / 8

interface Chunk {
  readonly bytes: Uint8Array
  /** Keys of the bodies in it. */
  readonly keys: number[]
}

/** Bodies by number, bounded in bytes. */
export class BodyCache {
  readonly #large: ByteCache<number, Uint8Array>
  readonly #chunks: Chunk[] = []
  readonly #maxChunks: number
  /** Where the body of a key begins and ends, counted over all chunks. */
  readonly #places = new Map<number, { readonly start: number; readonly end: number }>()
  #current = -1
  #filled = CHUNK

  /** Keeps at most about `limit` bytes. */
  constructor(limit: number) {
    this.#large = new ByteCache(limit / 2)
    this.#maxChunks = Math.max(1, Math.floor(limit / 2 / CHUNK))
  }

  /** The body; valid until the next `set`. */
  get(key: number): Uint8Array | undefined {
    const place = this.#places.get(key)
    if (place === undefined) return this.#large.get(key)
    const chunk = Math.floor(place.start / CHUNK)
    return this.#chunks[chunk]?.bytes.subarray(
      place.start - chunk * CHUNK,
      place.end - chunk * CHUNK,
    )
  }

  /** Keeps a body that is not kept yet, and lets go of others for it. */
  set(key: number, body: Uint8Array): void {
    if (this.#places.has(key)) return
    if (body.length > SMALL) return this.#large.set(key, body, body.length)
    if (this.#filled + body.length > CHUNK) this.#turn()
    const chunk = this.#chunks[this.#current]
    if (chunk === undefined) return
    chunk.bytes.set(body, this.#filled)
    chunk.keys.push(key)
    const start = this.#current * CHUNK + this.#filled
    this.#filled += body.length
    this.#places.set(key, { start, end: start + body.length })
  }

  /** Goes on in a new chunk, or in the oldest one. */
  #turn(): void {
    this.#current = (this.#current + 1) % this.#maxChunks
    this.#filled = 0
    const chunk = (this.#chunks[this.#current] ??= { bytes: new Uint8Array(CHUNK), keys: [] })
    for (const key of chunk.keys) this.#places.delete(key)
    chunk.keys.length = 0
  }
}
