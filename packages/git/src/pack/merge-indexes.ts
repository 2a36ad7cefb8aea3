/**
 * Merged indexes: one that says of the objects of many packs where they are.
 *
 * Spec: docs/storage-format.md, "Pack index"
 *
 * @module
 */
import { concat, utf8 } from '../bytes.ts'
import { compareAt } from '../oid.ts'
import type { PackId } from '../place.ts'
import { encodeIndexOf } from './encode-index.ts'
import { generationsOf } from './generations.ts'
import { readWhole, rowOf } from './index-table.ts'
import { sortRows } from './oid-order.ts'
import type { PackIndex } from './pack-index.ts'
import { PackTable } from './pack-table.ts'

/** An index that goes into a merged one. */
export interface MergePart {
  readonly index: PackIndex
  /** The pack that it is of; `undefined` for a merged index, which says so itself. */
  readonly pack: PackId | undefined
}

/** The table that an index was made of, in the order of the oids. */
export async function tableOfIndex(index: PackIndex): Promise<PackTable> {
  const whole = await readWhole(index)
  const table = new PackTable()
  for (let ordinal = 0; ordinal < index.count; ordinal++) table.addRaw(rowOf(whole, ordinal))
  return table
}

/**
 * Merges indexes into one that says of each object which pack it is in. An object that several have is taken from the
 * first.
 *
 * @throws RangeError when there are more than 65,535 packs
 */
export async function mergeIndexes(parts: readonly MergePart[]): Promise<Uint8Array<ArrayBuffer>> {
  const ids = [
    ...new Set(parts.flatMap(({ index, pack }) => (pack === undefined ? index.packs : [pack]))),
  ]
  if (ids.length > 0xffff) throw new RangeError(`Too many packs for one index: ${ids.length}`)
  const numbers = new Map(ids.map((id, number) => [id, number]))
  const isFirst = firstCopies(parts.map(({ index }) => index))
  const table = new PackTable()
  const packs: number[] = []
  let copy = 0
  for (const { index, pack } of parts) {
    const whole = await readWhole(index)
    for (let ordinal = 0; ordinal < index.count; ordinal++) {
      if (isFirst[copy++] !== 1) continue
      table.addRaw(rowOf(whole, ordinal))
      packs.push(numbers.get(pack ?? index.packs[index.packOf(ordinal)] ?? '') ?? 0)
    }
  }
  const order = table.order()
  const packOf = Uint16Array.from(packs, (_, ordinal) => packs[order.row(ordinal)] ?? 0)
  const more = [
    { tag: 'pack', rows: packs.length, parts: [packOf] },
    { tag: 'pkid', rows: ids.length, parts: [utf8(ids.join('\n'))] },
  ] as const
  return encodeIndexOf(table, { more, fill: generationsOf })
}

/** For each object of the indexes, one after the other, 1 when no earlier one has it. */
function firstCopies(indexes: readonly PackIndex[]): Uint8Array {
  const oids = concat(
    indexes.flatMap((index) =>
      Array.from({ length: index.count }, (_, ordinal) => index.oidBytes(ordinal)),
    ),
  )
  const isFirst = new Uint8Array(oids.length / 20)
  let before = -1
  for (const row of sortRows(oids, isFirst.length)) {
    if (before < 0 || compareAt(oids, before * 20, oids, row * 20) !== 0) isFirst[row] = 1
    before = row
  }
  return isFirst
}
