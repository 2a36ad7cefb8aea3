/**
 * Named outside: what the objects of a pack name and the pack does not hold.
 *
 * @module
 */
import { OID_BYTES } from '../oid.ts'
import { OidMap } from '../oid-map.ts'
import type { PackedLinks } from './links.ts'
import { OidOrder } from './oid-order.ts'
import type { PackTable } from './pack-table.ts'

/**
 * Trees, files and what tags point at, 20 bytes each, ascending, none twice; parents of commits are left out. `undefined`
 * where the table does not know the links of all its objects: of one that was read from a whole pack they are known.
 *
 * @throws MalformedError when an object is there twice
 */
export function namedOutside(table: PackTable): Uint8Array<ArrayBuffer> | undefined {
  const order = table.order()
  const outside = new OidMap()
  for (let row = 0; row < table.count; row++) {
    const links = table.packedLinks(row)
    if (links === undefined) {
      if (table.type(row) === 'blob') continue
      return undefined
    }
    // What the other tree has, and this one too, is found there.
    if (links.against && order.find(links.oids) < 0) return undefined
    const { oids } = links
    for (let at = firstChild(links); at < endOfChildren(links); at += OID_BYTES)
      if (order.find(oids, at) < 0) outside.add(oids, at)
  }
  const oids = new Uint8Array(outside.size * OID_BYTES)
  for (let i = 0; i < outside.size; i++) oids.set(outside.oidBytes(i), i * OID_BYTES)
  return new OidOrder(oids, outside.size).sorted
}

function firstChild({ against, removed }: PackedLinks): number {
  return (against ? 1 + removed : 0) * OID_BYTES
}

function endOfChildren({ kind, oids }: PackedLinks): number {
  return kind === 'commit' ? OID_BYTES : oids.length
}
