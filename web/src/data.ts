/**
 * The repositories as the views know them. Only this module and those below it touch a store.
 *
 * Every value that goes in or comes out survives a structured clone and every call is a promise, so that a Web Worker can
 * stand behind {@link RepositoryStore} without a change in front of it.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Conflict, KeyDecision, Resolution } from '@datakit/datakit/conflict'
import type { MergeOutcome } from '@datakit/merge/driver'
import type { EntryKind } from './tree-rows.ts'
import type { Trouble } from './trouble.ts'

/** An entry of a committed directory. */
export interface ListedEntry {
  readonly name: string
  readonly path: string
  readonly kind: EntryKind
  readonly mode: number
  readonly oid: Oid
}

/** Who made something, and when. */
export interface Signature {
  readonly name: string
  readonly address: string
  /** Seconds since 1970. */
  readonly seconds: number
}

/** A commit as histories list it. */
export interface CommitInfo {
  readonly oid: Oid
  readonly parents: readonly Oid[]
  readonly author: Signature
  readonly committer: Signature
  readonly message: string
}

/** One side of a changed file. */
export interface FileSide {
  readonly mode: number
  readonly oid: Oid
}

/** A file that differs between two commits. */
export interface FileChange {
  readonly path: string
  readonly kind: 'added' | 'removed' | 'changed'
  readonly before: FileSide | undefined
  readonly after: FileSide | undefined
}

/** A branch, and what the server last had there. */
export interface BranchInfo {
  readonly name: string
  readonly head: Oid
  readonly remote: Oid | undefined
}

/** What there is at one moment, and how far it is known to be so. */
export interface Standing {
  readonly branches: readonly BranchInfo[]
  /** Whether every object that came from the server is proved to be what its name says. */
  readonly isProved: boolean
}

/** One step of a commit. */
export type Edit =
  | {
      readonly act: 'write'
      readonly path: string
      readonly bytes: Uint8Array
      readonly mode: number
    }
  | { readonly act: 'remove'; readonly path: string }
  | { readonly act: 'move'; readonly from: string; readonly to: string }

/** What a commit is to say. */
export interface CommitWords {
  readonly message: string
  readonly author: { readonly name: string; readonly address: string }
}

/** Two lines of work that cannot be joined without a person. */
export interface ConflictDecision {
  readonly kind: 'conflict'
  readonly branch: string
  readonly conflicts: readonly Conflict[]
  readonly ours: Oid
  readonly theirs: Oid
  readonly base: Oid | undefined
  /** Blobs of ours that are in no pack, since the commit that was to hold them was not made. */
  readonly unstored: ReadonlyMap<Oid, Uint8Array>
}

/** Two histories under one name that cannot be merged without asking. */
export interface SplitDecision {
  /** They never had anything in common; or the server took back commits that mine are made on. */
  readonly kind: 'unrelated' | 'rewritten'
  readonly branch: string
  readonly ours: Oid
  readonly theirs: Oid
}

/** The server has another repository under this name than before, or none of whose branches are here. */
export interface ReplacedDecision {
  readonly kind: 'replaced'
}

/** The server has a branch no more, and there are commits on it here that it never had. */
export interface GoneDecision {
  readonly kind: 'gone'
  readonly branch: string
  readonly ours: Oid
}

/** A question that only a person can answer. */
export type Decision = ConflictDecision | SplitDecision | ReplacedDecision | GoneDecision

/** How a commit ended. */
export type CommitResult =
  /** `oid` is where the branch is afterwards: a merge, if it had moved. */
  | { readonly state: 'committed'; readonly oid: Oid }
  | { readonly state: 'unchanged' }
  | { readonly state: 'conflict'; readonly decision: ConflictDecision }

/** How a sync ended. */
export interface SyncReport {
  /** `done` also where decisions are left: the server was reached and told the truth. */
  readonly state: 'done' | 'offline' | 'unauthorized' | 'failed'
  readonly decisions: readonly Decision[]
  /** What went wrong or was refused, for people. */
  readonly message: string | undefined
  /** How long the server asks to be left alone, in milliseconds. */
  readonly retryAfter?: number
  /** What is wrong with the storage of this browser, when it failed for that. */
  readonly trouble?: Trouble | undefined
}

