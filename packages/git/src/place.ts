/**
 * The seam: what a repository needs from the place that keeps it.
 *
 * A repository is one small mutable state and any number of immutable packs. A place keeps both: memory, IndexedDB, R2,
 * a bare Git directory. Nobody above this interface sees how. The state is never written, it is *updated*: a
 * conditional, all-or-nothing change that names what it expects to find.
 *
 * The life of a change:
 *
 * 1. `read()` a {@link State}: refs, HEAD, the live packs, under an opaque version.
 * 2. `writePack()`: bytes go in, durable or held back, and invisible to everyone.
 * 3. `update()`: refs move from where the caller saw them, packs become visible, the log and the receipt are written,
 *    in one step. Before it nothing has happened; after it everything has.
 *
 * Packs only appear and disappear by updates. A pack that `removePacks` names is *condemned*: no longer in the state,
 * still readable for those who are in the middle of it, and deleted by `sweep()` after a grace.
 *
 * What each place must do is written as tests in `packages/storage/test/contract.ts`.
 *
 * @module
 */
import type { Oid } from './oid.ts'

/** Names one state of one place. Opaque; equal versions of one repository mean equal states. */
export type Version = string

/** Names a pack in its place. Random, never used twice; says nothing about what is in it. */
export type PackId = string

/** Where HEAD points: at a branch, which need not exist yet, or at a commit. */
export type Head = { readonly ref: string } | { readonly oid: Oid }

/** A ref as a listing gives it. */
export interface Ref {
  readonly name: string
  readonly oid: Oid
  /** What an annotated tag leads to in the end, where the place was told; `undefined` also where nobody knows. */
  readonly peeled: Oid | undefined
}

/** One wish in an update: move `name` from `from` to `to`. */
export interface RefUpdate {
  readonly name: string
  /** What the caller last saw there; `undefined` if it saw no ref. */
  readonly from: Oid | undefined
  /** Where the ref should point; `undefined` to delete it. */
  readonly to: Oid | undefined
  /** What `to` peels to when it is an annotated tag. */
  readonly peeled?: Oid | undefined
  /** What the ref was called until now, deleted by the same request. A Git directory goes on with the log of that. */
  readonly renamedFrom?: string | undefined
}

/** A live pack, as the state lists it. */
export interface PackInfo {
  readonly id: PackId
  /** Length of the stock packfile, in bytes. */
  readonly size: number
  /** Length of its index (`docs/storage-format.md`), in bytes; 0 where the index is made when first asked for. */
  readonly indexSize: number
  /** How many objects it holds. */
  readonly objects: number
  /** Packs that hold bases of its deltas. Empty for a self-contained pack. */
  readonly needs: readonly PackId[]
  /**
   * Whether every object was inflated, named and connected here, or by someone we trust as ourselves. The index of an
   * unverified pack only locates bytes.
   */
  readonly verified: boolean
  /** Whether no update may remove it: it is borrowed from another repository, or kept by its operator. */
  readonly fixed?: boolean | undefined
  /** Whether it is marked as a promisor's, see {@link PackSummary}; such packs are merged with their like alone. */
  readonly promisor?: boolean | undefined
}

/** A look-up over many packs in one; covers some or all of the live packs. Never proof of anything. */
export interface CatalogInfo {
  readonly covers: readonly PackId[]
  /** Length of the merged index, in bytes. */
  readonly size: number
  /** Bytes of the merged index from `start` up to `end`. */
  read(start: number, end: number): Promise<Uint8Array>
}

/** How an earlier update ended. */
export interface Receipt {
  /** The update's id. */
  readonly id: string
  /** Digest of what it asked, see `digestUpdate`. */
  readonly digest: string
  /** Milliseconds since 1970 by the clock of the place. */
  readonly at: number
  readonly outcome: 'done' | 'lost'
}

/** A line of the log: one ref that moved, or HEAD. */
export interface LogEntry {
  readonly ref: string
  readonly from: Oid | undefined
  readonly to: Oid | undefined
  /** `Name <address>` of who moved it; empty when a stranger to us did (stock git without a reflog). */
  readonly who: string
  /** Milliseconds since 1970 by the clock of the place. */
  readonly at: number
  readonly why: string
  /** Whether the move was found rather than made: somebody else's program moved the ref. */
  readonly external: boolean
  /** Whether somebody else's program moved the ref and wrote the line: stock git. */
  readonly isForeign?: boolean | undefined
}

