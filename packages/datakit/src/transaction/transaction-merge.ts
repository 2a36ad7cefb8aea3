/**
 * Merging into a transaction: commits that come in, commits that are taken back, and what that leaves to be decided.
 *
 * @module
 */
import { utf8 } from '@datakit/git/bytes'
import { messageText } from '@datakit/git/commit-message'
import type { Oid } from '@datakit/git/oid'
import { check, listOf, oneOf, type Rule } from '../argument.ts'
import type { Conflict, Resolution, Side } from '../merge/conflict.ts'
import { refuseCut } from '../remote/cut-history.ts'
import { mergeByKeys } from '../merge/explain.ts'
import { TransactionError } from '../error.ts'
import { notInConflict } from '../files/path-problems.ts'
import { History } from '../history/history.ts'
import { mergeCommits } from '../merge/merge-commits.ts'
import { mergeTrees, type Trees } from '../merge/merge.ts'
import { readCommit } from '../files/object-source.ts'
import { findTrees } from '../merge/merge-bases.ts'
import { checkWritable, content } from './refused.ts'
import { modeFrom, type Work } from './transaction-work.ts'

/** What a merge into a transaction left to be decided. */
export interface TransactionMerge {
  /** The best common ancestor of both. */
  readonly base: Oid | undefined
  readonly conflicts: readonly Conflict[]
}

/** How to take a commit back. */
export interface RevertOptions {
  /** Of a merge, the parent to go back to, counted from 1. */
  readonly mainline?: number | undefined
}

/** Names one more parent of the commit. @throws MissingError when there is no such commit */
export async function addParent({ draft, merged }: Work, oid: Oid): Promise<void> {
  await readCommit(draft, oid)
  merged.push(oid)
}

/**
 * Merges the commit `theirs` into the work, of which `ours` is the commit. One that is in it already changes nothing.
 *
 * @throws CutHistoryError when what both have in common may be where history is cut off
 */
export async function mergeInto(work: Work, ours: Oid, theirs: Oid): Promise<TransactionMerge> {
  const { draft, merged } = work
  const tools = { draft, history: new History(draft) }
  await refuseCut(draft, ours, theirs)
  const result = await mergeCommits(tools, ours, theirs)
  if (result.base !== theirs) {
    await take(work, result, () => findTrees(tools, result))
    merged.push(theirs)
  }
  return { base: result.base, conflicts: result.conflicts }
}

/** Merges the parent of a commit into the work, of which `tree` is the tree, with the commit itself for their base. */
export async function revertIn(
  work: Work,
  { tree, commit: oid, mainline }: { tree: Oid; commit: Oid } & RevertOptions,
): Promise<TransactionMerge & { readonly message: string }> {
  const { draft } = work
  const commit = await readCommit(draft, oid)
  const { parents } = commit
  const isMerge = parents.length > 1
  if (isMerge ? !parents[(mainline ?? 0) - 1] : (mainline ?? 1) !== 1) {
    throw new RangeError(
      `Cannot revert ${oid}: it has ${parents.length} parents; "mainline" must say which to go back to, from 1`,
    )
  }
  const parent = parents[(mainline ?? 1) - 1]
  const theirs = parent && (await readCommit(draft, parent)).tree
  const trees = { base: commit.tree, ours: tree, theirs }
  const result = await mergeTrees(draft, trees)
  await take(work, result, async () => trees)
  const [subject = ''] = messageText(commit).split('\n', 1)
  const since = isMerge ? `, reversing\nchanges made to ${parent}` : ''
  const message = `Revert "${subject}"\n\nThis reverts commit ${oid}${since}.\n`
  return { base: oid, conflicts: result.conflicts, message }
}

/** Says that paths are still in conflict. */
export function refuseOpen({ conflicts }: Work, what: string): never {
  const paths = [...conflicts.keys()].join('", "')
  throw new TransactionError(
    'conflicts',
    `Cannot ${what}: still in conflict are "${paths}"; resolve, write or remove them`,
  )
}

/** Settles one path in conflict. @throws PathError `not-found` when it is in none */
export async function resolveIn(work: Work, path: string, resolution: Resolution): Promise<void> {
  const conflict = work.conflicts.get(path)
  if (conflict === undefined) throw notInConflict(path)
  checkResolution(resolution)
  if (typeof resolution === 'object') {
    const given =
      'keys' in resolution
        ? { bytes: await mergeByKeys(work, conflict, resolution.keys) }
        : resolution
    const mode = given.mode ?? modeFrom(conflict.ours ?? conflict.theirs ?? conflict.base)
    const body = typeof given.bytes === 'string' ? utf8(given.bytes) : given.bytes
    checkWritable(body, mode)
    await place(work, path, { mode, oid: await work.draft.writeBlob(body) })
  } else await place(work, path, resolution === 'remove' ? undefined : conflict[resolution])
  work.conflicts.delete(path)
}

/** @throws ArgumentError */
function checkResolution(resolution: Resolution): void {
  if (typeof resolution !== 'object' || resolution === null) {
    check('resolution', resolution, oneOf('ours', 'theirs', 'base', 'remove'))
  } else if ('keys' in resolution) {
    check('keys', resolution.keys, listOf(decision))
  } else check('bytes', resolution.bytes, content)
}

const decision: Rule = {
  fits: (value) =>
    value instanceof Object && 'key' in value && Array.isArray(value.key) && 'keep' in value,
  wanted: 'the `key` of a value in conflict and what to `keep` of it',
}

/**
 * The parents of the commit that the work will be: the head of the branch comes first if it came in by a merge, and then
 * what it has is left out. `first` comes before all of them.
 */
export async function orderParents(
  { draft, start, merged }: Work,
  { head, first }: { readonly head: Oid | undefined; readonly first: Oid | undefined },
): Promise<readonly Oid[]> {
  const history = new History(draft)
  if (first !== undefined) await readCommit(draft, first)
  const isIn = async (commits: readonly Oid[]): Promise<boolean> =>
    head !== undefined && (await history.mergeBases([head], commits)).includes(head)
  const began = start.from ? [start.from.oid] : []
  const parents = new Set(first && [first])
  const front = !(await isIn(began)) && (await isIn(merged)) ? head : undefined
  if (front) parents.add(front)
  for (const oid of [...began, ...merged])
    if (!front || !(await history.isAncestor(oid, front))) parents.add(oid)
  return [...parents]
}

/** Goes on with what was merged: at a path in conflict, with one's own version. */
async function take(
  work: Work,
  merged: { readonly tree: Oid | undefined; readonly conflicts: readonly Conflict[] },
  trees: () => Promise<Trees>,
): Promise<void> {
  work.findTrees = trees
  work.taken.push(trees)
  work.tree.reset(merged.tree)
  for (const conflict of merged.conflicts) {
    work.conflicts.set(conflict.path, conflict)
    if (conflict.kind !== 'file/directory') await place(work, conflict.path, conflict.ours)
  }
}

async function place({ tree }: Work, path: string, side: Side | undefined): Promise<void> {
  if (side === undefined) await tree.remove(path)
  else await tree.set(path, side, { replace: true })
}
