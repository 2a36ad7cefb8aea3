/**
 * From an opened index back to a table, to merge or to extend it.
 *
 * @module
 */
import { compareAt } from '../oid.ts'
import { concat, utf8 } from '../bytes.ts'
import type { PackContents, PackId } from '../place.ts'
import { encodeIndexOf } from './encode-index.ts'
import { malformedIndex } from './index-format.ts'
import { indexLinks, type LinkRows } from './index-links.ts'
import { sortRows } from './oid-order.ts'
import { openPackIndexBytes, type PackIndex } from './pack-index.ts'
import { PackTable, type RawRow } from './pack-table.ts'

/** An index with everything in it read. */
interface WholeIndex extends LinkRows {
  readonly index: PackIndex
  readonly crcs: Uint32Array
}

/** An index that goes into a merged one. */
export interface MergePart {
  readonly index: PackIndex
  /** The pack that it is of; `undefined` for a merged index, which says so itself. */
  readonly pack: PackId | undefined
}

/**
 * The table that an index was made of, in the order of the oids.
 *
 * @param shift what to add to every offset, for a pack that is appended to another
 */
export async function tableOfIndex(index: PackIndex, shift = 0): Promise<PackTable> {
  const whole = await readWhole(index)
  const table = new PackTable()
  for (let ordinal = 0; ordinal < index.count; ordinal++) {
    const row = rowOf(whole, ordinal)
    table.addRaw({ ...row, offset: row.offset + shift })
  }
  return table
}

/** An index that came along with its pack. */
export interface ReceivedIndex extends PackContents {
  readonly index: PackIndex
}

/**
 * Opens the index of a pack that somebody else made, and reads all of it, so that it can be stored as it is.
 *
 * @param bytes kept, not copied
 * @throws MalformedError when any part of it is cut short or leads out of bounds
 */
export async function openReceivedIndex(bytes: Uint8Array<ArrayBuffer>): Promise<ReceivedIndex> {
  const index = await openPackIndexBytes(bytes)
  if (index.packs.length > 0) throw malformedIndex('it is of several packs')
  await readWhole(index)
  return {
    index,
    count: index.count,
    encodeIndex: () => bytes,
    toTable: () => tableOfIndex(index),
  }
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
  return encodeIndexOf(table, [
    { tag: 'pack', rows: packs.length, parts: [packOf] },
    { tag: 'pkid', rows: ids.length, parts: [utf8(ids.join('\n'))] },
  ])
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

async function readWhole(index: PackIndex): Promise<WholeIndex> {
  return {
    index,
    crcs: await index.crcs(),
    commits: await index.commits(),
    edges: await index.edges(),
    tags: await index.tags(),
  }
}

function rowOf(whole: WholeIndex, ordinal: number): RawRow {
  const { index, crcs } = whole
  return {
    oid: index.oidBytes(ordinal),
    offset: index.offset(ordinal),
    length: index.length(ordinal),
    crc: crcs[ordinal] ?? 0,
    type: index.type(ordinal),
    size: index.size(ordinal),
    base: index.linkBytes(index.base(ordinal)),
    links: indexLinks(index, whole, ordinal),
  }
}