/** One moment of a repository. Everything reached from it belongs to that moment, however late it is asked. */
export interface State {
  readonly version: Version
  /** Random id that the repository was given at its first update; empty while there is none. */
  readonly repository: string
  /** Whether the repository exists: a place that was never updated reads as an empty repository that does not. */
  readonly exists: boolean
  readonly head: Head
  /** Live packs, oldest first. The oldest verified copy of an object wins. */
  readonly packs: readonly PackInfo[]
  readonly catalogs: readonly CatalogInfo[]
  /** Commits whose parents were left out on purpose. */
  readonly shallow: ReadonlySet<Oid>
  /** The oid that a full ref name points at. HEAD is not a ref here, see {@link State.head}. */
  ref(name: string): Promise<Oid | undefined>
  /** Every ref whose name begins with `prefix`, ordered by the bytes of the names. */
  refs(prefix?: string): AsyncIterable<Ref>
  /** Symbolic refs beside HEAD, as a Git directory may have them, and the refs that they stand for in the end. */
  readonly aliases?: ReadonlyMap<string, string> | undefined
  /** Name of the remote that an object was left with, `undefined` when it was not. */
  promised(oid: Oid): Promise<string | undefined>
  /** How the update with this id ended; `undefined` if it never did, or longer ago than receipts are kept. */
  receipt(id: string): Promise<Receipt | undefined>
}

/** A pack that was written and is not visible yet. Name it in `addPacks` before the stage expires (24 hours). */
export interface StagedPack {
  readonly id: PackId
  readonly size: number
  readonly objects: number
  readonly verified: boolean
  /**
   * Packs that hold the bases of its deltas by now, where one that {@link PackSummary.needs} named may have been replaced
   * since; those hold when left out.
   */
  readonly needs?: readonly PackId[] | undefined
}

/** The objects of a pack, as whoever wrote it knows them: a table, or an index that came along. */
export interface PackContents {
  /** How many objects there are. */
  readonly count: number
  /** Our index of the pack (`docs/storage-format.md`). */
  encodeIndex(): Uint8Array<ArrayBuffer>
}

/** What is said of a pack once all its bytes are written. */
export interface PackSummary {
  /** Every object of the pack; its bytes are copied or encoded before `finish` returns. */
  readonly table: PackContents
  /** Packs that hold the bases of its deltas; the place decides whether it keeps the pack thin, see {@link Traits}. */
  readonly needs: readonly PackId[]
  readonly verified: boolean
  /** Live packs that it is about to take the place of. A hint for how it is kept; the update decides. */
  readonly replaces?: readonly PackId[] | undefined
  /**
   * Whether it is from a remote that has whatever the pack names and nobody has here. A Git directory marks it for Git, which
   * takes the repository for corrupt otherwise; other places go by {@link UpdateRequest.promised} alone.
   */
  readonly promisor?: boolean | undefined
}

/** Takes one pack, in order, from its `PACK` to its trailer. */
export interface PackWriter {
  /** Takes the next bytes. They may be reused by the caller when the promise resolves. */
  write(piece: Uint8Array): Promise<void>
  /** Bytes already written, from `start` up to `end`. */
  read(start: number, end: number): Promise<Uint8Array>
  /** Ends the pack and keeps it. */
  finish(summary: PackSummary): Promise<StagedPack>
  /** Drops what was written. Does nothing after `finish`. */
  abort(): Promise<void>
}

/** What stays with a remote. */
export interface PromisedObjects {
  readonly add: readonly Oid[]
  /** Name of the remote. A Git directory must know it by name, with its URL: stock Git fetches from there. */
  readonly remote: string
  /** What the remote was asked to leave out, where that is to be written down for later fetches of stock Git. */
  readonly filter?: string | undefined
}

/** What an update wants, and what it takes for granted. */
export interface UpdateRequest {
  /** Random, 16 bytes or more in hexadecimal: asking again with the same id gives the stored outcome. */
  readonly id: string
  /** Whether nobody has asked with this id before, so that a place need not look for an earlier outcome. */
  readonly isFirst?: boolean | undefined
  /** Id of the repository that it is meant for, empty where there must be none: it is lost on another one. */
  readonly repository?: string | undefined
  readonly refs: readonly RefUpdate[]
  readonly head?: { readonly from: Head; readonly to: Head } | undefined
  readonly addPacks?: readonly StagedPack[] | undefined
  readonly removePacks?: readonly PackId[] | undefined
  /** Packs that were proof for this update: it is lost when one of them is no longer live. */
  readonly reliesOn?: readonly PackId[] | undefined
  readonly shallow?: { readonly add: readonly Oid[]; readonly remove: readonly Oid[] } | undefined
  readonly promised?: PromisedObjects | undefined
  /** Who and why, for the log. `who` as in a commit: `Name <address>`. */
  readonly log: { readonly who: string; readonly why: string }
}

