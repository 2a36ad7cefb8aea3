/**
 * Packs from memory: what a transaction or a merge writes.
 *
 * Spec: https://git-scm.com/docs/pack-format
 *
 * @module
 */
import { concat, u32, utf8 } from '../bytes.ts'
import type { ObjectType } from '../object.ts'
import { encodeOid, type Oid } from '../oid.ts'
import type { Runtime } from '../runtime.ts'
import { crc32 } from './crc32.ts'
import { encodeEntryHeader, encodeOfsHeader, encodeRefHeader } from './entry.ts'
import { packLinks, readLinks, type Links } from './links.ts'
import type { RawRow } from './pack-table.ts'
import { rowTable, type RowTable } from './row-table.ts'

/** An object for a new pack. */
export interface PackObject {
  readonly oid: Oid
  readonly type: ObjectType
  readonly body: Uint8Array
  /** How to store it as a delta, if so; the base comes earlier in the pack, or the pack becomes thin. */
  readonly delta?: { readonly base: Oid; readonly bytes: Uint8Array } | undefined
  /** What it names; read from the body when left out. */
  readonly links?: Links | undefined
}

/** A whole pack in memory. */
export interface EncodedPack {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Made when it is asked for, each time: what large trees name is much work, and a pack that is sent needs no index. */
  readonly table: RowTable
}

/** The first twelve bytes of a pack of `count` objects. */
export function encodePackHeader(count: number): Uint8Array<ArrayBuffer> {
  return concat([utf8('PACK\0\0\0\x02'), u32(count)])
}

/**
 * Encodes a pack of `objects`, in their order; none may be there twice. Deltas against an object before them in the pack
 * become OFS_DELTA, others REF_DELTA.
 *
 * @param level of compression, 0 to 9; when left out, 6 for what is not better stored (`Runtime.storesUpTo`)
 */
export async function encodePack(
  runtime: Runtime,
  objects: readonly PackObject[],
  level?: number,
): Promise<EncodedPack> {
  const entries: (Pick<RawRow, 'offset' | 'length' | 'crc'> & { object: PackObject })[] = []
  const parts: Uint8Array[] = [encodePackHeader(objects.length)]
  const offsets = new Map<Oid, number>()
  let offset = 12
  for (const object of objects) {
    const content = object.delta?.bytes ?? object.body
    const isStored = level === undefined && content.length <= runtime.storesUpTo
    const data = await runtime.deflate(content, isStored ? 0 : level)
    const header = headerOf(object, offset, offsets)
    const length = header.length + data.length
    entries.push({ object, offset, length, crc: crc32(data, crc32(header)) })
    offsets.set(object.oid, offset)
    parts.push(header, data)
    offset += length
  }
  const body = concat([...parts, new Uint8Array(20)])
  body.set(await runtime.digest(body.subarray(0, -20)), body.length - 20)
  return {
    bytes: body,
    get table() {
      return rowTable(entries.map(({ object, ...entry }) => ({ ...rowOf(object), ...entry })))
    },
  }
}

function headerOf(
  { type, body, delta }: PackObject,
  offset: number,
  offsets: ReadonlyMap<Oid, number>,
): Uint8Array {
  if (delta === undefined) return encodeEntryHeader(type, body.length)
  const base = offsets.get(delta.base)
  if (base === undefined) return encodeRefHeader(delta.bytes.length, delta.base)
  return encodeOfsHeader(delta.bytes.length, offset - base)
}

function rowOf({ oid, type, body, delta, links }: PackObject) {
  return {
    oid: encodeOid(oid),
    type,
    size: body.length,
    base: delta === undefined ? undefined : encodeOid(delta.base),
    links: links === undefined ? readLinks(type, body) : packLinks(links),
  }
}
