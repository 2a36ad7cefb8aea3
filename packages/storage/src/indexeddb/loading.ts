/**
 * Loading what a page that stores and syncs seldom needs.
 *
 * @module
 */

/** Everything in `later.ts`, loaded when it is first asked for. */
export function later() {
  return import('./later.ts')
}
