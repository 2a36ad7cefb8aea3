/**
 * Transaction: changes to many files that become one commit, or nothing.
 *
 * It works on the snapshot that it began with, and reads its own writes. Committing writes the new files, the trees on
 * their paths and the commit as one pack and moves the branch in one update. When the branch has moved meanwhile, the
 * two are merged by path; if that leaves conflicts, nothing is changed and the transaction stays open.
 *
 * This is snapshot isolation: two transactions that change different paths both succeed, even if one read what the other
 * wrote.
 *
 * @module
 */
import { text, utf8 } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import { isTreeMode } from '@datakit/git/tree'
import type { Conflict, Resolution, Side } from './conflict.ts'
import { Draft } from './draft.ts'
import { PathError, TransactionError } from './error.ts'
import { History } from './history.ts'
import { landCommit, type CommitOptions, type CommitOutcome } from './land.ts'
import { mergeCommits } from './merge-commits.ts'
import type { MergeContent } from './merge.ts'
import type { Snapshot } from './snapshot.ts'
import type { Store } from './store.ts'
import { isFile, kindOf, readSide, statSide, type Entry, type Stat } from './tree-reader.ts'
import { WorkingTree } from './working-tree.ts'

/** Where a transaction begins and ends. */
export interface TransactionStart {
  /** Full name of the ref that the commit moves. */
  readonly ref: string
  /** What it changes; `undefined` for a branch without commits. */
  readonly from: Snapshot | undefined
  readonly mergeContent: MergeContent | undefined
}

/** What a merge into a transaction left to be decided. */
export interface TransactionMerge {
  /** The best common ancestor of both. */
  readonly base: Oid | undefined
  readonly conflicts: readonly Conflict[]
}

/** An open set of changes. */
export class Transaction {
  readonly #store: Store
  readonly #start: TransactionStart
  readonly #draft: Draft
  readonly #merged: Oid[] = []
  #tree: WorkingTree
  #conflicts = new Map<string, Conflict>()
  #isOpen = true

  constructor(store: Store, start: TransactionStart) {
    this.#store = store
    this.#start = start
    this.#draft = new Draft(store)
    this.#tree = new WorkingTree(this.#draft, start.from?.tree)
  }

