/**
 * Catalogs: the merged indexes that a root names, and which packs each of them covers.
 *
 * No pack is covered twice. Of writers that made a tail of the same root at the same time only the first one's becomes a
 * catalog; the packs of the others stay uncovered until a later tail takes them in. Otherwise every one of n writers would
 * add a catalog of all that n writers had before, and the list would outgrow the root.
 *
 * Spec: docs/storage-format.md, "R2"
 *
 * @module
 */
import { MalformedError } from '@datakit/git/error'
import type { PackId, PackInfo } from '@datakit/git/place'
import type { Fields } from './fields.ts'

/** A merged index: it lies behind the index of a pack. */
export interface CatalogRow {
  readonly key: string
  readonly start: number
  readonly size: number
  readonly covers: readonly PackId[]
}

/** A catalog of so many bytes takes in no more packs; a pack with an index of so many is left out. */
export const ENOUGH = 64 * 1024

/** The same for the catalog that comes with a large pack, or with one that takes the place of others. */
export const LARGE = 512 * 1024

/** Catalogs that cover live packs only, and the tails of new packs instead of those that they include. */
export function nextCatalogs(
  rows: readonly CatalogRow[],
  tails: readonly CatalogRow[],
  packs: readonly PackInfo[],
): CatalogRow[] {
  const live = new Set(packs.map(({ id }) => id))
  let next = rows.filter(({ covers }) => covers.every((id) => live.has(id)))
  for (const tail of tails) {
    if (!tail.covers.every((id) => live.has(id))) continue
    const covered = new Set(tail.covers)
    const apart = next.filter(({ covers }) => !covers.some((id) => covered.has(id)))
    const inside = next.filter(({ covers }) => covers.every((id) => covered.has(id)))
    if (apart.length + inside.length === next.length) next = [...apart, tail]
  }
  return next
}

/** How many catalogs, from the first, are full and stay as they are while their packs are live. */
export function countFull(rows: readonly CatalogRow[]): number {
  const end = rows.findIndex(({ size }) => size < ENOUGH)
  return end < 0 ? rows.length : end
}

/** Rows of catalogs: packs by their position in the list, several in a row as the first and the last. */
export function encodeCatalogs(rows: readonly CatalogRow[], packs: readonly PackInfo[]): unknown[] {
  const positions = new Map(packs.map(({ id }, position) => [id, position]))
  return rows.flatMap(({ key, start, size, covers }) => {
    const covered = covers.flatMap((id) => positions.get(id) ?? [])
    // One that covers a pack that is not listed would be of no use, and is none.
    return covered.length < covers.length ? [] : [[key, start, size, encodeRuns(covered)]]
  })
}

function encodeRuns(positions: readonly number[]): (number | [number, number])[] {
  const runs: [number, number][] = []
  for (const position of positions) {
    const last = runs.at(-1)
    if (last && last[1] + 1 === position) last[1] = position
    else runs.push([position, position])
  }
  return runs.map((run) => (run[0] === run[1] ? run[0] : run))
}

/** The catalogs that rows stand for. @throws MalformedError */
export function decodeCatalogs(
  fields: Fields,
  rows: unknown,
  packs: readonly PackInfo[],
): CatalogRow[] {
  return fields.list(rows).map((row) => {
    const [key, start, size, covers] = fields.list(row)
    return {
      key: fields.text(key),
      start: fields.count(start),
      size: fields.count(size),
      covers: fields.list(covers).flatMap((run) => decodeRun(fields, run, packs)),
    }
  })
}

function decodeRun(fields: Fields, run: unknown, packs: readonly PackInfo[]): PackId[] {
  const [first, last] = Array.isArray(run) ? run : [run, run]
  const covered = packs.slice(fields.count(first), fields.count(last) + 1).map(({ id }) => id)
  if (covered.length === fields.count(last) + 1 - fields.count(first) && covered.length > 0)
    return covered
  throw new MalformedError('a root', 'a catalog covers packs that are not listed')
}
