/**
 * A merge that `datakit pull` or `datakit sync` could not make, made again from what is here: where both sides are was written
 * down by the last fetch.
 *
 * @module
 */
import type { Conflict } from '@datakit/datakit/conflict'
import type { Repository } from '@datakit/datakit/repository'
import { readKnown } from '@datakit/datakit/sync-refs'
import type { Transaction } from '@datakit/datakit/transaction'
import type { Oid } from '@datakit/git/oid'
import { openBare } from './clone-directory.ts'
import { CommandError, EXIT } from './command.ts'

/** Which merge. */
export interface MergeNames {
  readonly folder: string
  readonly remote: string
  /** The remote's branch; that of `into` when left out. */
  readonly from: string | undefined
  /** The branch here; `from` when left out, or that of HEAD. */
  readonly into: string | undefined
}

/** A merge with what cannot be decided in it. */
export interface OpenMerge {
  readonly repository: Repository
  /** The branch here. */
  readonly branch: string
  readonly ours: Oid
  readonly theirs: Oid
  /** Has the remote's branch merged in, and is not committed. */
  readonly transaction: Transaction
  readonly conflicts: readonly Conflict[]
  /** Whether the remote is the DataKit server that the clone syncs with, whose head comes first in merges. */
  readonly isSynced: boolean
}

/** Options of the commands that look at a merge. */
export const MERGE_OPTIONS = {
  directory: { type: 'string', short: 'C', default: '.' },
  into: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

/** The names of a merge as arguments give them. */
export function mergeNames(
  positionals: readonly string[],
  { directory, into }: { readonly directory: string; readonly into?: string | undefined },
): MergeNames {
  if (positionals.length > 2) throw new CommandError('Expected REMOTE and BRANCH', EXIT.usage)
  const [remote = 'origin', from] = positionals
  return { folder: directory, remote, from, into }
}

/** Runs `use` on the merge, and lets go of it. @throws CommandError when a side is not there */
export async function withOpenMerge<Result>(
  names: MergeNames,
  use: (merge: OpenMerge) => Promise<Result>,
): Promise<Result> {
  const repository = await openBare(names.folder)
  try {
    const head = await repository.head()
    const current = 'ref' in head ? head.ref.replace('refs/heads/', '') : undefined
    const branch = names.into ?? names.from ?? current
    if (branch === undefined)
      throw new CommandError('HEAD is on no branch: name the one to look at', EXIT.usage)
    const state = await repository.store.state()
    const tracked = `refs/remotes/${names.remote}/${names.from ?? branch}`
    const theirs = await state.ref(tracked)
    if (theirs === undefined)
      throw new CommandError(
        `There is no "${tracked}": "datakit fetch ${names.remote}" takes what the remote has`,
        EXIT.notFound,
      )
    const ours = await repository.branch(branch).oid()
    if (ours === undefined)
      throw new CommandError(
        `There is no branch "${branch}" here: "datakit pull" makes it`,
        EXIT.notFound,
      )
    const transaction = await repository.branch(branch).transaction()
    const { conflicts } = await transaction.merge(theirs)
    const known = await readKnown(state)
    const isSynced = names.remote === 'origin' && known.repository !== undefined
    return await use({ repository, branch, ours, theirs, transaction, conflicts, isSynced })
  } finally {
    await repository.close()
  }
}