/** How an update ended. Only `done` changed anything. */
export type UpdateOutcome =
  | { readonly state: 'done'; readonly version: Version }
  | {
      /** Something was not as the request said. */
      readonly state: 'lost'
      /** The refs of the request that were elsewhere, and where they are. */
      readonly refs: ReadonlyMap<string, Oid | undefined>
      /** Where HEAD is, when that was what differed. */
      readonly head: Head | undefined
      /** Packs of `reliesOn` or `removePacks` that are not live. */
      readonly packs: readonly PackId[]
    }
  /** The place takes no update at the moment; the same request may come again after `retryAfter` milliseconds. */
  | { readonly state: 'busy'; readonly retryAfter: number }
  /** The answer was lost on the way. Ask again with the same id, or read the receipt. */
  | { readonly state: 'unknown'; readonly cause: unknown }

/** What a kind of place is like, for callers that can do better when they know. */
export interface Traits {
  /** `memory`, `indexeddb`, `r2`, `git-directory`: for messages. */
  readonly kind: string
  /** Whether packs may be kept with deltas whose bases are in other packs. Where not, `finish` completes them. */
  readonly keepsThinPacks: boolean
  /**
   * Whether `subscribe` hears of changes that others make: other tabs, processes, stock git. Where not, who wants to know
   * looks now and then.
   */
  readonly hearsOthers: boolean
}

/** Keeps one repository. */
export interface Place {
  readonly traits: Traits
  read(options?: { readonly signal?: AbortSignal | undefined }): Promise<State>
  /**
   * Makes the change, or says why not.
   *
   * @throws RefusedError `receipt-mismatch` when the id was used for something else, `ref-conflict` when a ref would be
   *   both a file and a directory (`a` and `a/b`), `no-remote` when objects are to stay with a remote that a Git directory
   *   does not know
   * @throws UnavailableError when the place is full or cannot be written; nothing has happened then
   */
  update(request: UpdateRequest): Promise<UpdateOutcome>
  writePack(): Promise<PackWriter>
  /**
   * Bytes of a pack from `start` up to `end`.
   *
   * @throws MissingError when the pack is gone: read the state again; a pack that is still in it is corrupt
   */
  readPack(id: PackId, start: number, end: number): Promise<Uint8Array>
  /**
   * The same bytes piece by piece, for those who pass them on: one request where the place has requests, however long the
   * span is. A piece is valid until the next one is asked for.
   *
   * @throws MissingError when the pack is gone
   */
  streamPack(id: PackId, start: number, end: number): AsyncIterable<Uint8Array>
  /**
   * Bytes of a pack's index from `start` up to `end`, fewer when it ends before; made first where the place had none.
   *
   * @throws MissingError when the pack is gone
   */
  readIndex(id: PackId, start: number, end: number): Promise<Uint8Array>
  /** Marks packs as verified. Packs that are not live are passed over. */
  markVerified(ids: readonly PackId[]): Promise<void>
  /** The log of a ref (or `HEAD`), newest first. */
  log(ref: string): AsyncIterable<LogEntry>
  /**
   * Deletes packs that were condemned at least `grace` milliseconds ago, stages that expired and files that nobody
   * names. Safe while others read and write.
   */
  sweep(options: { readonly grace: number }): Promise<{ readonly deleted: number }>
  /**
   * Calls `listener` when the state may have changed, by us or, where the place can tell, by others. A hint: read the
   * state to know. Returns how to stop.
   */
  subscribe(listener: () => void): () => void
  /** Lets go of connections and handles. Nothing may be asked afterwards. */
  close(): Promise<void>
}

/** Many repositories under names, as a server offers them. */
export interface Depot {
  /**
   * The place of a repository, whether it exists or not ({@link State.exists}): its first update creates it.
   *
   * @throws RefusedError `bad-name` when the name cannot be one; `unsupported` or `refused` with the reason, where a
   *   repository is there that cannot be served
   */
  open(name: string): Promise<Place>
  /** Names of the repositories that exist, ordered, and why one of them cannot be served. */
  list(): AsyncIterable<{ readonly name: string; readonly refused: string | undefined }>
  close(): Promise<void>
}
