/**
 * Checking catalogs: whether each says of the packs that it covers what their own indexes say.
 *
 * @module
 */
import { GitError } from '@datakit/git/error'
import { openPackIndex, type PackIndex } from '@datakit/git/pack/pack-index'
import type { CatalogInfo, PackId } from '@datakit/git/place'
import { found, messageOf, type CheckEvent } from './finding.ts'

/** Compares catalogs with the indexes of packs, those that can be opened; says whether one is wrong. */
export async function* checkCatalogs(
  catalogs: readonly CatalogInfo[],
  listed: ReadonlyMap<PackId, PackIndex | undefined>,
): AsyncGenerator<CheckEvent, boolean> {
  let isBad = false
  for (const catalog of catalogs) {
    const problem = await problemOfCatalog(catalog, listed)
    if (problem === undefined) continue
    isBad = true
    const about = catalog.covers.join(' ')
    yield found('catalog', about, { message: `a catalog is wrong: ${problem}`, remedy: 'repair' })
  }
  return isBad
}

async function problemOfCatalog(
  catalog: CatalogInfo,
  listed: ReadonlyMap<string, PackIndex | undefined>,
): Promise<string | undefined> {
  let merged: PackIndex
  try {
    merged = await openPackIndex((start, end) => catalog.read(start, end), catalog.size)
  } catch (error) {
    if (!(error instanceof GitError) || error.code === 'unavailable') throw error
    return messageOf(error)
  }
  for (let ordinal = 0; ordinal < merged.count; ordinal++) {
    const id = merged.packs[merged.packOf(ordinal)] ?? ''
    const index = listed.get(id)
    if (!catalog.covers.includes(id)) return `it leads to pack ${id}, which it does not cover`
    if (index !== undefined && !isSameRow(merged, ordinal, index))
      return `it is wrong about ${merged.oid(ordinal)} in pack ${id}`
  }
  for (const id of catalog.covers) {
    const index = listed.get(id)
    for (let ordinal = 0; ordinal < (index?.count ?? 0); ordinal++) {
      const bytes = index?.oidBytes(ordinal)
      if (bytes !== undefined && merged.findBytes(bytes) < 0)
        return `it leaves out ${index?.oid(ordinal)} of pack ${id}`
    }
  }
  return undefined
}

function isSameRow(merged: PackIndex, ordinal: number, index: PackIndex): boolean {
  const own = index.findBytes(merged.oidBytes(ordinal))
  return (
    own >= 0 &&
    index.offset(own) === merged.offset(ordinal) &&
    index.length(own) === merged.length(ordinal) &&
    index.size(own) === merged.size(ordinal) &&
    index.type(own) === merged.type(ordinal) &&
    index.linkOid(index.base(own)) === merged.linkOid(merged.base(ordinal))
  )
}
