/**
 * Landing a commit: moving a branch to it, or to a merge of it with what the branch has got meanwhile.
 *
 * The branch's head is always the first parent of the merge, so that `git log --first-parent` is the story of the branch.
 *
 * @module
 */
import { UnavailableError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { Conflict } from '../merge/conflict.ts'
import { History } from '../history/history.ts'
import { later } from '../loading.ts'
import type { Person, Store } from '../store.ts'
import type { Work } from './transaction-work.ts'
import { publish } from './update.ts'

/** What a commit says besides its files. */
export interface CommitOptions {
  /** Ends with a line end, which is added when it is missing. */
  readonly message: string
  /** The identity of the repository when left out. */
  readonly author?: Person | undefined
  /** The identity of the repository when left out. */
  readonly committer?: Person | undefined
  /** Makes no commit when no file differs. */
  readonly skipEmpty?: boolean | undefined
  /** Makes no merge: when the branch has got commits that the transaction does not have, it is `not-fast-forward`. */
  readonly fastForwardOnly?: boolean | undefined
  /**
   * Whether the outcome must be one that transactions could have had one after the other: what the transaction looked at may
   * not have changed on the branch meanwhile. Where it has, that is a conflict of kind `read`, whatever was written.
   *
   * Everything that it did is a look: reads of files, modes and listings, also where nothing was; `diff` with a commit (at
   * everything); a write, a move, a removal (at what was there); a merge or a revert (at what the commit changes).
   */
  readonly serializable?: boolean | undefined
  /** How often to try again when the branch moves while the commit is on its way; 63 when left out. */
  readonly retries?: number | undefined
  /** Which of the parents comes first where it is not the branch's head: the server's, after a sync. */
  readonly firstParent?: Oid | undefined
}

/** How a commit ended. */
export type CommitOutcome =
  | {
      readonly state: 'committed'
      /** Where the branch is now. */
      readonly oid: Oid
      readonly how: 'fast-forward' | 'merge'
    }
  /** Nothing differed, and an empty commit was not wanted. */
  | { readonly state: 'unchanged'; readonly oid: Oid }
  /** The branch is at `head`, which would have to be merged, and that was not wanted. Nothing was changed. */
  | { readonly state: 'not-fast-forward'; readonly head: Oid }
  | ConflictOutcome

/** Nothing was changed, because of what the branch has got meanwhile. */
export interface ConflictOutcome {
  readonly state: 'conflict'
  readonly conflicts: readonly Conflict[]
  /** The commit that was to be made, or the local branch in a sync. A transaction's commit is not stored. */
  readonly ours: Oid
  /** Where the branch is, or the server's. */
  readonly theirs: Oid
  /** Their best common ancestor; `undefined` for unrelated histories. */
  readonly base: Oid | undefined
}

/** A commit on its way. */
export interface Landing extends Pick<Work, 'draft' | 'reads' | 'taken'> {
  /** Full name of the ref. */
  readonly ref: string
  /** Where it is, as far as anybody looked; `undefined` when there is none. */
  readonly head: Oid | undefined
  /** The commit, in the draft. */
  readonly own: Oid
  readonly options: CommitOptions
}

/** How often we try again, when nobody says, before we give up on a branch that moves under us. */
const RETRIES = 63

/** Moves the ref to the commit, by a merge if it must be. */
export async function landCommit(store: Store, landing: Landing): Promise<CommitOutcome> {
  const { ref, own, draft, options } = landing
  const why = options.message.split('\n', 1)[0] ?? ''
  const { retries = RETRIES } = options
  let { head } = landing
  for (let round = 0; round <= retries; round++) {
    const merged = await mergeHead(landing, head)
    if ('state' in merged) return merged
    const how = merged.oid === own ? 'fast-forward' : 'merge'
    if (merged.oid === head) return { state: 'committed', oid: own, how: 'fast-forward' }
    const stage = await draft.stage([merged.oid])
    const outcome = await publish(store.place, {
      refs: [{ name: ref, from: head, to: merged.oid }],
      addPacks: stage && [stage.staged],
      reliesOn: stage?.needs,
      log: { who: store.who(), why: `${how === 'merge' ? 'merge' : 'commit'}: ${why}` },
    })
    if (outcome.state === 'lost') {
      head = await (await store.state()).ref(ref)
      continue
    }
    store.remember(stage?.objects ?? [])
    return { state: 'committed', oid: merged.oid, how }
  }
  throw new UnavailableError(
    `Cannot commit to "${ref}": it moved ${retries + 1} times; try again later`,
  )
}

/** A commit that the ref can be moved to, or why there is none. */
export type Merged = { readonly oid: Oid } | Exclude<CommitOutcome, { readonly oid: Oid }>

/** The commit that the ref can be moved to from `head`. */
async function mergeHead(landing: Landing, head: Oid | undefined): Promise<Merged> {
  const { own, draft, options } = landing
  if (head === undefined) return { oid: own }
  const history = new History(draft)
  // Somebody who saw the same and did the same in the same second has made the very commit: one of the two came first.
  const isTwin = head === own && options.serializable === true
  if (!isTwin && (await history.isAncestor(head, own))) return { oid: own }
  return (await later()).mergeLanding(landing, history, head)
}
