/**
 * PriorityQueue: gives back first what comes first, equals in the order in which they came.
 *
 * A sorted array: what waits in a walk over commits is a front of some dozens, up to as many as there are refs.
 *
 * @module
 */

/** A queue by priority. */
export class PriorityQueue<T> {
  /** The first in the queue is the last here. */
  readonly #items: T[] = []
  readonly #compare: (a: T, b: T) => number

  /** `compare` is negative when `a` comes before `b`. */
  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  /** What comes first, left where it is. */
  peek(): T | undefined {
    return this.#items.at(-1)
  }

  push(item: T): void {
    const items = this.#items
    let low = 0
    let high = items.length
    while (low < high) {
      const middle = (low + high) >> 1
      // Below the length, so something is there.
      if (this.#compare(items[middle] as T, item) > 0) low = middle + 1
      else high = middle
    }
    items.splice(low, 0, item)
  }

  pop(): T | undefined {
    return this.#items.pop()
  }
}
