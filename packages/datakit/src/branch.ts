/**
 * Branch: a name that moves from commit to commit.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { isBranchName } from '@datakit/git/ref-name'
import { History } from './history.ts'
import type { CommitOptions, CommitOutcome } from './land.ts'
import type { MergeContent } from './merge.ts'
import { Snapshot } from './snapshot.ts'
import type { Store } from './store.ts'
import { Transaction } from './transaction.ts'
import { publish } from './update.ts'

/** How a fast-forward ended. */
export type FastForwardOutcome =
  | { readonly state: 'done'; readonly oid: Oid }
  /** The branch was there already. */
  | { readonly state: 'unchanged'; readonly oid: Oid }
  /** The branch has commits that the wanted one does not have. */
  | { readonly state: 'not-fast-forward'; readonly head: Oid }

/** A branch, whether it has commits or not. Its first commit makes it. */
export class Branch {
  readonly #store: Store
  readonly #mergeContent: MergeContent | undefined
  /** As in `main`. */
  readonly name: string
  /** As in `refs/heads/main`. */
  readonly ref: string

  /** @throws RangeError when Git does not take the name for a branch */
  constructor(store: Store, name: string, mergeContent?: MergeContent) {
    if (!isBranchName(name)) throw new RangeError(`Not a name for a branch: "${name}"`)
    this.#store = store
    this.#mergeContent = mergeContent
    this.name = name
    this.ref = `refs/heads/${name}`
  }

  /** Where the branch is; `undefined` when it has no commit. */
  async oid(): Promise<Oid | undefined> {
    return (await this.#store.state()).ref(this.ref)
  }

  /** The newest commit; `undefined` when there is none. */
  async head(): Promise<Snapshot | undefined> {
    const oid = await this.oid()
    return oid && Snapshot.read(this.#store, oid)
  }

  /** Begins changes to the head, or to another snapshot. */
  async transaction(from?: Snapshot): Promise<Transaction> {
    const start = from ?? (await this.head())
    return new Transaction(this.#store, {
      ref: this.ref,
      from: start,
      mergeContent: this.#mergeContent,
    })
  }

  /** Runs `change` on a fresh transaction and commits it. When `change` throws, nothing has happened. */
  async commit(
    change: (transaction: Transaction) => Promise<void> | void,
    options: CommitOptions,
  ): Promise<CommitOutcome> {
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
    const forward = await this.fastForward(theirs)
    if (forward.state !== 'not-fast-forward')
      return { state: 'committed', oid: theirs, how: 'fast-forward' }
    const history = new History(this.#store)
    if (await history.isAncestor(theirs, forward.head))
      return { state: 'unchanged', oid: forward.head }
    const transaction = await this.transaction()
    const { conflicts, base } = await transaction.merge(theirs)
    if (conflicts.length > 0)
      return { state: 'conflict', conflicts, ours: forward.head, theirs, base }
    return transaction.commit({ message: `Merge ${theirs} into ${this.name}`, ...options })
  }

  /** Moves the branch to a commit that has all that it has. */
  async fastForward(oid: Oid): Promise<FastForwardOutcome> {
    for (;;) {
      const head = await this.oid()
      if (head === oid) return { state: 'unchanged', oid }
      if (head !== undefined && !(await new History(this.#store).isAncestor(head, oid))) {
        return { state: 'not-fast-forward', head }
      }
      // Reading it shows that it is a commit, and here.
      await Snapshot.read(this.#store, oid)
      if (await this.#move(head, oid, 'fast-forward')) return { state: 'done', oid }
    }
  }

  /** Makes the branch, at a commit. False when it is there already. */
  async create(at: Oid): Promise<boolean> {
    await Snapshot.read(this.#store, at)
    return this.#move(undefined, at, 'branch: created')
  }

  /** Takes the branch away. False when there is none, or it moved at the same time. */
  async delete(): Promise<boolean> {
    const head = await this.oid()
    return head !== undefined && this.#move(head, undefined, 'branch: deleted')
  }

  /** The head and each newer one; see `watch.ts` for what may be skipped. */
  async *watch(
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<Snapshot | undefined, void, undefined> {
    const { watchPlace } = await import('./watch.ts')
    yield* watchPlace(this.#store.place, () => this.head(), {
      isEqual: (a, b) => a?.oid === b?.oid,
      signal: options.signal,
    })
  }

  async #move(from: Oid | undefined, to: Oid | undefined, why: string): Promise<boolean> {
    const refs = [{ name: this.ref, from, to }]
    const outcome = await publish(this.#store.place, { refs, log: { who: this.#store.who(), why } })
    return outcome.state === 'done'
  }
}
