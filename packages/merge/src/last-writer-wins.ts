/**
 * The rule "the last writer wins", for whoever knows who wrote last.
 *
 * Bytes have no date, so no driver can be called so in `.gitattributes`: a program makes one for a file out of the dates
 * at which each side last changed that file, and registers it for that merge.
 *
 * @module
 */
import type { MergeDriver } from './driver.ts'
import { takeSide } from './structured/structured-driver.ts'

/** When each side last changed the file, in seconds; any clock will do if it is the same for both. */
export interface LastChanges {
  readonly ours: number
  readonly theirs: number
}

/**
 * A driver that takes the later version whole, and of two that are as late the one whose bytes sort last. A side that did
 * not change the file since the base has not written, whatever its date.
 */
export function lastWriterWins(changed: LastChanges): MergeDriver {
  return (input) => {
    const taken = takeSide(input)
    if (taken) return { state: 'merged', bytes: taken }
    const order = changed.ours - changed.theirs || compareBytes(input.ours, input.theirs)
    return { state: 'merged', bytes: order > 0 ? input.ours : input.theirs }
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
