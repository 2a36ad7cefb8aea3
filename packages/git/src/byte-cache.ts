/**
 * ByteCache: values that are kept as long as their bytes fit; the one that was not asked for longest goes first.
 *
 * @module
 */

/** A map bounded in bytes. */
export class ByteCache<Key, Value> {
  readonly #entries = new Map<Key, { readonly value: Value; readonly bytes: number }>()
  readonly #limit: number
  #held = 0

  /** Keeps at most `limit` bytes. */
  constructor(limit: number) {
    this.#limit = limit
  }

  get(key: Key): Value | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value
  }

  /** Keeps a value of `bytes` bytes, and lets go of others for it. One over half the limit is not kept at all. */
  set(key: Key, value: Value, bytes: number): void {
    this.delete(key)
    if (bytes * 2 > this.#limit) return
    this.#entries.set(key, { value, bytes })
    this.#held += bytes
    for (const oldest of this.#entries.keys()) {
      if (this.#held <= this.#limit) return
      this.delete(oldest)
    }
  }

  delete(key: Key): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#held -= entry.bytes
  }

  clear(): void {
    this.#entries.clear()
    this.#held = 0
  }
}
