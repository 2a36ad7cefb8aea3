/**
 * Conflicts as data: what two sides of a merge made of one path that cannot both be kept.
 *
 * *Ours* is always the work of the caller: the commit of a transaction, the local branch of a sync. *Theirs* is what was
 * there first: the head that the branch had got meanwhile, the head of the server. The order of a merge commit's parents
 * is another matter: what was there first is the first parent.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { KeyStep } from '@datakit/merge/driver'

/** What one side has at a path. A directory is a side too, with mode 040000 and the oid of its tree. */
export interface Side {
  readonly mode: number
  readonly oid: Oid
}

/** In which way the two sides contradict each other. */
export type ConflictKind =
  /** Both changed the content of a file (or the target of a link) that both had. */
  | 'content'
  /** Both added something else under one name. */
  | 'add/add'
  /** One changed what the other removed. */
  | 'modify/delete'
  /** One has a file where the other has a directory with something in it. */
  | 'file/directory'
  /** The contents agree, the executable bit does not. */
  | 'mode'
  /** File, link and submodule under one name. */
  | 'type'
  /** One side read it, the other changed it: only where a commit was to be `serializable`. */
  | 'read'

/** One path that was changed in two ways. Sides that have nothing there are `undefined`. */
export interface Conflict {
  readonly path: string
  readonly kind: ConflictKind
  /** What both started from; with several merge bases, what these were merged to. */
  readonly base: Side | undefined
  readonly ours: Side | undefined
  readonly theirs: Side | undefined
}

/** What to keep of one value in conflict: that of a version, where being absent is a value, too. */
export interface KeyDecision {
  /** As the explanation of the conflict names it. */
  readonly key: readonly KeyStep[]
  /** `base` only where it has a value. */
  readonly keep: 'base' | 'ours' | 'theirs'
}

/** What to keep of one conflicting path as a whole. */
export type WholeResolution =
  | 'ours'
  | 'theirs'
  | 'base'
  | 'remove'
  | { readonly bytes: Uint8Array | string; readonly mode?: number }

/** What to keep of one conflicting path. */
export type Resolution =
  | WholeResolution
  /** For a file that is merged by key: what to keep of each value in conflict. The rest of the file is merged. */
  | { readonly keys: readonly KeyDecision[] }

/** The same conflict as the other side sees it. */
export function mirrorConflict(conflict: Conflict): Conflict {
  return { ...conflict, ours: conflict.theirs, theirs: conflict.ours }
}
