/**
 * Leftovers: what was written along with roots that were not stored, as far as anybody can tell.
 *
 * An answer that says that a root was not stored may be of a second try: a layer between us and the bucket lost the first
 * answer and asked again. So nothing is deleted before another root of the same epoch has been seen, since of all roots
 * with one epoch only one is ever stored. What cannot be told by then is an orphan, or named after all, and left to the
 * sweep.
 *
 * @module
 */
import { deleteAll } from './bucket.ts'
import { namedBy } from './names.ts'
import type { Root } from './root.ts'
import type { Store } from './store.ts'

/** What one update has written for nothing, perhaps. */
export class Leftovers {
  readonly #store: Store
  #tries: { readonly root: Root; readonly keys: readonly string[] }[] = []

  constructor(store: Store) {
    this.#store = store
  }

  /** Takes note of the keys that were written for a root of which nobody knows that it was stored. */
  add(root: Root, keys: readonly string[]): void {
    if (keys.length > 0) this.#tries.push({ root, keys })
  }

  /** Deletes what a root that is or was stored proves to be of no use. Failing to is no error. */
  async settle(stored: Root): Promise<void> {
    if (this.#tries.length === 0) return
    const rivals = this.#tries.filter(({ root }) => isRival(root, stored))
    this.#tries = this.#tries.filter(({ root }) => root.epoch > stored.epoch)
    const named = new Set(namedBy(stored))
    const keys = rivals.flatMap((one) => one.keys).filter((key) => !named.has(key))
    await deleteAll(this.#store.bucket, keys).catch(() => undefined)
  }
}

/** A first root has an id of its own that is the repository's from then on, so another first root is a rival too. */
function isRival(root: Root, stored: Root): boolean {
  if (root.epoch !== stored.epoch) return false
  return root.repository === stored.repository || root.epoch === 1
}
