/**
 * BodyCache: the bodies that were met last in a pack, for the deltas that are made of them.
 *
 * A pack of 100 MB has a hundred thousand bodies, and only some of them at a time are kept. One array for each would leave
 * all of them to the collector, which lets such garbage grow to half of what a Worker has. So small bodies are copied
 * into chunks that are used again and again, and a body goes when the chunk that it lies in is next in turn. A large one has
 * memory of its own, and goes when it has not been asked for longest.
 *
 * @module
 */
import { release } from '../memory.ts'

/** Bytes of a chunk, where the limit has room for several. */
const MAX_CHUNK = 256 * 1024
/** The part of a chunk that a body may fill; a larger one is kept as it is. */
const SMALL = 1 / 8

interface Chunk {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Keys of the bodies in it. */
  readonly keys: number[]
}

/** Bodies by number, bounded in bytes. */
export class BodyCache {
  readonly #large: LargeBodies
  readonly #chunks: Chunk[] = []
  readonly #chunk: number
  readonly #maxChunks: number
  /** Where the body of a key begins and ends, counted over all chunks. */
  readonly #places = new Map<number, { readonly start: number; readonly end: number }>()
  #current = -1
  #filled = Infinity

  /** Keeps at most about `limit` bytes. */
  constructor(limit: number) {
    this.#large = new LargeBodies(limit / 2)
    this.#chunk = Math.min(MAX_CHUNK, Math.floor(limit / 4))
    this.#maxChunks = Math.floor(limit / 2 / this.#chunk)
  }

  /** The body; valid until the next `set`. */
  get(key: number): Uint8Array | undefined {
    const place = this.#places.get(key)
    if (place === undefined) return this.#large.get(key)
    const chunk = Math.floor(place.start / this.#chunk)
    return this.#chunks[chunk]?.bytes.subarray(
      place.start - chunk * this.#chunk,
      place.end - chunk * this.#chunk,
    )
  }

  /** Keeps a body that is not kept yet, and lets go of others for it. */
  set(key: number, body: Uint8Array): void {
    if (this.#places.has(key)) return
    if (body.length >= this.#chunk * SMALL) return this.#large.set(key, body)
    if (this.#filled + body.length > this.#chunk) this.#turn()
    const chunk = this.#chunks[this.#current]
    if (chunk === undefined) return
    chunk.bytes.set(body, this.#filled)
    chunk.keys.push(key)
    const start = this.#current * this.#chunk + this.#filled
    this.#filled += body.length
    this.#places.set(key, { start, end: start + body.length })
  }

  /** Gives the memory back at once, which a collector might leave until it is too much; nothing can be kept any more. */
  release(): void {
    for (const { bytes } of this.#chunks) release(bytes)
    this.#large.release()
  }

  /** Goes on in a new chunk, or in the oldest one. */
  #turn(): void {
    this.#current = (this.#current + 1) % this.#maxChunks
    this.#filled = 0
    const chunk = (this.#chunks[this.#current] ??= { bytes: new Uint8Array(this.#chunk), keys: [] })
    for (const key of chunk.keys) this.#places.delete(key)
    chunk.keys.length = 0
  }
}

/** Bodies that have memory of their own, which is given back when they go. */
class LargeBodies {
  readonly #limit: number
  /** In the order of their use, the last one at the end. */
  readonly #bodies = new Map<number, Uint8Array<ArrayBuffer>>()
  #held = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get(key: number): Uint8Array | undefined {
    const body = this.#bodies.get(key)
    if (body === undefined) return undefined
    this.#bodies.delete(key)
    this.#bodies.set(key, body)
    return body
  }

  set(key: number, body: Uint8Array): void {
    const { length } = body
    if (this.#bodies.has(key) || length * 2 > this.#limit) return
    this.#shrink(this.#limit - length)
    this.#bodies.set(key, body.slice())
    this.#held += length
  }

  release(): void {
    this.#shrink(0)
  }

  /** Lets go of those that were not asked for longest. */
  #shrink(limit: number): void {
    for (const [key, body] of this.#bodies) {
      if (this.#held <= limit) return
      this.#bodies.delete(key)
      this.#held -= body.length
      release(body)
    }
  }
}
