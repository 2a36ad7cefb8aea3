/**
 * Listening to what happens in the page, until one stops.
 *
 * @module
 */

/** Calls the listener at each event of this type. Returns how to stop. */
export function listen(
  target: EventTarget,
  type: string,
  listener: (event: Event) => void,
): () => void {
  target.addEventListener(type, listener)
  return () => target.removeEventListener(type, listener)
}
