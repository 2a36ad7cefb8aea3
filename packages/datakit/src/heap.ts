/**
 * Heap: gives back first what comes first, equals in the order in which they came.
 *
 * @module
 */

/** A queue by priority. */
export class Heap<T> {
  readonly #items: { readonly item: T; readonly turn: number }[] = []
  readonly #compare: (a: T, b: T) => number
  #turns = 0

  /** `compare` is negative when `a` comes before `b`. */
  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  get size(): number {
    return this.#items.length
  }

  /** What comes first, left where it is. */
  peek(): T | undefined {
    return this.#items[0]?.item
  }

  push(item: T): void {
    const items = this.#items
    const added = { item, turn: this.#turns++ }
    let i = items.length
    items.push(added)
    while (i > 0) {
      const up = (i - 1) >> 1
      const parent = items[up]
      if (parent === undefined || this.#order(parent, added) <= 0) break
      items[i] = parent
      i = up
    }
    items[i] = added
  }

  pop(): T | undefined {
    const items = this.#items
    const first = items[0]
    const last = items.pop()
    if (first === undefined || last === undefined) return undefined
    if (items.length > 0) this.#sink(last)
    return first.item
  }

  #sink(moved: { readonly item: T; readonly turn: number }): void {
    const items = this.#items
    let i = 0
    for (;;) {
      let next = 2 * i + 1
      let child = items[next]
      const right = items[next + 1]
      if (child === undefined) break
      if (right !== undefined && this.#order(right, child) < 0) {
        child = right
        next++
      }
      if (this.#order(moved, child) <= 0) break
      items[i] = child
      i = next
    }
    items[i] = moved
  }

  #order(
    a: { readonly item: T; readonly turn: number },
    b: { readonly item: T; readonly turn: number },
  ): number {
    return this.#compare(a.item, b.item) || a.turn - b.turn
  }
}
