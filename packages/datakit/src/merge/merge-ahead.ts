/**
 * Merge ahead: the files that a merge will need, fetched in one request where they were left with a remote: those that both
 * sides changed, and the attributes that say how they are merged.
 *
 * @module
 */
import { NotHereError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import { findEntry, isTreeMode } from '@datakit/git/tree'
import { kindOfMode } from '@datakit/git/tree-entry'
import { readTreeBody } from '../files/object-source.ts'
import { joinPath } from '../files/path.ts'
import { compareTrees } from '../history/tree-difference.ts'
import type { Side } from './conflict.ts'
import type { Trees, TreesMerge } from './merge.ts'

/** Merges whose files are here, or on the way. */
const prepared = new WeakMap<TreesMerge, Promise<void>>()

/** Fetches the files once, if anything can be fetched. What is made on the way of a merge is here. */
export function fetchForMerge(within: TreesMerge): Promise<void> {
  const ready = prepared.get(within) ?? fetchFiles(within)
  prepared.set(within, ready)
  return ready
}

async function fetchFiles({ trees, draft }: TreesMerge): Promise<void> {
  const { onDemand } = draft
  if (onDemand === undefined || draft.mergeContent === undefined) return
  const wanted = new Set<Oid>()
  const open: (Trees & { readonly path: string })[] = [{ ...trees, path: '' }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { path, base, ours, theirs } = next
    if (ours === theirs || base === theirs || base === ours) continue
    const bodies = {
      base: await readTreeBody(draft, base, path),
      ours: await readTreeBody(draft, ours, path),
      theirs: await readTreeBody(draft, theirs, path),
    }
    for (const body of Object.values(bodies)) {
      const attributes = findEntry(body, '.gitattributes')
      if (attributes !== undefined) wanted.add(attributes.oid)
    }
    const theirChanges = compareTrees(bodies.base, bodies.theirs)
    for (const [name, { before, after }] of compareTrees(bodies.base, bodies.ours)) {
      if (!theirChanges.has(name)) continue
      const other = theirChanges.get(name)?.after
      for (const side of mergedFiles(before, after, other)) wanted.add(side.oid)
      const directory = (side: Side | undefined): Oid | undefined =>
        side && isTreeMode(side.mode) ? side.oid : undefined
      open.push({
        path: joinPath(path, name),
        base: directory(before),
        ours: directory(after),
        theirs: directory(other),
      })
    }
  }
  try {
    await onDemand.ahead(wanted)
  } catch (error) {
    // Not all of it need be needed: whoever reads what is not here says so, with its path.
    if (!(error instanceof NotHereError)) throw error
  }
}

function isRegular(side: Side | undefined): side is Side {
  return side !== undefined && kindOfMode(side.mode) === 'file'
}

/** The versions of a file that has to be merged by its content. */
function mergedFiles(
  base: Side | undefined,
  ours: Side | undefined,
  theirs: Side | undefined,
): Side[] {
  if (!isRegular(ours) || !isRegular(theirs)) return []
  const isSettled = ours.oid === theirs.oid || base?.oid === ours.oid || base?.oid === theirs.oid
  if (isSettled) return []
  return [...(isRegular(base) ? [base] : []), ours, theirs]
}