/** What the page knows of the server. */
export interface SyncOptions {
  readonly token: string | undefined
  readonly signal?: AbortSignal
  /** Goes on with a server whose repository is another one than before. */
  readonly acceptsOther?: boolean
  /** Branches that are gone on the server, and are sent again. */
  readonly restore?: readonly string[]
}

/** How a server is listened to. */
export interface ListenOptions {
  readonly token: string | undefined
  readonly signal: AbortSignal
  /** Called whenever the server begins to answer. */
  readonly onConnected: () => void
}

/** What to do with two histories. The server's takes the place of mine. */
export interface SplitChoice {
  /** Mine goes on as a branch of this name; `undefined` gives it up. */
  readonly keepMineAs: string | undefined
}

/** What was chosen for each path of a conflict. */
export type Choices = ReadonlyMap<string, Resolution>

/** One repository on this device. */
export interface RepositoryStore {
  readonly name: string
  branches(): Promise<readonly BranchInfo[]>
  standing(): Promise<Standing>
  /** The branch that HEAD names, whether it exists or not. */
  homeBranch(): Promise<string>
  head(branch: string): Promise<Oid | undefined>
  /** The entries of a directory in a commit, in Git's order. */
  list(commit: Oid, path: string): Promise<readonly ListedEntry[]>
  stat(commit: Oid, path: string): Promise<ListedEntry | undefined>
  /** The bytes of a blob. */
  readBlob(oid: Oid): Promise<Uint8Array>
  commit(
    branch: string,
    from: Oid | undefined,
    edits: readonly Edit[],
    words: CommitWords,
  ): Promise<CommitResult>
  createBranch(name: string, at: Oid): Promise<void>
  /** Takes a branch away, if it is there. @throws Error when it has moved */
  deleteBranch(name: string, at: Oid): Promise<void>
  /** The newest `limit` commits from `from` on, of one path if it is not empty. */
  history(
    from: Oid,
    options: { readonly limit: number; readonly path: string },
  ): Promise<readonly CommitInfo[]>
  describe(commit: Oid): Promise<CommitInfo>
  /** What a commit changed against its first parent. */
  changes(commit: Oid): Promise<readonly FileChange[]>
  sync(options: SyncOptions): Promise<SyncReport>
  /** Calls `listener` whenever the server has something that is not here, until the signal says so. @throws what the server says no with */
  listenToServer(options: ListenOptions, listener: () => void): Promise<void>
  /** Decisions that can be seen from here without the server. */
  decisions(): Promise<readonly Decision[]>
  /**
   * What the driver of a file in conflict makes of it: values in conflict, or why it did not try. `keys` are for files whose own
   * side is a draft, and are what was decided of them.
   */
  explain(
    decision: ConflictDecision,
    conflict: Conflict,
    keys?: readonly KeyDecision[],
  ): Promise<MergeOutcome | undefined>
  resolve(decision: ConflictDecision, choices: Choices, words: CommitWords): Promise<CommitResult>
  settle(decision: SplitDecision, choice: SplitChoice): Promise<void>
  /** How many commits of these branches the server has not got, as far as is known here; of all when left out. */
  waiting(branches?: readonly BranchInfo[]): Promise<number>
  /**
   * Does what nobody waits for: proves what the server sent, merges small packs. Gives what is damaged, a sentence for
   * each. Rejects when it was broken off; it goes on next time.
   */
  keepUp(): Promise<readonly string[]>
  /**
   * Everything that is committed here, as one file that every Git clones from.
   *
   * @throws RefusedError when there is no commit
   */
  bundle(): Promise<Blob>
  /** Gives back the room of what is not needed any more. Rejects when that cannot be done. */
  free(): Promise<void>
  /** Calls the listener when the repository may have changed, in this page or another. Returns how to stop. */
  subscribe(listener: () => void): () => void
  close(): Promise<void>
}
