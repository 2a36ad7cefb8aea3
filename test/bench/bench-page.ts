/**
 * What both sides of the benchmark in the browser do, and how the page is asked.
 *
 * @module
 */

/** Paths of files, in order. */
export type FileList = readonly string[]

/** A path and its new content. */
export type Change = readonly [path: string, content: string]

/** Milliseconds of a sync. */
export interface SyncTimes {
  readonly both: number
  readonly push: number
}

/** One side: a repository in this page's IndexedDB. */
export interface Bench {
  /** Clones `url` until any file can be used; see each side for what that takes. */
  clone(url: string): Promise<void>
  /** SHA-1 of every file's content, read from where a program would read it. */
  readAll(paths: FileList): Promise<readonly string[]>
  /** Changes one file and commits it. */
  commit(path: string, content: string): Promise<void>
  /** Reads files of HEAD's commit; how many bytes. */
  read(paths: FileList): Promise<number>
  /** Reads the whole history from HEAD; how many commits. */
  log(): Promise<number>
  /** Compares each of the newest `count` commits with its parent; how many files changed. */
  diff(count: number): Promise<number>
  /** Commits each list on a branch of its own and merges them; the milliseconds of the merge alone. */
  merge(ours: readonly Change[], theirs: readonly Change[]): Promise<number>
  /**
   * Takes what is new at `url` and brings HEAD's branch there; the milliseconds of all of it, and of what is left of it
   * when nobody asks what is new.
   */
  sync(url: string): Promise<SyncTimes>
  /** The oid of HEAD. */
  head(): Promise<string>
}
