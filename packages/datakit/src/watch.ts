/**
 * Watch: the newest value of something that changes, for as long as somebody listens.
 *
 * The current value comes first. Then, whenever the place hints at a change, the value is read again and given if it
 * differs. Values in between may be skipped, the last one never is.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'

/**
 * Values of `read`, each different from the one before by `isEqual`. Ends when the signal says so.
 *
 * @throws what `read` throws
 */
export async function* watchPlace<T>(
  place: Place,
  read: () => Promise<T>,
  options: { readonly isEqual: (a: T, b: T) => boolean; readonly signal?: AbortSignal | undefined },
): AsyncGenerator<T, void, undefined> {
  const { signal, isEqual } = options
  // One slot: a hint that comes while nobody waits is remembered, ten hints are one.
  let hinted = false
  let wake = (): void => {}
  const hint = (): void => {
    hinted = true
    wake()
  }
  const isStopped = (): boolean => signal?.aborted === true
  const unsubscribe = place.subscribe(hint)
  signal?.addEventListener('abort', hint)
  try {
    let last: { readonly value: T } | undefined
    while (!isStopped()) {
      hinted = false
      const value = await read()
      if (isStopped()) return
      if (last === undefined || !isEqual(last.value, value)) {
        last = { value }
        yield value
      }
      // Hints only come between awaits, so none is lost between this check and the promise.
      if (!hinted) await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    unsubscribe()
    signal?.removeEventListener('abort', hint)
  }
}
