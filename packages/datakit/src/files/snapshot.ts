/**
 * Snapshot: the files of one commit. Never changes, however the branch moves.
 *
 * @module
 */
import type { Commit } from '@datakit/git/commit'
import { text } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import type { Files, Page, PageOptions } from './files.ts'
import { later } from '../loading.ts'
import type { LoggedCommit } from '../history/log.ts'
import { readCommit } from './object-source.ts'
import type { ReadFile } from './read-all.ts'
import type { Store } from '../store.ts'
import { findPath, listPath, readFile, statSide, type Entry, type Stat } from './tree-reader.ts'
import type { WalkedFile, WalkOptions } from './walk.ts'

/** A commit and the files in it, read when asked for. More ways to read them are in `files.ts`. */
export class Snapshot implements Files {
  readonly #store: Store
  readonly #commit: Commit
  readonly oid: Oid
  /** The tree of the root directory. */
  readonly tree: Oid

  constructor(store: Store, oid: Oid, commit: Commit) {
    this.#store = store
    this.#commit = commit
    this.oid = oid
    this.tree = commit.tree
  }

  /** Reads the commit `oid`. @throws MissingError when it is not there */
  static async read(store: Store, oid: Oid): Promise<Snapshot> {
    return new Snapshot(store, oid, await readCommit(store, oid))
  }

  /** Message, parents, author and committer. */
  commit(): Commit {
    return this.#commit
  }

  /**
   * The bytes of a file, or the target of a link; `undefined` when nothing is there.
   *
   * @throws PathError `is-a-directory`; `bad-path` for a path that cannot exist
   */
  read(path: string): Promise<Uint8Array | undefined> {
    return readFile(this.#store, this.tree, path)
  }

  /** The same as text: UTF-8, with U+FFFD for what is not. */
  async readText(path: string): Promise<string | undefined> {
    const body = await this.read(path)
    return body && text(body)
  }

  /** What is in a directory, ordered as Git orders it; the empty path is the root. Empty when nothing is there. */
  list(path = ''): Promise<Entry[]> {
    return listPath(this.#store, this.tree, path)
  }

  /** What is at a path, with its size if it is a file; `undefined` when nothing is. */
  async stat(path: string): Promise<Stat | undefined> {
    const found = await findPath(this.#store, this.tree, path)
    return found && statSide(this.#store, found)
  }

  /** See {@link Files.page}. */
  async page(path: string, options: PageOptions): Promise<Page> {
    const { checkLimit, pageOf } = await later()
    return pageOf(this.#store, this.tree, { path, ...checkLimit(options) })
  }

  /** See {@link Files.stream}. */
  async *stream(path: string): AsyncGenerator<Uint8Array, void, undefined> {
    yield* (await later()).streamFile(this.#store, this.tree, path)
  }

  /** Every file below `path`, ordered by path; directories are passed through and not named. */
  async *walk(options: WalkOptions = {}): AsyncGenerator<WalkedFile, void, undefined> {
    yield* (await later()).walkTree(this.#store, this.tree, options)
  }

  /**
   * The files below `path` with their bytes, few requests for many of them. In the order in which they are stored, which
   * is not that of their paths; submodules are left out.
   */
  async *readAll(options: WalkOptions = {}): AsyncGenerator<ReadFile, void, undefined> {
    yield* (await later()).readAllFiles(this.#store, this.tree, options)
  }
  /** The last `count` commits that changed a path, newest first, as `git log -n COUNT -- PATH` tells them. */
  async lastModified(path: string, count = 1): Promise<LoggedCommit[]> {
    return (await later()).lastModified(this.#store, this.oid, { path, limit: count })
  }
}
