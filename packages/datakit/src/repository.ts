/**
 * Repository: branches, snapshots and history of what one place keeps.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Head, LogEntry, Place } from '@datakit/git/place'
import type { MarkerOptions, MergeOutcome } from '@datakit/merge/driver'
import { Branch } from './branch/branch.ts'
import type { Conflict, Resolution } from './merge/conflict.ts'
import type { Change, DiffOptions } from './history/diff.ts'
import type { Files } from './files/files.ts'
import type { GraphNode, GraphOptions } from './history/graph.ts'
import { History } from './history/history.ts'
import type { CommitOutcome, ConflictOutcome } from './transaction/land.ts'
import { later } from './loading.ts'
import type { LoggedCommit, LogOptions } from './history/log.ts'
import type { MergedTrees, Trees } from './merge/merge.ts'
import { readBody } from './files/object-source.ts'
import { Snapshot } from './files/snapshot.ts'
import { Store, type StoreOptions } from './store.ts'

/** What a repository is opened with. */
export type RepositoryOptions = StoreOptions

/** A repository in a place. Everything works without a network, as long as the place does. */
export class Repository {
  /** What its parts share; for the other modules of this package. */
  readonly store: Store

  private constructor(store: Store) {
    this.store = store
  }

  /** Opens what the place keeps. One that was never written to is an empty repository. */
  static async open(place: Place, options: RepositoryOptions): Promise<Repository> {
    return new Repository(await Store.open(place, options))
  }

  /** A branch by its short name, whether it exists or not. @throws RangeError when the name cannot be one */
  branch(name: string): Branch {
    return new Branch(this.store, name)
  }

  /**
   * The branches that exist, ordered by the bytes of their names; those that match a pattern as `git branch --list` takes
   * it, where a star also stands for slashes.
   */
  async branches(pattern?: string): Promise<{ readonly name: string; readonly head: Oid }[]> {
    const state = await this.store.state()
    const branches: { name: string; head: Oid }[] = []
    for await (const { name, oid } of state.refs('refs/heads/'))
      branches.push({ name: name.slice(11), head: oid })
    return pattern === undefined ? branches : (await later()).matching(branches, pattern)
  }

  /** Every move of a ref by its full name, or of `HEAD`, newest first; see `reflog.ts`. */
  async *reflog(ref: string): AsyncGenerator<LogEntry, void, undefined> {
    yield* (await later()).readReflog(this.store.place, ref)
  }

  /** Where HEAD points: the branch that a clone checks out. */
  async head(): Promise<Head> {
    return (await this.store.state()).head
  }

  /** Points HEAD at a branch, which need not exist yet. */
  async setHead(branch: string): Promise<void> {
    await (await later()).moveHead(this.store, this.branch(branch))
  }

  /** The files of a commit. @throws MissingError */
  snapshot(oid: Oid): Promise<Snapshot> {
    return Snapshot.read(this.store, oid)
  }

  /** The files of a tree, by the oid that an entry of a directory names. @throws MissingError */
  async tree(oid: Oid): Promise<Files> {
    return (await later()).openTree(this.store, oid)
  }

  /** The bytes of a file by the oid that an entry or a side of a conflict names. @throws MissingError */
  readBlob(oid: Oid): Promise<Uint8Array> {
    return readBody(this.store, oid, 'blob')
  }

  /** Commits that `from` reaches, or any of several, newest first. @throws MissingError when there is no such commit */
  async *log(
    from: Oid | readonly Oid[],
    options: LogOptions = {},
  ): AsyncGenerator<LoggedCommit, void, undefined> {
    yield* (await later()).walkLog(this.store, from, options)
  }

  /** Commits with their parents, no parent before its children: of all branches when nothing else is said. */
  async *graph(options: GraphOptions = {}): AsyncGenerator<GraphNode, void, undefined> {
    yield* (await later()).walkGraph(this.store, options)
  }

  /** Files that differ between two commits; `undefined` for nothing, so that a first commit shows all that it adds. */
  async *diff(
    before: Oid | undefined,
    after: Oid,
    options?: DiffOptions,
  ): AsyncGenerator<Change, void, undefined> {
    yield* (await later()).diffCommits(this.store, before, after, options)
  }

  /** The best common ancestors of two commits, the oldest first. */
  mergeBases(a: Oid, b: Oid): Promise<Oid[]> {
    return new History(this.store).mergeBases([a], [b])
  }

  /** Whether `descendant` has all that `ancestor` has; a commit is its own ancestor. */
  isAncestor(ancestor: Oid, descendant: Oid): Promise<boolean> {
    return new History(this.store).isAncestor(ancestor, descendant)
  }

  /** What a merge of three trees would give. Nothing is stored: the tree is there only by name. */
  async mergeTrees(trees: Trees): Promise<MergedTrees> {
    return (await later()).previewMerge(this, trees)
  }

  /**
   * Ends a conflict of a branch (out of a sync or {@link Branch.merge}) by a merge commit. After a sync its first parent
   * is the server's head, as everywhere what was there first.
   *
   * The branch may have moved meanwhile; the merge is then made with where it is, and comes back as another conflict if
   * there are paths that `resolutions` do not name.
   *
   * @throws TransactionError `conflicts` when a path of `outcome` is not among the resolutions
   */
  async resolve(
    branch: string,
    outcome: ConflictOutcome,
    resolutions: ReadonlyMap<string, Resolution>,
  ): Promise<CommitOutcome> {
    return (await later()).resolveConflict(this, branch, outcome, resolutions)
  }

  /**
   * What the driver of a file in conflict makes of it, for a person to look at: the file with markers around what is in
   * conflict, the keys, or why it did not try. The merged file where only modes are in conflict. `undefined` where there are no
   * two files to merge, or files are not merged by content here.
   *
   * @throws MissingError when a version is not there: the commits of `outcome` must be stored, as after a sync
   */
  async explain(
    outcome: Pick<ConflictOutcome, 'ours' | 'theirs'>,
    conflict: Conflict,
    markers?: MarkerOptions,
  ): Promise<MergeOutcome | undefined> {
    return (await later()).explainConflict(this.store, outcome, conflict, markers)
  }

  /** Lets go of the place. */
  close(): Promise<void> {
    return this.store.place.close()
  }
}
