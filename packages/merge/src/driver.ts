/**
 * Drivers: how the contents of one file are merged that both sides changed.
 *
 * A driver is a function from bytes to bytes. It knows no repository, does no I/O, gives the same for the same input, and is
 * symmetric: with both sides exchanged, a clean result is the same and the conflicts are mirrored. What it cannot prove to
 * be right is a conflict, and conflicts are data: no input makes it throw.
 *
 * @module
 */

/** Three versions of one file. */
export interface MergeInput {
  /** What both started from; `undefined` when both added the file. */
  readonly base: Uint8Array | undefined
  readonly ours: Uint8Array
  readonly theirs: Uint8Array
  /** Where the file is, for drivers that say so in what they write; `''` where nobody knows. */
  readonly path: string
  readonly markers?: MarkerOptions | undefined
  /** What somebody has decided about values in conflict; asked by drivers that know keys. */
  readonly decide?: DecideKey | undefined
}

/** Characters of a marker when nothing is said. */
export const MARKER_SIZE = 7

/** How a driver for text marks what it could not merge. */
export interface MarkerOptions {
  /** `merge` when left out, as `merge.conflictStyle` is called in Git. */
  readonly style?: 'merge' | 'diff3' | 'zdiff3' | undefined
  /** Characters of a marker; 7 when left out, and 10,000 at most. */
  readonly size?: number | undefined
  /** What stands behind the markers of the sides; nothing when left out. */
  readonly labels?:
    | { readonly base?: string; readonly ours: string; readonly theirs: string }
    | undefined
}

/** A step into a document: the name of a member, or what tells an item of a list from the others. */
export type KeyStep = string | number

/** One value that was changed in two ways, as it is written in each version; `undefined` where it is not there. */
export interface KeyConflict {
  /** Where it is, from the root of the document. */
  readonly key: readonly KeyStep[]
  readonly base: string | undefined
  readonly ours: string | undefined
  readonly theirs: string | undefined
}

/**
 * What to keep of a value in conflict: that of a version, where being absent is a value, too. `undefined` leaves it in conflict,
 * and so does `base` where both sides have added something.
 */
export type DecideKey = (conflict: KeyConflict) => 'base' | 'ours' | 'theirs' | undefined

/** What became of a merge of contents. */
export type MergeOutcome =
  | { readonly state: 'merged'; readonly bytes: Uint8Array }
  | {
      readonly state: 'conflict'
      /** The file with markers around what is in conflict, from drivers that write such. */
      readonly marked?: Uint8Array | undefined
      /** The values in conflict, from drivers that know keys. */
      readonly keys?: readonly KeyConflict[] | undefined
      /** Why the driver did not try, in a sentence: a version that it cannot read, a document that it cannot keep as it is. */
      readonly reason?: string | undefined
    }

/** Merges the contents of a file. Symmetric, and never throws. */
export type MergeDriver = (input: MergeInput) => MergeOutcome
