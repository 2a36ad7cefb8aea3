/**
 * How many commits one side has that the other has not.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'

/** A commit as far as the count needs it. */
export interface Knot {
  readonly oid: Oid
  readonly parents: readonly Oid[]
  /** Seconds since 1970. */
  readonly time: number
  /** One more than the highest of the parents; `Infinity` where nobody worked it out. */
  readonly generation: number
}

/** Counts beyond this are not told apart. */
export const MOST = 1000

/** Commits that `ours` reach and `theirs` do not, up to {@link MOST}. */
export async function countAhead(
  read: (oid: Oid) => Promise<Knot>,
  ours: readonly Oid[],
  theirs: readonly Oid[],
): Promise<number> {
  const isTheirs = new Map<Oid, boolean>()
  const queue: Knot[] = []
  const mark = async (oid: Oid, theirSide: boolean): Promise<void> => {
    const known = isTheirs.get(oid)
    if (known === undefined) queue.push(await read(oid))
    isTheirs.set(oid, theirSide || known === true)
  }
  for (const oid of theirs) await mark(oid, true)
  for (const oid of ours) await mark(oid, false)
  let count = 0
  while (count < MOST && queue.some(({ oid }) => isTheirs.get(oid) === false)) {
    const next = takeNewest(queue)
    if (next === undefined) break
    const side = isTheirs.get(next.oid) === true
    if (!side) count++
    for (const parent of next.parents) await mark(parent, side)
  }
  return count
}

/** Descendants come before their ancestors, by generation where it is known and by date otherwise. */
function takeNewest(queue: Knot[]): Knot | undefined {
  let best = 0
  for (const [i, knot] of queue.entries()) {
    const other = queue[best]
    if (other !== undefined && isNewer(knot, other)) best = i
  }
  return queue.splice(best, 1)[0]
}

function isNewer(a: Knot, b: Knot): boolean {
  return a.generation === b.generation ? a.time > b.time : a.generation > b.generation
}
