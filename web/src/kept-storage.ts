/**
 * Whether this browser keeps anything for the page. Where it does not (a private window, a setting), the page works in memory, and
 * says so.
 *
 * Found out once, before anything else: a page does not change sides while it is open.
 *
 * @module
 */
import { signal, type ReadonlySignal } from '@preact/signals'

const kept = signal(true)

/** Whether what is written outlives the page. */
export const isKept: ReadonlySignal<boolean> = kept

/** Works in memory from here on. */
export function keepNothing(): void {
  kept.value = false
}
