/**
 * Values that a view reads before it can show them.
 *
 * @module
 */
import { useEffect, useLayoutEffect, useState } from 'preact/hooks'
import type { Session } from '../session.ts'
import { explainProblem } from '../status.ts'

/** A value on its way. While it is read again the last one stays. */
export type Loaded<T> =
  | { readonly state: 'loading'; readonly value: T | undefined }
  | { readonly state: 'ready'; readonly value: T }
  | { readonly state: 'failed'; readonly value: undefined; readonly reason: string }

/** Reads a value now and again whenever one of `inputs` is another; the answer to an earlier call is dropped. */
export function useLoaded<T>(read: () => Promise<T>, inputs: readonly unknown[]): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ state: 'loading', value: undefined })
  // At once: an effect that waits for the next frame would show everything a frame later.
  useLayoutEffect(() => {
    let isWanted = true
    setLoaded((before) => ({ state: 'loading', value: before.value }))
    read().then(
      (value) => isWanted && setLoaded({ state: 'ready', value }),
      (error: unknown) =>
        isWanted && setLoaded({ state: 'failed', value: undefined, reason: explainProblem(error) }),
    )
    return () => {
      isWanted = false
    }
  }, inputs)
  return loaded
}

/** As {@link useLoaded}, for what the server may have to give: what failed is read again when that has answered, or when asked. */
export function useReached<T>(
  session: Session,
  read: () => Promise<T>,
  inputs: readonly unknown[],
): Loaded<T> & { readonly retry: () => void } {
  const [attempt, setAttempt] = useState(0)
  const loaded = useLoaded(read, [session, ...inputs, attempt])
  const retry = (): void => setAttempt((before) => before + 1)
  const answers = session.syncing.answers.value
  useEffect(() => {
    if (loaded.state === 'failed') retry()
  }, [answers])
  return { ...loaded, retry }
}
