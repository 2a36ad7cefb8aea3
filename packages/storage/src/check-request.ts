/**
 * Requests for an update that cannot be.
 *
 * @module
 */
import { RefusedError } from '@datakit/git/error'
import type { Receipt, UpdateRequest } from '@datakit/git/place'

/**
 * Refuses a request that contradicts itself.
 *
 * @throws RangeError when a ref is named twice, or the id is too short to be random
 */
export function checkRequest(request: UpdateRequest): void {
  if (!/^[0-9a-f]{32,}$/.test(request.id)) throw new RangeError(`Not an update id: "${request.id}"`)
  const names = new Set<string>()
  for (const { name } of request.refs) {
    if (names.has(name)) throw new RangeError(`Cannot update "${name}" twice in one request`)
    names.add(name)
  }
}

/**
 * Refuses a receipt of another request under the same id.
 *
 * @throws RefusedError `receipt-mismatch`
 */
export function checkReceipt(receipt: Receipt, digest: string): void {
  if (receipt.digest === digest) return
  throw new RefusedError(
    'receipt-mismatch',
    `Cannot update: the id "${receipt.id}" was used for another update`,
  )
}
