/**
 * Ancestry: whether one commit lies behind another, also where the newer ones are in a pack that nobody sees yet.
 *
 * @module
 */
import { RefusedError } from '../error.ts'
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import { unpackLinks } from '../pack/links.ts'
import { findRow, type PackTable } from '../pack/pack-table.ts'
import { CommitQueue } from './commit-queue.ts'

/** Two commits, and where the newer one may be. */
export interface AncestryQuestion {
  readonly ancestor: Oid
  readonly descendant: Oid
  /** Objects that come in and are not in the repository yet. */
  readonly table?: PackTable | undefined
}

/** Commits that are looked at before the walk gives up. */
const MAX_COMMITS = 1_000_000

interface CommitFacts {
  readonly parents: readonly Oid[]
  readonly time: number
  /** 0 where nobody knows. */
  readonly generation: number
}

/**
 * Whether `descendant` is `ancestor` or leads to it.
 *
 * Newest commits first; where generations are known, none that is too low to lead there.
 *
 * @throws RefusedError `too-complex` when that would take too long
 */
export async function isAncestor(objects: Objects, question: AncestryQuestion): Promise<boolean> {
  const { ancestor, descendant, table } = question
  const lowest = (await factsOf(objects, ancestor, table))?.generation ?? 0
  const oids: Oid[] = []
  const seen = new Set<Oid>()
  const queue = new CommitQueue()
  const visit = async (oid: Oid): Promise<void> => {
    if (seen.has(oid)) return
    seen.add(oid)
    const facts = await factsOf(objects, oid, table)
    if (facts === undefined) return
    if (lowest > 0 && facts.generation > 0 && facts.generation <= lowest) return
    queue.add(oids.push(oid) - 1, facts)
  }
  if (descendant === ancestor) return true
  await visit(descendant)
  for (let next = queue.take(); next !== undefined; next = queue.take()) {
    const oid = oids[next]
    const facts = oid === undefined ? undefined : await factsOf(objects, oid, table)
    for (const parent of facts?.parents ?? []) {
      if (parent === ancestor) return true
      await visit(parent)
    }
    if (seen.size > MAX_COMMITS) {
      const problem = `more than ${MAX_COMMITS} commits would have to be looked at`
      throw new RefusedError(
        'too-complex',
        `Cannot tell whether this is a fast-forward: ${problem}`,
      )
    }
  }
  return false
}

/** `undefined` for what is no commit or is not there: it leads no further. */
async function factsOf(
  objects: Objects,
  oid: Oid,
  table: PackTable | undefined,
): Promise<CommitFacts | undefined> {
  const row = table === undefined ? -1 : findRow(table, oid)
  const packed = row < 0 ? undefined : table?.packedLinks(row)
  const links = row < 0 ? await linksOf(objects, oid) : packed && unpackLinks(packed)
  if (links?.kind !== 'commit') return undefined
  return objects.state.shallow.has(oid) ? { ...links, parents: [] } : links
}

async function linksOf(objects: Objects, oid: Oid) {
  return (await objects.has(oid)) ? objects.links(oid) : undefined
}
