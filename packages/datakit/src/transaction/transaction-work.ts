/**
 * The work of a transaction: what it has made so far, as the modules that change it share it.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Conflict, Side } from '../merge/conflict.ts'
import type { Draft } from './draft.ts'
import type { Trees } from '../merge/merge.ts'
import type { Snapshot } from '../files/snapshot.ts'
import { isFile } from '../files/tree-reader.ts'
import type { WorkingTree } from './working-tree.ts'

/** Where a transaction begins and ends. */
export interface TransactionStart {
  /** Full name of the ref that the commit moves. */
  readonly ref: string
  /** What it changes; `undefined` for a branch without commits. */
  readonly from: Snapshot | undefined
}

/** An open set of changes. */
export interface Work {
  readonly start: TransactionStart
  readonly draft: Draft
  /** The files. */
  readonly tree: WorkingTree
  /** What merges left undecided, by path. */
  readonly conflicts: Map<string, Conflict>
  /** Commits that came in, in the order in which they did. */
  readonly merged: Oid[]
  /** Every path that was looked at or written, whatever was found there; the empty one is everything. */
  readonly reads: Set<string>
  /** What commits that came in, or were taken back, were merged with: what they change was looked at. */
  readonly taken: (() => Promise<Trees>)[]
  /** What the last merge worked on, found again when somebody asks about its conflicts. */
  findTrees?: () => Promise<Trees>
}

/** The mode of a file that takes the place of what was there. */
export function modeFrom(before: Side | undefined): number {
  return before !== undefined && isFile(before) ? before.mode : 0o100644
}
