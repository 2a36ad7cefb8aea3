/**
 * Merge: three trees into one, path by path, as `git -c merge.renames=false merge-tree` does it when no file is merged
 * by its content. What cannot be decided is a conflict, and conflicts are data: no input makes it throw.
 *
 * Both sides are treated alike: with them exchanged, the tree is the same and the conflicts are mirrored. Where one side
 * has what the base has, the other is taken whole, by oid, so the cost follows what both changed.
 *
 * The mode and the content of a file are merged apart. A directory and a file under one name are a conflict only if the
 * directory still has something in it when its own files have been merged.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { isTreeMode } from '@datakit/git/tree'
import type { Conflict, ConflictKind, Side } from './conflict.ts'
import type { Draft } from './draft.ts'
import { readTreeBody } from './object-source.ts'
import { joinPath } from './path.ts'
import { compareTrees } from './tree-difference.ts'

/** Three trees; `undefined` for one without files. */
export interface Trees {
  readonly base: Oid | undefined
  readonly ours: Oid | undefined
  readonly theirs: Oid | undefined
}

/** A file that both sides changed. `base` is `undefined` when both added it, or it was something else before. */
export interface ContentMerge {
  readonly path: string
  readonly base: Oid | undefined
  readonly ours: Oid
  readonly theirs: Oid
  /** Whether the result is only the base of another merge. */
  readonly isVirtual: boolean
}

/** Merges contents: the bytes if they can be merged without doubt, `undefined` for a conflict. Must be symmetric. */
export type MergeContent = (merge: ContentMerge) => Promise<Uint8Array | undefined>

/** How to merge. */
export interface MergeOptions {
  /** What becomes of a file that both sides changed; a conflict when left out. */
  readonly mergeContent?: MergeContent | undefined
  /** Whether the result is only the base of another merge: its conflicts are then settled as Git settles them. */
  readonly isVirtual?: boolean | undefined
}

/** A merged tree. */
export interface MergedTrees {
  /** Where there are conflicts, it holds what the base has there. `undefined` when no file is left. */
  readonly tree: Oid | undefined
  /** Ordered by path. */
  readonly conflicts: readonly Conflict[]
}

/** Three things under one path; or what they are without directories, or only the directories. */
interface Sides {
  readonly base: Side | undefined
  readonly ours: Side | undefined
  readonly theirs: Side | undefined
}

/** Merges two trees that came from `base`. What is new is written to the draft. */
export async function mergeTrees(
  draft: Draft,
  trees: Trees,
  options: MergeOptions = {},
): Promise<MergedTrees> {
  const merge = new TreeMerge(draft, options)
  const tree = await merge.mergeDirectories('', trees)
  const conflicts = merge.conflicts.toSorted((a, b) =>
    a.path < b.path ? -1 : a.path > b.path ? 1 : 0,
  )
  return { tree, conflicts }
}

class TreeMerge {
  readonly conflicts: Conflict[] = []
  readonly #draft: Draft
  readonly #mergeContent: MergeContent
  readonly #isVirtual: boolean

  constructor(draft: Draft, options: MergeOptions) {
    this.#draft = draft
    this.#mergeContent = options.mergeContent ?? (async () => undefined)
    this.#isVirtual = options.isVirtual ?? false
  }

  async mergeDirectories(path: string, { base, ours, theirs }: Trees): Promise<Oid | undefined> {
    if (ours === theirs || base === theirs) return ours
    if (base === ours) return theirs
    const bodyOfBase = await readTreeBody(this.#draft, base)
    const ourChanges = compareTrees(bodyOfBase, await readTreeBody(this.#draft, ours))
    const theirChanges = compareTrees(bodyOfBase, await readTreeBody(this.#draft, theirs))
    const edits = new Map<string, Side | undefined>()
    for (const [name, { before, after }] of ourChanges) {
      const other = theirChanges.get(name)
      const sides = {
        base: before,
        ours: after,
        theirs: other === undefined ? before : other.after,
      }
      edits.set(name, await this.#mergeEntry(joinPath(path, name), sides))
    }
    // What only they changed is in their tree already.
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
    const { base, ours, theirs } = sides
    if (!ours && !theirs) return undefined
    if (!ours || !theirs) {
      if (!base) return ours ?? theirs
      return this.#report(path, 'modify/delete', sides)
    }
    if (typeOf(ours) !== typeOf(theirs)) return this.#report(path, 'type', sides)
    const mode = mergeModes(base?.mode, ours.mode, theirs.mode)
    const oid = await this.#mergeOids(path, { base, ours, theirs })
    if (oid !== undefined && mode !== undefined) return { mode, oid }
    this.#report(path, base ? (oid === undefined ? 'content' : 'mode') : 'add/add', sides)
    if (!this.#isVirtual) return base
    return this.#virtualFile({ base, ours, mode: mode ?? ours.mode, oid })
  }

  /** The merged content; `undefined` for a conflict. */
  async #mergeOids(
    path: string,
    { base, ours, theirs }: { base: Side | undefined; ours: Side; theirs: Side },
  ): Promise<Oid | undefined> {
    if (ours.oid === theirs.oid || ours.oid === base?.oid) return theirs.oid
    if (theirs.oid === base?.oid) return ours.oid
    if (typeOf(ours) !== FILE) return undefined
    const merged = await this.#mergeContent({
      path,
      base: base && typeOf(base) === FILE ? base.oid : undefined,
      ours: ours.oid,
      theirs: theirs.oid,
      isVirtual: this.#isVirtual,
    })
    return merged && this.#draft.writeBlob(merged)
  }

  /**
   * What Git takes for a file in conflict between two merge bases: for content the older base, or nothing in it; for the
   * mode the first base's.
   */
  async #virtualFile(found: {
    readonly base: Side | undefined
    readonly ours: Side
    readonly mode: number
    readonly oid: Oid | undefined
  }): Promise<Side | undefined> {
    const { base, ours, mode, oid } = found
    if (oid !== undefined) return { mode, oid }
    if (typeOf(ours) !== FILE) return base
    const kept =
      base && typeOf(base) === FILE ? base.oid : await this.#draft.writeBlob(new Uint8Array(0))
    return { mode, oid: kept }
  }

  /** Notes a conflict; gives what stays in the tree. */
  #report(path: string, kind: ConflictKind, { base, ours, theirs }: Sides): Side | undefined {
    this.conflicts.push({ path, kind, base, ours, theirs })
    return base
  }
}

/** The bits of a mode that say what it is. */
const TYPE = 0o170000
const FILE = 0o100000

function typeOf({ mode }: Side): number {
  return canonical(mode) & TYPE
}

/** Modes as Git takes them: of a file, only whether its owner may execute it counts. */
function canonical(mode: number): number {
  const type = mode & TYPE
  if (type === 0o040000 || type === 0o120000 || type === 0o160000) return type
  return (mode & 0o100) === 0 ? 0o100644 : 0o100755
}

function isSame(a: Side | undefined, b: Side | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.oid === b.oid && canonical(a.mode) === canonical(b.mode)
}

/** The mode if one side alone changed it; `undefined` for a conflict. */
function mergeModes(base: number | undefined, ours: number, theirs: number): number | undefined {
  const [o, a, b] = [base === undefined ? 0 : canonical(base), canonical(ours), canonical(theirs)]
  if (a === b || a === o) return b
  return b === o ? a : undefined
}

function pick(sides: Sides, accepts: (mode: number) => boolean): Sides {
  const only = (side: Side | undefined): Side | undefined =>
    side && accepts(side.mode) ? side : undefined
  return { base: only(sides.base), ours: only(sides.ours), theirs: only(sides.theirs) }
}
