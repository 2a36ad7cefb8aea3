/**
 * From an opened index back to the rows that it was made of, to merge or to extend it.
 *
 * @module
 */
import type { PackContents } from '../place.ts'
import { malformedIndex } from './index-format.ts'
import { indexLinks, type LinkRows } from './index-links.ts'
import { openPackIndexBytes, type PackIndex } from './pack-index.ts'
import type { RawRow } from './pack-table.ts'

/** An index with everything in it read. */
export interface WholeIndex extends LinkRows {
  readonly index: PackIndex
  readonly crcs: Uint32Array
}

/** The rows that an index was made of, in the order of the oids; their bytes are views of it. */
export async function rowsOfIndex(index: PackIndex): Promise<RawRow[]> {
  const whole = await readWhole(index)
  return Array.from({ length: index.count }, (_, ordinal) => rowOf(whole, ordinal))
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
  return { index, count: index.count, encodeIndex: () => bytes }
}

/** Reads all sections of an index. @throws MalformedError when one is cut short or leads out of bounds */
export async function readWhole(index: PackIndex): Promise<WholeIndex> {
  return {
    index,
    crcs: await index.crcs(),
    commits: await index.commits(),
    edges: await index.edges(),
    tags: await index.tags(),
  }
}

/** The row of an object. */
export function rowOf(whole: WholeIndex, ordinal: number): RawRow {
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
