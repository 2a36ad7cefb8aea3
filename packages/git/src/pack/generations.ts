/**
 * Generations: how long the longest way from a commit to a root is, counted in commits.
 *
 * @module
 */

/**
 * Generations of commits, in order of their rows: known ones are kept, others worked out where all parents have one, and
 * 0 where they do not.
 *
 * @param ordinals ordinal of each row, ascending
 * @param parents links of each row's parents
 * @param known what is known beforehand, 0 where nothing is
 */
export function generationsOf(
  ordinals: readonly number[],
  parents: readonly (readonly number[])[],
  known: readonly number[],
): Uint32Array<ArrayBuffer> {
  const rows = new Map(ordinals.map((ordinal, row) => [ordinal, row]))
  const generations = Uint32Array.from(known)
  const state = Uint8Array.from(known, (generation) => (generation > 0 ? DONE : NEW))
  for (let first = 0; first < ordinals.length; first++) {
    const stack = [first]
    while (stack.length > 0) {
      const row = stack.at(-1) ?? 0
      const above = (parents[row] ?? []).map((link) => rows.get(link))
      const waiting =
        state[row] === NEW
          ? above.filter((parent) => parent !== undefined && state[parent] === NEW)
          : []
      if (state[row] === NEW) state[row] = OPEN
      if (waiting.length > 0) {
        for (const parent of waiting) if (parent !== undefined) stack.push(parent)
        continue
      }
      stack.pop()
      if (state[row] === DONE) continue
      state[row] = DONE
      generations[row] = generationAbove(above, generations)
    }
  }
  return generations
}

const NEW = 0
const OPEN = 1
const DONE = 2

function generationAbove(
  parents: readonly (number | undefined)[],
  generations: Uint32Array,
): number {
  let highest = 0
  for (const parent of parents) {
    // A parent elsewhere, or one whose own parents are: nobody knows.
    const generation = parent === undefined ? 0 : (generations[parent] ?? 0)
    if (generation === 0) return 0
    highest = Math.max(highest, generation)
  }
  return highest + 1
}
