/**
 * Loading what is not needed to open, to read, to commit and to sync.
 *
 * @module
 */

/** Everything in `later.ts`, loaded when it is first asked for. */
export function later() {
  return import('./later.ts')
}
