/**
 * Branch: a name that moves from commit to commit.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { LogEntry } from '@datakit/git/place'
import { isBranchName } from '@datakit/git/ref-name'
import type { CommitOptions, CommitOutcome } from '../transaction/land.ts'
import { later } from '../loading.ts'
import { Snapshot } from '../files/snapshot.ts'
import type { Store } from '../store.ts'
import { Transaction } from '../transaction/transaction.ts'

/** How a fast-forward ended. */
export type FastForwardOutcome =
  | { readonly state: 'done'; readonly oid: Oid }
  /** The branch was there already. */
  | { readonly state: 'unchanged'; readonly oid: Oid }
  /** The branch has commits that the wanted one does not have. */
  | { readonly state: 'not-fast-forward'; readonly head: Oid }

/** A branch, whether it has commits or not. Its first commit makes it. */
export class Branch {
  /** What the parts of the repository share; for the other modules of this package. */
  readonly store: Store
  /** As in `main`. */
  readonly name: string
  /** As in `refs/heads/main`. */
  readonly ref: string

  /** @throws RangeError when Git does not take the name for a branch */
  constructor(store: Store, name: string) {
    if (typeof name !== 'string' || !isBranchName(name))
      throw new RangeError(`Not a branch name by git check-ref-format: "${name}"; take another`)
    this.store = store
    this.name = name
    this.ref = `refs/heads/${name}`
  }

  /** Where the branch is; `undefined` when it has no commit. */
  async oid(): Promise<Oid | undefined> {
    return (await this.store.state()).ref(this.ref)
  }

  /** The newest commit; `undefined` when there is none. */
  async head(): Promise<Snapshot | undefined> {
    const oid = await this.oid()
    return oid && Snapshot.read(this.store, oid)
  }

  /** Begins changes to the head, or to any other commit. @throws MissingError when there is no such commit */
  async transaction(start?: Snapshot | Oid): Promise<Transaction> {
    const { store, ref } = this
    const isRead = start === undefined || start instanceof Snapshot
    const from = isRead ? (start ?? (await this.head())) : await Snapshot.read(store, start)
    return new Transaction(store, { ref, from })
  }

  /** Runs `change` on a fresh transaction and commits it. When `change` throws, nothing has happened. */
  async commit(
    change: (transaction: Transaction) => Promise<void> | void,
    options: CommitOptions,
  ): Promise<CommitOutcome> {
    if (typeof change !== 'function') (await later()).refuseChange(change)
    const transaction = await this.transaction()
    try {
      await change(transaction)
      return await transaction.commit(options)
    } finally {
      transaction.abort()
    }
  }

  /** Merges a commit into the branch: a fast-forward where that is possible, else a merge commit, or conflicts. */
  async merge(theirs: Oid, options: Partial<CommitOptions> = {}): Promise<CommitOutcome> {
    return (await later()).mergeBranch(this, theirs, options)
  }

  /** Moves the branch to a commit that has all that it has. */
  async fastForward(oid: Oid): Promise<FastForwardOutcome> {
    return (await later()).fastForward(this, oid)
  }

  /** Makes the branch, at a commit. False when it is there already. @throws MissingError when there is no such commit */
  async create(at: Oid): Promise<boolean> {
    return this.compareAndSet(undefined, at)
  }

  /** Makes another branch where this one is. @throws BranchError `exists`; `gone` when this one has no commit */
  async fork(name: string): Promise<Branch> {
    const fork = new Branch(this.store, name)
    await (await later()).forkBranch(this, fork)
    return fork
  }

  /** Takes the branch away. False when there is none, or it is not at `expected`, or moved at the same time. */
  async delete(expected?: Oid): Promise<boolean> {
    const head = expected ?? (await this.oid())
    return head !== undefined && this.compareAndSet(head, undefined)
  }

  /**
   * Gives the branch another name, in one update: HEAD follows, and {@link reflog} of the new name goes on with what this
   * one's said.
   *
   * @throws BranchError `exists` when there is a branch of that name, unless it is to be replaced; `gone` when there is
   *   none of this one
   */
  async rename(name: string, options: { readonly replace?: boolean } = {}): Promise<Branch> {
    const renamed = new Branch(this.store, name)
    await (await later()).renameBranch(this, renamed, options.replace)
    return renamed
  }

  /** Moves the branch from one commit to another; `undefined` stands for no branch. False when it is not there. */
  async compareAndSet(from: Oid | undefined, to: Oid | undefined): Promise<boolean> {
    return (await later()).compareAndSet(this, from, to)
  }

  /** Moves the branch to a commit, whatever it has: what is dropped stays in the {@link reflog}. Gives where it was. */
  async reset(to: Oid): Promise<Oid | undefined> {
    return (await later()).resetBranch(this, to)
  }

  /** Every move of the branch, newest first; see `reflog.ts`. */
  async *reflog(): AsyncGenerator<LogEntry, void, undefined> {
    yield* (await later()).readReflog(this.store.place, this.ref)
  }

  /** The head and each newer one; see `watch.ts` for what may be skipped. */
  async *watch(
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<Snapshot | undefined, void, undefined> {
    const { watchPlace } = await later()
    yield* watchPlace(this.store.place, () => this.head(), {
      isEqual: (a, b) => a?.oid === b?.oid,
      signal: options.signal,
    })
  }
}
