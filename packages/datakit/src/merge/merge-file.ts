/**
 * Merging what two sides have under one path where neither has a directory.
 *
 * The mode and the content of a file are merged apart.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { kindOfMode } from '@datakit/git/tree-entry'
import type { ConflictKind, Side } from './conflict.ts'
import { mergeAlikeFile } from './merge-alike.ts'
import { fetchForMerge } from './merge-ahead.ts'
import type { Sides, TreesMerge } from './merge.ts'
import { canonicalMode, isRegular } from './mode.ts'

/** What stands in the merged tree, and the conflict if there is one. */
export interface MergedFile {
  readonly side: Side | undefined
  readonly kind?: ConflictKind
}

/** Merges files, links and submodules. */
export async function mergeFiles(
  within: TreesMerge,
  path: string,
  { base, ours, theirs }: Sides,
): Promise<MergedFile> {
  if (!ours && !theirs) return { side: undefined }
  if (!ours || !theirs)
    return base ? { side: base, kind: 'modify/delete' } : { side: ours ?? theirs }
  if (kindOfMode(ours.mode) !== kindOfMode(theirs.mode)) return { side: base, kind: 'type' }
  const mode = mergeModes(base?.mode, ours.mode, theirs.mode)
  const oid = await mergeOids(within, path, { base, ours, theirs })
  if (oid !== undefined && mode !== undefined) return { side: { mode, oid } }
  const { draft, virtual } = within
  const side = virtual ? await virtual.settle(draft, { base, ours, mode, oid }) : base
  return { side, kind: base ? (oid === undefined ? 'content' : 'mode') : 'add/add' }
}

/** The merged content; `undefined` for a conflict. */
async function mergeOids(
  within: TreesMerge,
  path: string,
  { base, ours, theirs }: { base: Side | undefined; ours: Side; theirs: Side },
): Promise<Oid | undefined> {
  if (ours.oid === base?.oid) return theirs.oid
  if (theirs.oid === base?.oid) return ours.oid
  if (ours.oid === theirs.oid) return mergeAlikeFile(within, path, { base, side: ours })
  if (!isRegular(ours)) return undefined
  const { draft, virtual } = within
  await fetchForMerge(within)
  const outcome = await draft.mergeContent?.({ path, base, ours, theirs, within })
  const isMerged = outcome?.state === 'merged'
  const bytes = isMerged ? outcome.bytes : virtual && outcome?.marked
  return bytes && draft.writeBlob(bytes)
}

/** The mode if one side alone changed it; `undefined` for a conflict. */
function mergeModes(base: number | undefined, ours: number, theirs: number): number | undefined {
  const [o, a, b] = [
    base === undefined ? 0 : canonicalMode(base),
    canonicalMode(ours),
    canonicalMode(theirs),
  ]
  if (a === b || a === o) return b
  return b === o ? a : undefined
}
