/**
 * Ending a conflict of a branch that was told as data, and looking for those of a merge that is not made.
 *
 * @module
 */
import { ArgumentError } from '../argument.ts'
import type { Resolution } from './conflict.ts'
import { Draft } from '../transaction/draft.ts'
import { TransactionError } from '../error.ts'
import type { CommitOutcome, ConflictOutcome } from '../transaction/land.ts'
import { mergeTrees, type MergedTrees, type Trees } from './merge.ts'
import type { Repository } from '../repository.ts'

/** See {@link Repository.resolve}. */
export async function resolveConflict(
  repository: Repository,
  name: string,
  outcome: ConflictOutcome,
  resolutions: ReadonlyMap<string, Resolution>,
): Promise<CommitOutcome> {
  if (!Array.isArray(outcome?.conflicts))
    throw new ArgumentError('outcome', outcome, 'the outcome with `state` "conflict"')
  if (!(resolutions instanceof Object && 'has' in resolutions))
    throw new ArgumentError('resolutions', resolutions, 'a Map of what to keep, by path')
  const open = outcome.conflicts.filter(({ path }) => !resolutions.has(path))
  if (open.length > 0) {
    const paths = open.map(({ path }) => path).join('", "')
    throw new TransactionError(
      'conflicts',
      `Cannot resolve: nothing was said of "${paths}"; say what to keep of them too`,
    )
  }
  const branch = repository.branch(name)
  const transaction = await branch.transaction()
  const merged = await transaction.merge(outcome.theirs)
  const left = merged.conflicts.filter(({ path }) => !resolutions.has(path))
  if (left.length > 0) {
    const ours = (await branch.oid()) ?? outcome.ours
    return { ...outcome, ours, conflicts: merged.conflicts, base: merged.base }
  }
  for (const { path } of merged.conflicts)
    await transaction.resolve(path, resolutions.get(path) ?? 'ours')
  return transaction.commit({ message: `Merge ${name}`, firstParent: outcome.theirs })
}

/** See {@link Repository.mergeTrees}. */
export function previewMerge({ store }: Repository, trees: Trees): Promise<MergedTrees> {
  if (!(trees instanceof Object))
    throw new ArgumentError('trees', trees, 'the trees `base`, `ours` and `theirs`')
  return mergeTrees(new Draft(store), trees)
}
