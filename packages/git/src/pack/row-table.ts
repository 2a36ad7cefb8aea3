/**
 * RowTable: the objects of one pack whose rows are values already, as those of a commit are.
 *
 * Every `as RawRow` below is of a row that is there: rows are counted by `count`.
 *
 * @module
 */
import { concat } from '../bytes.ts'
import type { PackContents } from '../place.ts'
import { encodeIndexOf, type IndexRows } from './encode-index.ts'
import { OidOrder } from './oid-order.ts'
import type { RawRow } from './pack-table.ts'

/** What is known of the objects of a pack. For millions of them see `PackTable`, which keeps no value a row. */
export interface RowTable extends IndexRows, PackContents {}

/** A table of rows, in their order, each of another object; they and their bytes are kept, not copied. */
export function rowTable(rows: readonly RawRow[]): RowTable {
  const at = (row: number): RawRow => rows[row] as RawRow
  const table: RowTable = {
    count: rows.length,
    order: () => new OidOrder(concat(rows.map(({ oid }) => oid)), rows.length),
    offset: (row) => at(row).offset,
    length: (row) => at(row).length,
    size: (row) => at(row).size,
    crc: (row) => at(row).crc,
    type: (row) => at(row).type,
    baseBytes: (row) => at(row).base,
    packedLinks: (row) => at(row).links,
    encodeIndex: () => encodeIndexOf(table),
  }
  return table
}
