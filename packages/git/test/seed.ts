/**
 * Random tests that can be run again: the seed is printed, and `SEED` in the environment repeats a run.
 *
 * @module
 */

/** The seed of this run. */
export const seed = Number(process.env['SEED'] ?? Date.now() % 0x7fffffff)

/** Parameters of a property: the seed, printed, and how many cases. */
export function cases(numRuns: number): { seed: number; numRuns: number } {
  console.log(`SEED=${seed}, ${numRuns} cases`)
  return { seed, numRuns }
}

/** Numbers from 0 up to 1 that follow from the seed. */
export function random(from = seed): () => number {
  let state = from >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
