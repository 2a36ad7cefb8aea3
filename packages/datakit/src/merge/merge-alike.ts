/**
 * Merging what both sides have alike and the base has not: it stays as it is, as in Git, which asks no driver then.
 *
 * But a counter that both took from 1 to 2 was raised twice. So files whose attribute `merge` says `counter` are merged here, too.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { isTreeMode } from '@datakit/git/tree'
import { addsUp } from '@datakit/merge/drivers'
import type { Side } from './conflict.ts'
import type { TreeEdits } from '../transaction/draft.ts'
import { readTreeBody } from '../files/object-source.ts'
import { joinPath } from '../files/path.ts'
import { compareTrees, type Difference } from '../history/tree-difference.ts'
import { fetchForMerge } from './merge-ahead.ts'
import { mergeAttribute } from './merge-content.ts'
import type { TreesMerge } from './merge.ts'
import { isRegular } from './mode.ts'

/** The tree that both sides have, with its counters added up. */
export async function mergeAlikeTrees(
  within: TreesMerge,
  path: string,
  { base, side }: { readonly base: Oid | undefined; readonly side: Oid | undefined },
): Promise<Oid | undefined> {
  if (side === undefined || base === side || within.draft.mergeContent === undefined) return side
  const { draft } = within
  const before = await readTreeBody(draft, base, path)
  const changes = compareTrees(before, await readTreeBody(draft, side, path))
  const edits = await mergeAlike(within, path, changes)
  return edits.size === 0 ? side : draft.editTree(side, edits)
}

/** What becomes of entries of a directory that both sides have alike; of those alone that do not stay as they are. */
export async function mergeAlike(
  within: TreesMerge,
  directory: string,
  changes: Iterable<readonly [name: string, change: Difference]>,
): Promise<TreeEdits> {
  const edits = new Map<string, Side | undefined>()
  for (const [name, { before: base, after: side }] of changes) {
    if (side === undefined) continue
    const path = joinPath(directory, name)
    const oid = isTreeMode(side.mode)
      ? await mergeAlikeTrees(within, path, { base: treeOf(base), side: side.oid })
      : await mergeAlikeFile(within, path, { base, side })
    if (oid !== undefined && oid !== side.oid) edits.set(name, { mode: side.mode, oid })
  }
  return edits
}

/** The content of a file that both sides have alike. */
export async function mergeAlikeFile(
  within: TreesMerge,
  path: string,
  { base, side }: { readonly base: Side | undefined; readonly side: Side },
): Promise<Oid> {
  const { draft } = within
  if (base?.oid === side.oid || !isRegular(side) || draft.mergeContent === undefined)
    return side.oid
  await fetchForMerge(within)
  if (!addsUp(await mergeAttribute(within, path))) return side.oid
  const outcome = await draft.mergeContent({ path, base, ours: side, theirs: side, within })
  // What is no number is what both sides want.
  return outcome.state === 'merged' ? draft.writeBlob(outcome.bytes) : side.oid
}

function treeOf(side: Side | undefined): Oid | undefined {
  return side && isTreeMode(side.mode) ? side.oid : undefined
}
