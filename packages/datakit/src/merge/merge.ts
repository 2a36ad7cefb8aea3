/**
 * Merge: three trees into one, path by path, as `git -c merge.renames=false merge-tree` does it. What cannot be decided is
 * a conflict, and conflicts are data. Files that both sides changed are merged by {@link MergeContent}, which this module
 * does not know; `merge-file.ts` says when it is asked, and `merge-content.ts` has the one that is used when nothing else is
 * said.
 *
 * Both sides are treated alike: with them exchanged, the tree is the same and the conflicts are mirrored. Where one side
 * has what the base has, the other is taken whole, by oid, so the cost follows what both changed. What both have alike stays, but for
 * counters, see `merge-alike.ts`.
 *
 * A directory and a file under one name are a conflict only if the directory still has something in it when its own files
 * have been merged.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { findEntry, isTreeMode } from '@datakit/git/tree'
import type { DecideKey, MarkerOptions, MergeOutcome } from '@datakit/merge/driver'
import { mergeAlike, mergeAlikeTrees } from './merge-alike.ts'
import type { Conflict, ConflictKind, Side } from './conflict.ts'
import type { Draft } from '../transaction/draft.ts'
import { canonicalMode } from './mode.ts'
import { later } from '../loading.ts'
import { readTreeBody } from '../files/object-source.ts'
import { joinPath } from '../files/path.ts'
import { compareTrees } from '../history/tree-difference.ts'

/** Three trees; `undefined` for one without files. */
export interface Trees {
  readonly base: Oid | undefined
  readonly ours: Oid | undefined
  readonly theirs: Oid | undefined
}

/** A file that both sides changed. */
export interface ContentMerge {
  readonly path: string
  /** `undefined` when both added it; something else than a file when it became one on both sides. */
  readonly base: Side | undefined
  readonly ours: Side
  readonly theirs: Side
  /** The merge of trees that it is part of. */
  readonly within: TreesMerge
  /** How to mark what cannot be merged, where somebody will see it. */
  readonly markers?: MarkerOptions | undefined
  /** What somebody has decided about values in conflict. */
  readonly decide?: DecideKey | undefined
}

/** A merge of trees, as those who merge files in it see it. */
export interface TreesMerge {
  readonly trees: Trees
  /** Where the files are. */
  readonly draft: Draft
  /** What the merge is made for; `undefined` when the result is wanted for itself. */
  readonly virtual: Virtual | undefined
}

/**
 * Merges contents. Must be symmetric. Where the result is only the base of another merge, what a conflict marks is the result.
 */
export type MergeContent = (merge: ContentMerge) => Promise<MergeOutcome>

/** What a merge is made for that is only the base of another. */
export interface Virtual {
  /** The sides of the merge whose base this one makes, or whose base's base. */
  readonly outer: Pick<Trees, 'ours' | 'theirs'>
  /** How many merges this one makes a base for, one inside of the other. */
  readonly depth: number
  /** What stands in the result for a file in conflict. */
  readonly settle: (draft: Draft, file: UnsettledFile) => Promise<Side | undefined>
}

/** A file in conflict. */
export interface UnsettledFile {
  readonly base: Side | undefined
  readonly ours: Side
  /** The merged mode; `undefined` where that is in conflict. */
  readonly mode: number | undefined
  /** The merged content; `undefined` where that is in conflict. */
  readonly oid: Oid | undefined
}

/** A merged tree. */
export interface MergedTrees {
  /** Where there are conflicts, it holds what the base has there. `undefined` when no file is left. */
  readonly tree: Oid | undefined
  /** Ordered by path. */
  readonly conflicts: readonly Conflict[]
}

/** Three things under one path; or what they are without directories, or only the directories. */
export interface Sides {
  readonly base: Side | undefined
  readonly ours: Side | undefined
  readonly theirs: Side | undefined
}

/** Merges two trees that came from `base`. What is new is written to the draft, which knows how files are merged. */
export async function mergeTrees(
  draft: Draft,
  trees: Trees,
  virtual?: Virtual,
): Promise<MergedTrees> {
  await draft.onDemand?.ahead(Object.values(trees))
  const merge = new TreeMerge({ draft, trees, virtual })
  const tree = await merge.mergeDirectories('', trees)
  const conflicts = merge.conflicts.toSorted((a, b) =>
    a.path < b.path ? -1 : a.path > b.path ? 1 : 0,
  )
  return { tree, conflicts }
}

class TreeMerge {
  readonly conflicts: Conflict[] = []
  readonly #draft: Draft
  readonly #within: TreesMerge

  constructor(within: TreesMerge) {
    this.#draft = within.draft
    this.#within = within
  }

  async mergeDirectories(path: string, { base, ours, theirs }: Trees): Promise<Oid | undefined> {
    if (base === theirs) return ours
    if (base === ours) return theirs
    if (ours === theirs) return mergeAlikeTrees(this.#within, path, { base, side: ours })
    const bodyOfTheirs = await readTreeBody(this.#draft, theirs, path)
    const differences = compareTrees(bodyOfTheirs, await readTreeBody(this.#draft, ours, path))
    const bodyOfBase = await readTreeBody(this.#draft, base, path)
    const alike = compareTrees(bodyOfBase, bodyOfTheirs)
    for (const name of differences.keys()) alike.delete(name)
    const edits = new Map(await mergeAlike(this.#within, path, alike))
    for (const [name, { before, after }] of differences) {
      const found = findEntry(bodyOfBase, name)
      const base = found && { mode: found.mode, oid: found.oid }
      // What both have alike, and what only they changed, is in their tree already.
      if (isSame(base, after)) continue
      const sides = { base, ours: after, theirs: before }
      edits.set(name, await this.#mergeEntry(joinPath(path, name), sides))
    }
    return this.#draft.editTree(theirs, edits)
  }

  async #mergeEntry(path: string, sides: Sides): Promise<Side | undefined> {
    const { base, ours, theirs } = sides
    if (isSame(ours, theirs) || isSame(base, theirs)) return ours
    if (isSame(base, ours)) return theirs
    const files = pick(sides, (mode) => !isTreeMode(mode))
    const directories = pick(sides, isTreeMode)
    if (!directories.base && !directories.ours && !directories.theirs)
      return this.#mergeFiles(path, sides)
    const tree = await this.mergeDirectories(path, {
      base: directories.base?.oid,
      ours: directories.ours?.oid,
      theirs: directories.theirs?.oid,
    })
    if (tree === undefined) return this.#mergeFiles(path, files)
    if (files.ours || files.theirs) this.#report(path, 'file/directory', sides)
    return { mode: 0o040000, oid: tree }
  }

  /** Merges what no side has as a directory. */
  async #mergeFiles(path: string, sides: Sides): Promise<Side | undefined> {
    const { side, kind } = await (await later()).mergeFiles(this.#within, path, sides)
    if (kind) this.#report(path, kind, sides)
    return side
  }

  #report(path: string, kind: ConflictKind, { base, ours, theirs }: Sides): void {
    this.conflicts.push({ path, kind, base, ours, theirs })
  }
}

function isSame(a: Side | undefined, b: Side | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.oid === b.oid && canonicalMode(a.mode) === canonicalMode(b.mode)
}

function pick(sides: Sides, accepts: (mode: number) => boolean): Sides {
  const only = (side: Side | undefined): Side | undefined =>
    side && accepts(side.mode) ? side : undefined
  return { base: only(sides.base), ours: only(sides.ours), theirs: only(sides.theirs) }
}
