/**
 * Stale reads: what a transaction looked at and a branch has changed since.
 *
 * A path is looked up once more in what both sides came from and in the head of the branch. A directory counts with all
 * that is below it, since a listing names the oids of what it lists; a path where nothing is counts too.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Conflict, Side } from '../merge/conflict.ts'
import type { History } from '../history/history.ts'
import type { MergedCommits } from '../merge/merge-commits.ts'
import type { ObjectSource } from '../files/object-source.ts'
import { findPath } from '../files/tree-reader.ts'

/** The merge, with a conflict of kind `read` for every path that was read and has changed, unless it has one already. */
export async function addStaleReads(
  tools: {
    readonly draft: ObjectSource
    readonly history: History
    readonly reads: Iterable<string>
  },
  merge: MergedCommits,
): Promise<MergedCommits> {
  const { draft, history, reads } = tools
  const { ours, theirs } = merge
  const bases = await history.mergeBases([ours], [theirs])
  const find = async (commit: Oid, path: string): Promise<Side | undefined> =>
    findPath(draft, (await history.node(commit)).tree, path)
  const known = new Set(merge.conflicts.map(({ path }) => path))
  const stale: Conflict[] = []
  for (const path of reads) {
    const theirSide = await find(theirs, path)
    const seen = await Promise.all(bases.map((base) => find(base, path)))
    const isFresh = (before: Side | undefined): boolean =>
      before?.oid === theirSide?.oid && before?.mode === theirSide?.mode
    // Without a common ancestor, nothing was there before.
    const isStale = bases.length === 0 ? theirSide !== undefined : !seen.every(isFresh)
    if (!isStale || known.has(path)) continue
    stale.push({
      path,
      kind: 'read',
      base: seen[0],
      ours: await find(ours, path),
      theirs: theirSide,
    })
  }
  const conflicts = [...merge.conflicts, ...stale].toSorted((a, b) => (a.path < b.path ? -1 : 1))
  return { ...merge, conflicts }
}
