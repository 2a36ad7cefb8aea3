/**
 * CommitQueue: commits, the newest first: by generation where it is known, those without one before all others, by time.
 *
 * Clocks decide only between commits whose generation nobody knows.
 *
 * @module
 */
import type { Node } from './graph.ts'

interface Entry {
  readonly node: Node
  readonly generation: number
  readonly time: number
}

/** A heap of commits. */
export class CommitQueue {
  readonly #heap: Entry[] = []

  /** Puts a commit in; `generation` 0 where it is not known. */
  add(
    node: Node,
    { generation, time }: { readonly generation: number; readonly time: number },
  ): void {
    const heap = this.#heap
    const entry = { node, generation: generation === 0 ? Infinity : generation, time }
    let i = heap.push(entry) - 1
    for (let up = (i - 1) >> 1; i > 0; i = up, up = (i - 1) >> 1) {
      const above = heap[up]
      if (above === undefined || !isNewer(entry, above)) break
      heap[i] = above
      heap[up] = entry
    }
  }

  /** Takes the newest out. */
  take(): Node | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first?.node
    let i = 0
    for (;;) {
      const [left, right] = [heap[2 * i + 1], heap[2 * i + 2]]
      if (left === undefined) break
      const isRight = right !== undefined && isNewer(right, left)
      const child = isRight ? right : left
      if (!isNewer(child, last)) break
      heap[i] = child
      i = 2 * i + (isRight ? 2 : 1)
    }
    heap[i] = last
    return first.node
  }
}

function isNewer(a: Entry, b: Entry): boolean {
  return a.generation === b.generation ? a.time > b.time : a.generation > b.generation
}