  /** Whether it can still be changed and committed. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** What {@link merge} left undecided, by path; a commit is refused until it is empty. */
  get conflicts(): readonly Conflict[] {
    return [...this.#conflicts.values()]
  }

  /** The bytes of a file or the target of a link; `undefined` when nothing is there. @throws PathError */
  async read(path: string): Promise<Uint8Array | undefined> {
    const found = await this.#open().find(path)
    return found && readSide(this.#draft, found, path)
  }

  /** The same as text: UTF-8, with U+FFFD for what is not. */
  async readText(path: string): Promise<string | undefined> {
    const body = await this.read(path)
    return body === undefined ? undefined : text(body)
  }

  /** What is in a directory, ordered as Git orders it. Empty when nothing is there. @throws PathError `not-a-directory` */
  async list(path = ''): Promise<Entry[]> {
    const entries = await this.#open().list(path)
    return entries.map((entry) => ({ ...entry, kind: kindOf(entry.mode) }))
  }

  /** What is at a path; `undefined` when nothing is. */
  async stat(path: string): Promise<Stat | undefined> {
    const found = await this.#open().find(path)
    return found && statSide(this.#draft, found)
  }

  /**
   * Writes a file, or with mode 0o120000 a link. Directories on the way are made. A file or a link that is there keeps its
   * mode unless another is given; a new one is 0o100644. A submodule that is there goes. The bytes must not change until
   * the commit.
   *
   * @throws PathError `is-a-directory` when a directory is there, `not-a-directory` when a step on the way is a file,
   *   `bad-path` when Git cannot keep the path or it would be dangerous in a clone
   */
  async write(
    path: string,
    body: Uint8Array | string,
    options: { readonly mode?: number } = {},
  ): Promise<void> {
    const tree = this.#open()
    const before = options.mode === undefined ? await tree.find(path) : undefined
    if (before && isTreeMode(before.mode))
      throw new PathError('is-a-directory', path, 'it is a directory; remove it first')
    const mode = options.mode === undefined ? modeFrom(before) : fileMode(options.mode)
    const oid = await this.#draft.writeBlob(typeof body === 'string' ? utf8(body) : body)
    await tree.set(path, { mode, oid })
    this.#decide(path)
  }

  /** Removes what is at a path, a directory with all that is in it. False when nothing was there. */
  async remove(path: string): Promise<boolean> {
    const removed = await this.#open().remove(path)
    this.#decide(path)
    return removed
  }

  /**
   * Moves a file or a directory. A file that is at `to` is replaced.
   *
   * @throws PathError `not-found`; `is-a-directory` when a directory is at `to`; `bad-path` when `to` is inside of `from`,
   *   as everything is inside of the root
   */
  async move(from: string, to: string): Promise<void> {
    const tree = this.#open()
    const found = await tree.find(from)
    if (found === undefined) throw new PathError('not-found', from, 'nothing is there')
    if (from === to) return
    if (from === '' || `${to}/`.startsWith(`${from}/`))
      throw new PathError('bad-path', to, `it is inside of "${from}"`)
    const there = await tree.find(to)
    if (there && isTreeMode(there.mode))
      throw new PathError('is-a-directory', to, 'it is a directory; remove it first')
    if (there && isTreeMode(found.mode))
      throw new PathError('exists', to, 'a file is where the directory should go')
    await tree.set(to, found)
    await tree.remove(from)
    this.#decide(from)
    this.#decide(to)
  }

  /**
   * Makes a file executable (0o100755) or not (0o100644).
   *
   * @throws PathError `not-found`; `is-a-directory` when a directory or a submodule is there
   */
  async setMode(path: string, mode: number): Promise<void> {
    const tree = this.#open()
    const found = await tree.find(path)
    if (found === undefined) throw new PathError('not-found', path, 'nothing is there')
    if (!isFile(found))
      throw new PathError('is-a-directory', path, `a ${kindOf(found.mode)} has no mode of its own`)
    await tree.set(path, { mode: fileMode(mode), oid: found.oid })
  }

  /**
   * Merges a commit into the transaction: what is clear is taken, for the rest see {@link conflicts}. At a path in
   * conflict one's own version stays until it is written, removed or {@link resolve}d; but where one side has a directory
   * and the other a file, the directory stays, whosever it is.
   *
   * @throws TransactionError `conflicts` when an earlier merge left some
   */
  async merge(theirs: Oid): Promise<TransactionMerge> {
    this.#checkDecided('merge')
    const tools = {
      draft: this.#draft,
      history: new History(this.#draft),
      mergeContent: this.#start.mergeContent,
    }
    const ours = await this.#commitDraft({ message: 'Merge' }, await this.#saveTree())
    const merged = await mergeCommits(tools, ours, theirs)
    this.#tree = new WorkingTree(this.#draft, merged.tree)
    for (const conflict of merged.conflicts) {
      this.#conflicts.set(conflict.path, conflict)
      if (conflict.kind !== 'file/directory') await this.#place(conflict.path, conflict.ours)
    }
    this.#merged.push(theirs)
    return { base: merged.base, conflicts: merged.conflicts }
  }

  /** Settles one path in conflict. */
  async resolve(path: string, resolution: Resolution): Promise<void> {
    const conflict = this.#conflicts.get(path)
    if (conflict === undefined) throw new PathError('not-found', path, 'it is not in conflict')
    if (typeof resolution === 'object') {
      const mode = resolution.mode ?? modeFrom(conflict.ours ?? conflict.theirs ?? conflict.base)
      const body = typeof resolution.bytes === 'string' ? utf8(resolution.bytes) : resolution.bytes
      await this.#place(path, { mode: fileMode(mode), oid: await this.#draft.writeBlob(body) })
    } else await this.#place(path, resolution === 'remove' ? undefined : conflict[resolution])
    this.#conflicts.delete(path)
  }

  /**
   * Makes the commit and moves the branch to it, by a merge if the branch has moved.
   *
   * @throws TransactionError `conflicts` when a merge into the transaction left some, `closed` when it has ended
   * @throws UnavailableError when the place was out of reach for too long; the transaction stays open
   */
  async commit(options: CommitOptions): Promise<CommitOutcome> {
    this.#checkDecided('commit')
    const { from, ref } = this.#start
    // Where the branch is by now is found out while the trees are written.
    const [state, tree] = await Promise.all([this.#store.state(), this.#saveTree()])
    const head = await state.ref(ref)
    if (
      options.skipEmpty === true &&
      from !== undefined &&
      tree === from.tree &&
      this.#merged.length === 0
    ) {
      this.#isOpen = false
      return { state: 'unchanged', oid: from.oid }
    }
    const own = await this.#commitDraft(options, tree, head)
    const outcome = await landCommit(this.#store, {
      ref,
      head,
      own,
      draft: this.#draft,
      options,
      mergeContent: this.#start.mergeContent,
    })
    if (outcome.state !== 'conflict') this.#isOpen = false
    return outcome
  }

  /** Gives up. Does nothing when it has ended already. */
  abort(): void {
    this.#isOpen = false
  }

  #open(): WorkingTree {
    if (this.#isOpen) return this.#tree
    throw new TransactionError('closed', 'Cannot use a transaction: it was committed or given up')
  }

  #checkDecided(what: string): void {
    this.#open()
    if (this.#conflicts.size === 0) return
    const paths = [...this.#conflicts.keys()].join('", "')
    throw new TransactionError('conflicts', `Cannot ${what}: still in conflict are "${paths}"`)
  }

  #decide(path: string): void {
    for (const known of this.#conflicts.keys()) {
      if (known === path || known.startsWith(`${path}/`)) this.#conflicts.delete(known)
    }
  }

  async #place(path: string, side: Side | undefined): Promise<void> {
    if (side === undefined) await this.#tree.remove(path)
    else await this.#tree.set(path, side, { replace: true })
  }

  async #saveTree(): Promise<Oid> {
    return (await this.#tree.save()) ?? this.#draft.writeEmptyTree()
  }

  /** The commit of what is here. The head of the branch comes first among its parents if it was merged into them. */
  async #commitDraft(options: CommitOptions, tree: Oid, head?: Oid): Promise<Oid> {
    const { from } = this.#start
    const parents = new Set(options.firstParent && [options.firstParent])
    const isMerged = head !== undefined && this.#merged.includes(head)
    const history = new History(this.#draft)
    if (isMerged) parents.add(head)
    for (const oid of [...(from ? [from.oid] : []), ...this.#merged])
      if (!isMerged || !(await history.isAncestor(oid, head))) parents.add(oid)
    return this.#draft.writeNewCommit({ ...options, tree, parents: [...parents] })
  }
}

/** The mode of a file that takes the place of what was there. */
function modeFrom(before: Side | undefined): number {
  return before !== undefined && isFile(before) ? before.mode : 0o100644
}

/** A mode that Git writes for a file or a link. @throws RangeError for any other */
function fileMode(mode: number): number {
  if (mode === 0o100644 || mode === 0o100755 || mode === 0o120000) return mode
  throw new RangeError(
    `Not the mode of a file: ${mode.toString(8)}, expected 100644, 100755 or 120000`,
  )
}
