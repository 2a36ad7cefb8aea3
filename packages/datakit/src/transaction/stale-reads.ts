/**
 * Stale reads: what a transaction looked at and a branch has changed since.
 *
 * A path is looked up once more in what both sides came from and in the head of the branch. A directory counts with all
 * that is below it, since a listing names the oids of what it lists; a path where nothing is counts too. What was written
 * counts as read: that nothing changed by it, that it could be written, and what a driver made of both sides, rest on what was there. So
 * does what a merge or a revert in the transaction was about.
 *
 * @module
 */
import { isTreeMode } from '@datakit/git/tree'
import type { Oid } from '@datakit/git/oid'
import type { Conflict, Side } from '../merge/conflict.ts'
import { changedPaths } from '../history/diff.ts'
import type { History } from '../history/history.ts'
import type { MergedCommits } from '../merge/merge-commits.ts'
import type { ObjectSource } from '../files/object-source.ts'
import { splitPath } from '../files/path.ts'
import { findPath } from '../files/tree-reader.ts'
import { PathError } from '../error.ts'
import type { Work } from './transaction-work.ts'

/** The merge, with a conflict of kind `read` for every path that was read and has changed, unless it has one already. */
export async function addStaleReads(
  work: Pick<Work, 'draft' | 'reads' | 'taken'>,
  history: History,
  merge: MergedCommits,
): Promise<MergedCommits> {
  const { draft } = work
  const { ours, theirs } = merge
  // Of its parents, since the same commit may have been made by somebody else and be there already.
  const { parents } = await history.node(ours)
  const bases = parents.length === 0 ? [] : await history.mergeBases(parents, [theirs])
  const find = async (commit: Oid, path: string): Promise<Look> =>
    look(draft, (await history.node(commit)).tree, path)
  const known = new Set(merge.conflicts.map(({ path }) => path))
  const stale: Conflict[] = []
  for (const path of await allReads(work)) {
    if (known.has(path)) continue
    const theirLook = await find(theirs, path)
    const seen = await Promise.all(bases.map((base) => find(base, path)))
    const isFresh = ({ side, blocked }: Look): boolean =>
      blocked === theirLook.blocked &&
      side?.oid === theirLook.side?.oid &&
      side?.mode === theirLook.side?.mode
    // Without a common ancestor, nothing was there before.
    if (bases.length === 0 ? theirLook.side === undefined : seen.every(isFresh)) continue
    const { side } = await find(ours, path)
    stale.push({ path, kind: 'read', base: seen[0]?.side, ours: side, theirs: theirLook.side })
  }
  const conflicts = [...merge.conflicts, ...stale].toSorted((a, b) => (a.path < b.path ? -1 : 1))
  return { ...merge, conflicts }
}

/** The paths that the work rests on. One that no tree can hold was refused, and rests on nothing. */
async function allReads({
  draft,
  reads,
  taken,
}: Pick<Work, 'draft' | 'reads' | 'taken'>): Promise<Set<string>> {
  const all = new Set([...reads].filter((path) => isPossible(path)))
  for (const trees of taken) {
    const { base, theirs } = await trees()
    for await (const path of changedPaths(draft, [base, theirs])) all.add(path)
  }
  return all
}

function isPossible(path: string): boolean {
  try {
    splitPath(path)
    return true
  } catch (error) {
    if (error instanceof PathError) return false
    throw error
  }
}

/** What a look at a path finds. */
interface Look {
  readonly side: Side | undefined
  /** Whether a step on the way is no directory: then nothing can be written there either. */
  readonly blocked: boolean
}

async function look(source: ObjectSource, root: Oid, path: string): Promise<Look> {
  const side = await findPath(source, root, path)
  if (side !== undefined) return { side, blocked: false }
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
    const step = await findPath(source, root, path.slice(0, at))
    if (step === undefined || !isTreeMode(step.mode)) return { side, blocked: step !== undefined }
  }
  return { side, blocked: false }
}
