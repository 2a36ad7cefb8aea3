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
  known: readonly number[],
  ordinals: readonly number[],
  parents: readonly (readonly number[])[],
): Uint32Array<ArrayBuffer> {
  const rows = new Map(ordinals.map((ordinal, row) => [ordinal, row]))
  const generations = Uint32Array.from(known)
  // Set when a row is first looked at, so that a circle, which only a lie can make, is gone round once.
  const seen = Uint8Array.from(known, (generation) => (generation > 0 ? 1 : 0))
  for (const first of seen.keys()) {
    const stack = [first]
    for (let row = first; stack.length > 0; row = stack.at(-1) ?? 0) {
      const above = (parents[row] ?? []).map((link) => rows.get(link))
      const isNew = seen[row] === 0
      seen[row] = 1
      const waiting = above.filter((parent) => isNew && parent !== undefined && seen[parent] === 0)
      for (const parent of waiting) stack.push(parent ?? 0)
      if (waiting.length > 0) continue
      stack.pop()
      generations[row] ||= generationAbove(above, generations)
    }
  }
  return generations
}

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
