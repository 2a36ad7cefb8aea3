/**
 * Transaction: changes to many files that become one commit, or nothing.
 *
 * It works on the snapshot that it began with, and reads its own writes. Committing writes the new files, the trees on
 * their paths and the commit as one pack and moves the branch in one update. When the branch has moved meanwhile, the
 * two are merged by path; if that leaves conflicts, nothing is changed and the transaction stays open.
 *
 * This is snapshot isolation: two transactions that change different paths both succeed, even if one read what the other
 * wrote; unless the commit is to be `serializable`.
 *
 * Whatever changes a transaction takes its turn, in the order in which it was begun, also where a caller does not wait: a commit
 * has what was written before it, and what is begun while it is under way is refused when it has ended.
 *
 * What only some transactions do (moving, merging, comparing) is loaded when it is first wanted.
 *
 * @module
 */
import { text, utf8 } from '@datakit/git/bytes'
import { EMPTY_TREE, type Oid } from '@datakit/git/oid'
import type { MarkerOptions, MergeOutcome } from '@datakit/merge/driver'
import type { Conflict, Resolution } from '../merge/conflict.ts'
import type { Change, DiffOptions } from '../history/diff.ts'
import { Draft } from './draft.ts'
import { TransactionError } from '../error.ts'
import { landCommit, type CommitOptions, type CommitOutcome } from './land.ts'
import { later } from '../loading.ts'
import type { MoveOptions } from './move.ts'
import type { Store } from '../store.ts'
import type { RevertOptions, TransactionMerge } from './transaction-merge.ts'
import { modeFrom, type TransactionStart, type Work } from './transaction-work.ts'
import { kindOf, readSide, statSide, type Entry, type Stat } from '../files/tree-reader.ts'
import { WorkingTree } from './working-tree.ts'

/** An open set of changes. */
export class Transaction {
  readonly #store: Store
  readonly #work: Work
  #isOpen = true
  /** Ends when all has that was begun to change the transaction. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(store: Store, start: TransactionStart) {
    this.#store = store
    const draft = new Draft(store)
    const tree = new WorkingTree(draft, start.from?.tree)
    this.#work = {
      draft,
      start,
      tree,
      conflicts: new Map(),
      merged: [],
      reads: new Set(),
      taken: [],
    }
  }

  /** Whether it can still be changed and committed. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** What {@link merge} left undecided, by path; a commit is refused until it is empty. */
  get conflicts(): readonly Conflict[] {
    return [...this.#work.conflicts.values()]
  }

  /**
   * The commits that this one will be made on: the one that it began with, then those that came in by {@link merge} and
   * {@link addParent}. The head of the branch goes to the front if it is among what came in.
   */
  get parents(): readonly Oid[] {
    const { start, merged } = this.#work
    return [...(start.from ? [start.from.oid] : []), ...merged]
  }

  /** Whether it differs from what it began with: in its files, or because of commits that came in. */
  async isDirty(): Promise<boolean> {
    return this.#isChanged(await this.#saveTree())
  }

  /**
   * Files that differ from a commit, or from what the transaction began with: `before` is there, `after` is here. Ordered
   * as `git diff-tree -r` orders them.
   */
  async *diff(since?: Oid, options?: DiffOptions): AsyncGenerator<Change, void, undefined> {
    const tree = await this.#saveTree()
    yield* (await later()).diffSince(this.#work, tree, since, options)
  }

  /** The bytes of a file or the target of a link; `undefined` when nothing is there. @throws PathError */
  async read(path: string): Promise<Uint8Array | undefined> {
    const found = await this.#look(path).find(path)
    return found && readSide(this.#work.draft, found, path)
  }

  /** The same as text: UTF-8, with U+FFFD for what is not. */
  async readText(path: string): Promise<string | undefined> {
    const body = await this.read(path)
    return body && text(body)
  }

  /** What is in a directory, ordered as Git orders it. Empty when nothing is there. @throws PathError `not-a-directory` */
  async list(path = ''): Promise<Entry[]> {
    const entries = await this.#look(path).list(path)
    return entries.map((entry) => ({ ...entry, kind: kindOf(entry.mode) }))
  }

  /** What is at a path; `undefined` when nothing is. */
  async stat(path: string): Promise<Stat | undefined> {
    const found = await this.#look(path).find(path)
    return found && statSide(this.#work.draft, found)
  }

  /**
   * Writes a file, or with mode 0o120000 a link. Directories on the way are made. A file or a link that is there keeps its
   * mode unless another is given; a new one is 0o100644. A submodule that is there goes. The bytes must not change until
   * the commit.
   *
   * @throws PathError `is-a-directory` when a directory is there, `not-a-directory` when a step on the way is a file,
   *   `bad-path` when Git cannot keep the path or it would be dangerous in a clone
   */
  write(
    path: string,
    body: Uint8Array | string,
    options: { readonly mode?: number } = {},
  ): Promise<void> {
    return this.#inTurn(async () => {
      const tree = this.#look(path)
      const mode = options.mode ?? modeFrom(await tree.find(path))
      const bytes = typeof body === 'string' ? utf8(body) : body
      if (mode !== 0o100644 || !ArrayBuffer.isView(bytes))
        (await later()).checkWritable(bytes, mode)
      const oid = await this.#work.draft.writeBlob(bytes)
      await tree.set(path, { mode, oid })
      this.#decide(path)
    })
  }

  /** Removes what is at a path, a directory with all that is in it. False when nothing was there. */
  remove(path: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const removed = await this.#look(path).remove(path)
      this.#decide(path)
      return removed
    })
  }

