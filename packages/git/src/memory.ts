/**
 * Memory of large arrays, which is given back by hand.
 *
 * @module
 */

/** Memory behind an array. */
interface Memory {
  readonly buffer: ArrayBuffer
}

/** A larger array that begins as `from` does: `to`, which was empty. `from` is released. */
export function enlarge<Column extends Memory & { set(from: Column): void }>(
  from: Column,
  to: Column,
): Column {
  to.set(from)
  release(from)
  return to
}

/**
 * Gives the memory of arrays back now: a collector lets it lie around until there is more than a Worker has. The arrays are
 * empty afterwards, and so is every view of them. Nothing happens in runtimes that cannot do it (Node 20).
 */
export function release(...arrays: readonly Memory[]): void {
  for (const { buffer } of arrays) if (buffer.byteLength > 0) buffer.transfer?.(0)
}
