/**
 * Explaining a conflict of a file: what its driver makes of it, made again from what the conflict names.
 *
 * Conflicts name versions and hold no contents, so that they can be kept, sent, and shown one at a time.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { DecideKey, MarkerOptions, MergeOutcome } from '@datakit/merge/driver'
import { ArgumentError } from '../argument.ts'
import type { Conflict, KeyDecision } from './conflict.ts'
import { Draft } from '../transaction/draft.ts'
import { TransactionError } from '../error.ts'
import { notInConflict } from '../files/path-problems.ts'
import { History } from '../history/history.ts'
import { findTrees } from './merge-bases.ts'
import type { ContentMerge, Trees } from './merge.ts'
import { isRegular } from './mode.ts'
import type { Store } from '../store.ts'
import type { Work } from '../transaction/transaction-work.ts'

/** See {@link Repository.explain}. */
export async function explainConflict(
  store: Store,
  commits: { readonly ours: Oid; readonly theirs: Oid },
  conflict: Conflict,
  markers?: MarkerOptions,
): Promise<MergeOutcome | undefined> {
  if (!(commits instanceof Object))
    throw new ArgumentError('outcome', commits, 'the outcome with `state` "conflict"')
  if (!(conflict instanceof Object) || typeof conflict.path !== 'string')
    throw new ArgumentError('conflict', conflict, 'one of the conflicts of the outcome')
  const draft = new Draft(store)
  // What several bases are merged to is nowhere stored, so it is made again.
  const trees = await findTrees({ draft, history: new History(draft) }, commits)
  return explain(draft, trees, conflict, { markers })
}

/** See {@link Transaction.explain}. */
export async function explainIn(
  work: Work,
  path: string,
  markers?: MarkerOptions,
): Promise<MergeOutcome | undefined> {
  const conflict = work.conflicts.get(path)
  if (conflict === undefined || work.findTrees === undefined) throw notInConflict(path)
  return explain(work.draft, await work.findTrees(), conflict, { markers })
}

/**
 * A file in conflict, merged as it was decided key by key.
 *
 * @throws TransactionError `conflicts` when it is not merged by key, or values stay in conflict
 */
export async function mergeByKeys(
  work: Work,
  conflict: Conflict,
  keys: readonly KeyDecision[],
): Promise<Uint8Array> {
  const decisions = new Map(keys.map(({ key, keep }) => [JSON.stringify(key), keep]))
  const decide: DecideKey = ({ key }) => decisions.get(JSON.stringify(key))
  const trees = await work.findTrees?.()
  const outcome = trees && (await explain(work.draft, trees, conflict, { decide }))
  if (outcome?.state === 'merged') return outcome.bytes
  const open = outcome?.keys?.map(({ key }) => JSON.stringify(key)).join(', ')
  const why =
    open === undefined
      ? `${outcome?.reason ?? 'it is not merged by key'}; keep a side, or give its bytes`
      : `nothing that holds was said of ${open}; say what to keep of them too`
  throw new TransactionError('conflicts', `Cannot resolve "${conflict.path}" by keys: ${why}`)
}

async function explain(
  draft: Draft,
  trees: Trees,
  { path, base, ours, theirs }: Conflict,
  how: Pick<ContentMerge, 'markers' | 'decide'>,
): Promise<MergeOutcome | undefined> {
  if (!ours || !theirs || !isRegular(ours) || !isRegular(theirs)) return undefined
  return draft.mergeContent?.({
    path,
    base,
    ours,
    theirs,
    within: { trees, draft, virtual: undefined },
    ...how,
  })
}
