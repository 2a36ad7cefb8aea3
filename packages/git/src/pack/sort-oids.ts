/**
 * Sorting the oids of a pack that somebody else made.
 *
 * @module
 */
import { MalformedError } from '../error.ts'
import { OID_BYTES, readOid } from '../oid.ts'
import { OidOrder } from './oid-order.ts'

/**
 * The order of the oids of a pack, 20 bytes each.
 *
 * @throws MalformedError when an object is there twice
 */
export function sortOids(oids: Uint8Array, count: number): OidOrder {
  const order = new OidOrder(oids, count)
  if (order.twice === undefined) return order
  const oid = readOid(oids, order.twice * OID_BYTES)
  throw new MalformedError('a pack', `it holds ${oid} twice`)
}
