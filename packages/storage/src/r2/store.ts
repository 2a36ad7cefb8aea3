/**
 * Store: immutable objects of a bucket, read by range through a cache with a byte budget.
 *
 * Small reads go through windows that begin at multiples of 256 kB, so that a small pack with its index is one request,
 * and what lies together is fetched together. The cache holds bytes only: nothing in it belongs to a request, so it may
 * outlive one. A root is never read here.
 *
 * @module
 */
import type { ByteCache } from '@datakit/git/byte-cache'
import { concat } from '@datakit/git/bytes'
import { MissingError, UnavailableError } from '@datakit/git/error'
import type { Bucket, BucketBody, BucketObject, BucketRange } from './bucket.ts'

/** Bytes of a window. */
export const WINDOW = 256 * 1024

/** A read over more windows than this would sweep others out of the cache, so it goes past it. */
const MAX_WINDOWS = 8

const TRIES = 3

/** Reads and writes what never changes. */
export class Store {
  readonly bucket: Bucket
  readonly #cache: ByteCache<string, Uint8Array>

  constructor(bucket: Bucket, cache: ByteCache<string, Uint8Array>) {
    this.bucket = bucket
    this.#cache = cache
  }

  /**
   * Bytes of an object from `start` up to `end`, through the cache.
   *
   * @throws MissingError when there is no such object, or it ends before `end`
   */
  async read(key: string, start: number, end: number): Promise<Uint8Array> {
    if (end - start > MAX_WINDOWS * WINDOW) return this.readOnce(key, start, end)
    const first = Math.floor(start / WINDOW)
    const last = Math.max(first, Math.ceil(end / WINDOW) - 1)
    const windows: Uint8Array[] = []
    for (let i = first; i <= last; i++) {
      const cached = this.#cache.get(`${key}@${i}`)
      if (cached) windows.push(cached)
      else return await this.#fill(key, { start, end }, { first, last })
    }
    return cut(key, windows, start - first * WINDOW, end - first * WINDOW)
  }

  /** Bytes of an object from `start` up to `end`, as one request that leaves the cache alone. @throws MissingError */
  async readOnce(key: string, start: number, end: number): Promise<Uint8Array> {
    if (start >= end) return new Uint8Array()
    const body = await this.#fetch(key, { offset: start, length: end - start })
    return cut(key, [body], 0, end - start)
  }

  /** All of an object, as one request that leaves the cache alone. @throws MissingError */
  async readWhole(key: string): Promise<Uint8Array> {
    return this.#fetch(key, undefined)
  }

  /** The last bytes of an object, at most `length`, and how large it is; `undefined` when it is not there. */
  async readEnd(
    key: string,
    length: number,
  ): Promise<{ bytes: Uint8Array; size: number } | undefined> {
    const found = await retrying(() => this.#get(key, { suffix: length }))
    return found && { bytes: found.bytes, size: found.size }
  }

  /**
   * Keeps bytes under a key that nobody has used; they may be changed once the promise resolves.
   *
   * @throws UnavailableError when the bucket does not take them
   */
  async write(key: string, bytes: Uint8Array): Promise<void> {
    await this.settle(key, bytes.length, () => this.bucket.put(key, bytes))
  }

  /**
   * Does something that makes an object of this size; if that fails, looks whether it was only the answer that got lost.
   *
   * @throws UnavailableError when the object is not there
   */
  async settle(key: string, size: number, make: () => Promise<unknown>): Promise<void> {
    try {
      await make()
    } catch (cause) {
      const found = await this.bucket.head(key).catch(() => null)
      if (found?.size === size) return
      throw new UnavailableError(`Cannot write "${key}": the bucket did not take it`, { cause })
    }
  }

  /** Keeps bytes of a small object that was just written, for those who read it next. */
  remember(key: string, bytes: Uint8Array): void {
    if (bytes.length <= WINDOW) this.#cache.set(`${key}@0`, bytes, bytes.length)
  }

  async #fill(
    key: string,
    range: { start: number; end: number },
    windows: { first: number; last: number },
  ): Promise<Uint8Array> {
    const offset = windows.first * WINDOW
    const body = await this.#fetch(key, { offset, length: (windows.last + 1) * WINDOW - offset })
    for (let i = windows.first; i <= windows.last; i++) {
      const at = (i - windows.first) * WINDOW
      // A copy where a window is a part of what came, or it would hold on to the whole.
      const window = windows.first === windows.last ? body : body.slice(at, at + WINDOW)
      if (window.length > 0) this.#cache.set(`${key}@${i}`, window, window.length)
    }
    return cut(key, [body], range.start - offset, range.end - offset)
  }

  async #fetch(key: string, range: BucketRange | undefined): Promise<Uint8Array> {
    const found = await retrying(() => this.#get(key, range))
    if (!found) throw new MissingError('an object in the bucket', key)
    return found.bytes
  }

  async #get(
    key: string,
    range: BucketRange | undefined,
  ): Promise<{ bytes: Uint8Array; size: number } | undefined> {
    const found = await this.bucket.get(key, range && { range }).catch(async (cause: unknown) => {
      if (range && 'offset' in range) return this.#ifBehindEnd(key, range.offset, cause)
      throw cause
    })
    if (!found) return undefined
    if (!hasBody(found)) return { bytes: new Uint8Array(), size: found.size }
    return { bytes: new Uint8Array(await found.arrayBuffer()), size: found.size }
  }

  /** The object, if it is there and ends before `offset`: that is an error of the bucket, by which nobody can know it. */
  async #ifBehindEnd(key: string, offset: number, cause: unknown): Promise<BucketObject | null> {
    const found = await this.bucket.head(key)
    if (found && found.size > offset) throw cause
    return found
  }
}

/** Whether an answer to `get` came with its bytes. */
export function hasBody(object: BucketObject | BucketBody): object is BucketBody {
  return 'arrayBuffer' in object
}

/**
 * What `ask` gives, tried again when the bucket fails: for what may be repeated, as reading, listing and deleting.
 *
 * @throws UnavailableError when it fails each time
 */
export async function retrying<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (cause) {
      if (tries >= TRIES)
        throw new UnavailableError('Cannot use the bucket: it fails each time', { cause })
      await pause(Math.random() * 50 * tries)
    }
  }
}

/** Waits so many milliseconds. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

function cut(key: string, parts: readonly Uint8Array[], start: number, end: number): Uint8Array {
  const whole = parts.length === 1 && parts[0] ? parts[0] : concat(parts)
  if (whole.length < end) throw new MissingError('the end of an object in the bucket', key)
  return start === 0 && end === whole.length ? whole : whole.slice(start, end)
}
