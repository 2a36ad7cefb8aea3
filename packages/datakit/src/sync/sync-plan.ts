/**
 * What a sync has to do for one branch, from where it is here and where the server had it when we last looked.
 *
 * A merge of the two is a *candidate*, see `sync-merge.ts`: it belongs to nobody until the server has taken it. When the
 * server has moved on, it is dropped and made anew from one's own last commit, so that nobody merges other people's merges
 * for ever.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { Draft } from '../transaction/draft.ts'
import { History } from '../history/history.ts'
import { later } from '../loading.ts'
import type { ConflictOutcome } from '../transaction/land.ts'
import type { Repository } from '../repository.ts'

/** Where one branch is. */
export interface BranchPosition {
  readonly branch: string
  /** Here. */
  readonly own: Oid
  /** On the server, when we last looked. */
  readonly theirs: Oid | undefined
  /** Where the server had it before, as long as the local branch is not in step. */
  readonly dropped?: readonly Oid[] | undefined
}

/** What is to be done for it. */
export type Step =
  /** The server has more: the local branch follows. */
  | { readonly kind: 'follow'; readonly to: Oid }
  /** Something here is not on the server: a commit, or the merge of both sides. */
  | { readonly kind: 'send'; readonly to: Oid; readonly merge: Draft | undefined }
  | StuckStep

/**
 * Both sides changed the same; or what was left with the server is needed to merge them, and cannot be had. Or nothing is in
 * common; or the server took back what is in the local branch, beside commits that it never had.
 */
export interface StuckStep {
  readonly kind: 'stuck'
  readonly outcome:
    | ConflictOutcome
    | { readonly state: 'refused'; readonly reason: string }
    | { readonly state: 'unrelated' | 'rewritten'; readonly ours: Oid; readonly theirs: Oid }
}

/** Finds out what to do. Stores nothing. */
export async function planStep(repository: Repository, position: BranchPosition): Promise<Step> {
  const { own, theirs, dropped = [] } = position
  if (theirs === undefined) return { kind: 'send', to: own, merge: undefined }
  const draft = new Draft(repository.store)
  const history = new History(draft)
  const bases = await history.mergeBases([own], [theirs])
  if (bases.includes(own)) return { kind: 'follow', to: theirs }
  if (dropped.length === 0 && bases.includes(theirs))
    return { kind: 'send', to: own, merge: undefined }
  return (await later()).planDiverged({ draft, history, bases }, { own, theirs, dropped })
}
