/**
 * Resolving: a merge commit that ends a conflict as a person decided. Loaded when wanted.
 *
 * @module
 */
import type { Resolution } from './conflict.ts'
import { TransactionError } from './error.ts'
import type { CommitOutcome, ConflictOutcome } from './land.ts'
import type { Repository } from './repository.ts'

/** What was in conflict, and what is to become of it. */
export interface Decision {
  readonly branch: string
  readonly outcome: ConflictOutcome
  /** By path; those of all conflicts of `outcome`. */
  readonly resolutions: ReadonlyMap<string, Resolution>
}

/** See {@link Repository.resolve}. */
export async function resolveConflict(
  repository: Repository,
  { branch, outcome, resolutions }: Decision,
): Promise<CommitOutcome> {
  const open = outcome.conflicts.filter(({ path }) => !resolutions.has(path))
  if (open.length > 0) {
    const paths = open.map(({ path }) => path).join('", "')
    throw new TransactionError('conflicts', `Cannot resolve: nothing was said of "${paths}"`)
  }
  const transaction = await repository.branch(branch).transaction()
  const merged = await transaction.merge(outcome.theirs)
  const left = merged.conflicts.filter(({ path }) => !resolutions.has(path))
  if (left.length > 0) {
    const ours = (await repository.branch(branch).oid()) ?? outcome.ours
    return { ...outcome, ours, conflicts: merged.conflicts, base: merged.base }
  }
  for (const { path } of merged.conflicts)
    await transaction.resolve(path, resolutions.get(path) ?? 'ours')
  return transaction.commit({ message: `Merge ${branch}`, firstParent: outcome.theirs })
}
