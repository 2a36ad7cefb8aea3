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

const fleeting = signal(false)

/**
 * Whether this looks like a private window, whose browser throws away what it keeps when it is closed. It cannot always be told:
 * private windows of Chromium are like any other.
 */
export const isFleeting: ReadonlySignal<boolean> = fleeting

/** Finds out whether this looks like a private window. Never rejects. */
export async function lookForPrivateWindow(): Promise<void> {
  try {
    await navigator.storage.getDirectory()
  } catch (error) {
    // Firefox has databases in private windows, and no directory. Older browsers have none at all.
    fleeting.value = error instanceof DOMException && error.name === 'SecurityError'
  }
}

/** Works in memory from here on. */
export function keepNothing(): void {
  kept.value = false
}
