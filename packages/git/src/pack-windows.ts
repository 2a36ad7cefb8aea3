/**
 * PackWindows: reads of packs in pieces that are worth a request, kept for the next read nearby.
 *
 * @module
 */
import { concat } from './bytes.ts'
import { ByteCache } from './byte-cache.ts'
import { MalformedError } from './error.ts'
import type { PackId, PackInfo, Place } from './place.ts'

/** A piece of a pack. */
export interface PackSpan {
  readonly pack: PackInfo
  readonly start: number
  readonly end: number
}

/** A window that is fetched, and its bytes once they are there. */
interface Window {
  readonly fetched: Promise<Uint8Array>
  bytes?: Uint8Array
}

/** What one request fetches at most when several windows in a row are wanted. */
const MAX_RUN = 8 * 1024 * 1024

/** Reads packs of a place through a bounded cache of windows. */
export class PackWindows {
  readonly #place: Place
  readonly #size: number
  readonly #windows: ByteCache<string, Window>
  /** The window that was looked into last. */
  #last: { readonly pack: PackId; readonly window: number; readonly bytes: Uint8Array } | undefined

  /** Windows of `size` bytes, `limit` bytes of them in all. */
  constructor(place: Place, { size, limit }: { size: number; limit: number }) {
    this.#place = place
    this.#size = size
    this.#windows = new ByteCache(limit)
  }

  /** The same as {@link read}, where it is at hand in one window: waiting costs more than a small entry. */
  peek({ pack, start, end }: PackSpan): Uint8Array | undefined {
    const window = Math.floor(start / this.#size)
    const at = window * this.#size
    if (end > at + this.#size) return undefined
    // Of a chain of deltas most are in one window.
    let last = this.#last
    if (last?.window !== window || last.pack !== pack.id) {
      const { bytes } = this.#windows.get(keyOf(pack.id, window)) ?? {}
      if (bytes === undefined) return undefined
      this.#last = last = { pack: pack.id, window, bytes }
    }
    return end - at > last.bytes.length ? undefined : last.bytes.subarray(start - at, end - at)
  }

  /**
   * Bytes of a pack from `start` up to `end`.
   *
   * @throws MissingError when the pack is gone
   * @throws MalformedError when it ends before `end`
   */
  async read({ pack, start, end }: PackSpan): Promise<Uint8Array> {
    if (start < 0 || end < start || end > pack.size) {
      throw new MalformedError(`pack ${pack.id}`, `no bytes ${start} to ${end} in ${pack.size}`)
    }
    // Something large is one request for itself, and would push everything else out.
    if (end - start > this.#size)
      return exactly(await this.#place.readPack(pack.id, start, end), end - start)
    const first = Math.floor(start / this.#size)
    const last = Math.floor(Math.max(start, end - 1) / this.#size)
    const pieces: Uint8Array[] = []
    if (last > first) this.prefetch([{ pack, start, end }])
    for (let window = first; window <= last; window++) {
      const at = window * this.#size
      const bytes = await this.#window(pack, window).catch((error: unknown) => {
        if (!(error instanceof MalformedError)) throw error
      })
      // Something in the window is damaged, perhaps nothing that is wanted.
      if (bytes === undefined)
        return exactly(await this.#place.readPack(pack.id, start, end), end - start)
      pieces.push(bytes.subarray(Math.max(0, start - at), end - at))
    }
    const [only] = pieces
    return exactly(only !== undefined && pieces.length === 1 ? only : concat(pieces), end - start)
  }

  /** Starts to fetch the windows of these spans, which are in the order of the pack, with few requests. */
  prefetch(spans: readonly PackSpan[]): void {
    let run: { readonly pack: PackInfo; readonly first: number; last: number } | undefined
    const fetchRun = (): void => {
      // A failure is met again, and reported, by the read that wants the window.
      for (const window of run ? this.#fetch(run.pack, run.first, run.last) : [])
        window.catch(() => undefined)
    }
    for (const { pack, start, end } of spans) {
      if (end - start > this.#size || end > pack.size) continue
      const last = Math.floor(Math.max(start, end - 1) / this.#size)
      for (let window = Math.floor(start / this.#size); window <= last; window++) {
        const gap = run?.pack.id === pack.id ? window - run.last : Infinity
        if (gap === 0) continue
        if (this.#windows.get(keyOf(pack.id, window)) !== undefined) continue
        if (run && gap === 1 && (window - run.first + 1) * this.#size <= MAX_RUN) run.last = window
        else {
          fetchRun()
          run = { pack, first: window, last: window }
        }
      }
    }
    fetchRun()
  }

  #window(pack: PackInfo, window: number): Promise<Uint8Array> {
    const known = this.#windows.get(keyOf(pack.id, window))
    return (
      known?.fetched ?? this.#fetch(pack, window, window)[0] ?? Promise.resolve(new Uint8Array(0))
    )
  }

  /** One request for the windows `first` to `last`, each kept for itself. */
  #fetch(pack: PackInfo, first: number, last: number): Promise<Uint8Array>[] {
    const start = first * this.#size
    const bytes = this.#place.readPack(pack.id, start, Math.min(pack.size, (last + 1) * this.#size))
    const isOne = first === last
    return Array.from({ length: last - first + 1 }, (_, i) => {
      const fetched = bytes.then(
        (all) => (window.bytes = isOne ? all : all.slice(i * this.#size, (i + 1) * this.#size)),
      )
      const window: Window = { fetched }
      const key = keyOf(pack.id, first + i)
      const length = Math.min(pack.size, (first + i + 1) * this.#size) - (first + i) * this.#size
      this.#windows.set(key, window, length)
      fetched.catch(() => this.#windows.delete(key))
      return fetched
    })
  }
}

function keyOf(pack: PackId, window: number): string {
  return `${pack} ${window}`
}

function exactly(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length === length) return bytes
  throw new MalformedError('a pack', `it ends early: found ${bytes.length} of ${length} bytes`)
}
