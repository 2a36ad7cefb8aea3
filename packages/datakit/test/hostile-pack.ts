/**
 * Packs that nobody makes who means well: entries as they are, whatever they say of themselves, and indexes that tell of them what
 * one likes.
 *
 * @module
 */
import { concat, utf8 } from '@datakit/git/bytes'
import type { ObjectType } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { DeltaWriter } from '@datakit/git/pack/delta'
import { encodeEntryHeader, encodeOfsHeader, encodeRefHeader } from '@datakit/git/pack/entry'
import { PackTable, packRow, type PackRow } from '@datakit/git/pack/pack-table'
import { encodePackHeader } from '@datakit/git/pack/write-pack'
import { createHash } from 'node:crypto'
import { deflateSync } from 'node:zlib'

/** One entry, and what the index tells of it. */
export interface Entry {
  readonly bytes: Uint8Array
  readonly row: Pick<PackRow, 'oid' | 'type' | 'base'> & Partial<PackRow>
}

/** A whole object under any name; `size` where its header lies. */
export function wholeEntry(
  { oid, type }: { readonly oid: Oid; readonly type: ObjectType },
  body: Uint8Array,
  size = body.length,
): Entry {
  const bytes = concat([encodeEntryHeader(type, size), deflateSync(body)])
  return { bytes, row: { oid, type, base: undefined } }
}

/** A delta that names its base. */
export function refEntry(
  { oid, type }: { readonly oid: Oid; readonly type: ObjectType },
  base: Oid,
  delta: Uint8Array,
): Entry {
  const bytes = concat([encodeRefHeader(delta.length, base), deflateSync(delta)])
  return { bytes, row: { oid, type, base } }
}

/** A delta whose base begins `distance` bytes before it. */
export function ofsEntry(
  { oid, type }: { readonly oid: Oid; readonly type: ObjectType },
  distance: number,
  delta: Uint8Array,
): Entry {
  const bytes = concat([encodeOfsHeader(delta.length, distance), deflateSync(delta)])
  return { bytes, row: { oid, type, base: oid } }
}

/** A delta that makes twice its base. */
export function doubling(size: number): Uint8Array {
  const writer = new DeltaWriter(size, 2 * size)
  writer.copy(0, size)
  writer.copy(0, size)
  return writer.finish()
}

/** A delta that takes nothing of its base: as long as what it makes. */
export function insertion(size: number, body: Uint8Array): Uint8Array {
  const writer = new DeltaWriter(size, body.length)
  writer.insert(body)
  return writer.finish()
}

/** The pack, with a trailer that is right, and its index. */
export function sectionsOf(
  entries: readonly Entry[],
  count = entries.length,
): [pack: Uint8Array<ArrayBuffer>, index: Uint8Array<ArrayBuffer>] {
  const table = new PackTable()
  let offset = 12
  for (const { bytes, row } of entries) {
    const { length } = bytes
    table.addRaw(packRow({ offset, length, crc: 0, size: 0, links: undefined, ...row }))
    offset += length
  }
  const body = concat([encodePackHeader(count), ...entries.map(({ bytes }) => bytes)])
  const pack = concat([body, createHash('sha1').update(body).digest()])
  return [pack, table.encodeIndex()]
}

/** A name that nothing has. */
export function nameOf(text: string): Oid {
  return createHash('sha1').update(utf8(text)).digest('hex') as Oid
}
