/**
 * The driver `binary`: what both sides changed is in conflict, whatever it is.
 *
 * @module
 */
import type { MergeDriver } from './driver.ts'

/** How much of a file Git looks at, in bytes. */
const LOOKED_AT = 8000

/** Whether Git takes it for binary: there is a zero byte near its beginning. */
export function isBinary(bytes: Uint8Array): boolean {
  return bytes.subarray(0, LOOKED_AT).includes(0)
}

/** Merges nothing. */
export const binary: MergeDriver = () => ({
  state: 'conflict',
  reason: 'It is merged as a whole, and both sides changed it',
})