  /**
   * Moves a file or a directory. A file that is at `to` is replaced. A directory goes where a directory is only if it is
   * to be merged into that: then each of its files moves for itself.
   *
   * @throws PathError `not-found`; `is-a-directory` when a directory is at `to`; `exists` when a file is where a directory
   *   should go, or the other way round in a merge; `bad-path` when `to` is inside of `from`, as everything is inside of
   *   the root. Nothing has moved then.
   */
  move(from: string, to: string, options: MoveOptions = {}): Promise<void> {
    return this.#inTurn(async () => {
      await (await later()).movePath(this.#work, { from, to, ...options })
      this.#decide(from)
      this.#decide(to)
    })
  }

  /**
   * Makes a file executable (0o100755) or not (0o100644).
   *
   * @throws PathError `not-found`; `is-a-directory` when a directory or a submodule is there
   */
  setMode(path: string, mode: number): Promise<void> {
    return this.#inTurn(async () => (await later()).setPathMode(this.#work, path, mode))
  }

  /**
   * Merges a commit into the transaction: what is clear is taken, for the rest see {@link conflicts}. At a path in
   * conflict one's own version stays until it is written, removed or {@link resolve}d; but where one side has a directory
   * and the other a file, the directory stays, whosever it is. May be done again with another commit.
   *
   * @throws TransactionError `conflicts` when an earlier merge left some
   */
  merge(theirs: Oid): Promise<TransactionMerge> {
    return this.#inTurn(async () => {
      const tree = await this.#saveDecided('merge')
      const ours = await this.#commitDraft({ message: 'Merge' }, tree)
      return (await later()).mergeInto(this.#work, ours, theirs)
    })
  }

  /**
   * Takes back what a commit changed, by a merge over it: conflicts are those of files that were changed since. The commit
   * is no parent; say in the message what was reverted, as `message` of the result does.
   *
   * @throws TransactionError `conflicts` when an earlier merge left some
   * @throws RangeError when the commit is a merge and `mainline` does not say which parent to go back to
   */
  revert(
    commit: Oid,
    options: RevertOptions = {},
  ): Promise<TransactionMerge & { readonly message: string }> {
    return this.#inTurn(async () => {
      const tree = await this.#saveDecided('revert')
      return (await later()).revertIn(this.#work, { tree, commit, ...options })
    })
  }

  /**
   * Names one more parent without taking anything of it: whoever merges later counts it as merged.
   *
   * @throws MissingError when there is no such commit
   */
  addParent(oid: Oid): Promise<void> {
    return this.#inTurn(async () => (await later()).addParent(this.#work, oid))
  }

  /**
   * What the driver of a file in conflict makes of it; see {@link Repository.explain}.
   *
   * @throws PathError `not-found` when it is in none
   */
  async explain(path: string, markers?: MarkerOptions): Promise<MergeOutcome | undefined> {
    this.#open()
    return (await later()).explainIn(this.#work, path, markers)
  }

  /** Settles one path in conflict. @throws PathError `not-found` when it is in none */
  resolve(path: string, resolution: Resolution): Promise<void> {
    return this.#inTurn(async () => (await later()).resolveIn(this.#work, path, resolution))
  }

  /**
   * Makes the commit and moves the branch to it, by a merge if the branch has moved.
   *
   * @throws TransactionError `conflicts` when a merge into the transaction left some, `closed` when it has ended
   * @throws UnavailableError when the place was out of reach for too long; the transaction stays open
   */
  commit(options: CommitOptions): Promise<CommitOutcome> {
    return this.#inTurn(() => this.#commit(options))
  }

  async #commit(options: CommitOptions): Promise<CommitOutcome> {
    const { start } = this.#work
    if (
      typeof options?.message !== 'string' ||
      options.message.includes('\0') ||
      !((options.retries ?? 0) >= 0)
    )
      (await later()).refuseCommit(options)
    // Where the branch is by now is found out while the trees are written.
    const [tree, state] = await Promise.all([this.#saveDecided('commit'), this.#store.state()])
    const { from, ref } = start
    if (options.skipEmpty === true && from !== undefined && !this.#isChanged(tree)) {
      this.#isOpen = false
      return { state: 'unchanged', oid: from.oid }
    }
    const head = await state.ref(ref)
    const own = await this.#commitDraft(options, tree, head)
    const outcome = await landCommit(this.#store, { ...start, ...this.#work, head, own, options })
    if ('how' in outcome) this.#isOpen = false
    return outcome
  }

  /** Gives up. Does nothing when it has ended already; a commit that is under way goes on, and its outcome is what counts. */
  abort(): void {
    this.#isOpen = false
  }

  #open(): WorkingTree {
    if (this.#isOpen) return this.#work.tree
    throw new TransactionError(
      'closed',
      'Cannot use a transaction: it was committed or given up; begin another',
    )
  }

  /** Runs what changes the transaction when all that was begun before has ended, well or not. */
  #inTurn<Result>(act: (tree: WorkingTree) => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(() => act(this.#open()))
    this.#turn = result.catch(() => undefined)
    return result
  }

  #look(path: string): WorkingTree {
    this.#work.reads.add(path)
    return this.#open()
  }

  #isChanged(tree: Oid): boolean {
    const { start, merged } = this.#work
    return tree !== (start.from?.tree ?? EMPTY_TREE) || merged.length > 0
  }

  #decide(path: string): void {
    for (const known of this.#work.conflicts.keys()) {
      if (known === path || known.startsWith(`${path}/`)) this.#work.conflicts.delete(known)
    }
  }

  async #saveTree(): Promise<Oid> {
    return (await this.#open().save()) ?? this.#work.draft.writeEmptyTree()
  }

  async #saveDecided(what: string): Promise<Oid> {
    const tree = await this.#saveTree()
    if (this.#work.conflicts.size > 0) (await later()).refuseOpen(this.#work, what)
    return tree
  }

  /** The commit of what is here; `head` is where the branch is. */
  async #commitDraft(options: CommitOptions, tree: Oid, head?: Oid): Promise<Oid> {
    const { draft, merged } = this.#work
    let { parents } = this
    if (merged.length > 0)
      parents = await (await later()).orderParents(this.#work, { head, first: options.firstParent })
    return draft.writeNewCommit({ ...options, tree, parents })
  }
}
