/**
 * How many commits one side has that the other has not.
 *
 * @module
 */
import { PriorityQueue } from '@datakit/datakit/priority-queue'
import type { Oid } from '@datakit/git/oid'
import { Turns } from './turns.ts'

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

/** Commits that `ours` reach and `theirs` do not, up to {@link MOST}. Gives way to what else the thread has to do. */
export async function countAhead(
  read: (oid: Oid) => Promise<Knot>,
  ours: readonly Oid[],
  theirs: readonly Oid[],
): Promise<number> {
  const turns = new Turns()
  const isTheirs = new Map<Oid, boolean>()
  const queue = new PriorityQueue<Knot>(compareKnots)
  /** Those in the queue that are not known to be the server's. */
  const open = new Set<Oid>()
  const mark = async (oid: Oid, theirSide: boolean): Promise<void> => {
    const known = isTheirs.get(oid)
    isTheirs.set(oid, theirSide || known === true)
    if (theirSide) open.delete(oid)
    if (known !== undefined) return
    if (!theirSide) open.add(oid)
    await turns.give()
    queue.push(await read(oid))
  }
  for (const oid of theirs) await mark(oid, true)
  for (const oid of ours) await mark(oid, false)
  let count = 0
  while (count < MOST && open.size > 0) {
    const next = queue.pop()
    if (next === undefined) break
    const side = isTheirs.get(next.oid) === true
    if (open.delete(next.oid)) count++
    for (const parent of next.parents) await mark(parent, side)
  }
  return count
}

/** Descendants come before their ancestors, by generation where it is known and by date otherwise. */
function compareKnots(a: Knot, b: Knot): number {
  return a.generation === b.generation ? b.time - a.time : a.generation < b.generation ? 1 : -1
}
