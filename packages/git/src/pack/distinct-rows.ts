/**
 * Distinct rows: a table of a pack that holds objects twice, with one copy of each.
 *
 * `git index-pack` takes such packs, and other implementations have made them.
 *
 * @module
 */
import type { Oid } from '../oid.ts'
import { PackTable } from './pack-table.ts'

/**
 * The table with one row for each object, in the same order; the same table when there is nothing to leave out.
 *
 * Of an object's copies the first is taken whose base, if it has one, was taken before: so deltas of the copies that
 * stay lead to whole objects and not in a circle, which copies with opposite bases could.
 */
export function distinctRows(table: PackTable): PackTable {
  const rows = Array.from({ length: table.count }, (_, row) => row)
  const all = new Set(rows.map((row) => table.oid(row)))
  if (all.size === table.count) return table
  const taken = new Map<Oid, number>()
  for (let before = -1; taken.size > before;) {
    before = taken.size
    for (const row of rows) {
      const base = table.base(row)
      const leads = base === undefined || taken.has(base) || !all.has(base)
      if (leads && !taken.has(table.oid(row))) taken.set(table.oid(row), row)
    }
  }
  const distinct = new PackTable()
  for (const row of [...taken.values()].sort((a, b) => a - b)) distinct.addRaw(table.rawRow(row))
  return distinct
}
