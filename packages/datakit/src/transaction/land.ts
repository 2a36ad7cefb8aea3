/**
 * Landing a commit: moving a branch to it, or to a merge of it with what the branch has got meanwhile.
 *
 * The branch's head is always the first parent of the merge, so that `git log --first-parent` is the story of the branch.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Conflict } from '../merge/conflict.ts'
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

/** Moves the ref to the commit, by a merge if it must be. */
export async function landCommit(store: Store, landing: Landing): Promise<CommitOutcome> {
  const { head, own, draft } = landing
  const links = await draft.links(own)
  const isNext = head === undefined || (links?.kind === 'commit' && links.parents.includes(head))
  if (isNext && (await moveRef(store, landing, { to: own, why: 'commit' })))
    return { state: 'committed', oid: own, how: 'fast-forward' }
  return (await later()).landAgain(store, landing, isNext)
}

/** Where the ref goes, and what the log says of it in front of the message. */
export interface Move {
  readonly to: Oid
  readonly why: 'commit' | 'merge'
}

/** Stores the commit and moves the ref to it. False when the ref has moved meanwhile, or packs were taken away. */
export async function moveRef(
  store: Store,
  { ref, head, draft, options }: Landing,
  { to, why }: Move,
): Promise<boolean> {
  const stage = await draft.stage([to])
  const [subject] = options.message.split('\n', 1)
  const outcome = await publish(store.place, {
    refs: [{ name: ref, from: head, to }],
    addPacks: stage && [stage.staged],
    reliesOn: stage?.needs,
    log: { who: store.who(), why: `${why}: ${subject}` },
  })
  if (outcome.state === 'lost') return false
  store.remember(stage?.objects ?? [])
  return true
}
