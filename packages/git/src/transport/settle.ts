/**
 * Settle: asks a place for an update until it says how it ended.
 *
 * @module
 */
import { UnavailableError } from '../error.ts'
import type { Place, UpdateOutcome, UpdateRequest } from '../place.ts'

/** How long a place may be busy before the caller is told so, in milliseconds. */
const PATIENCE = 30_000
/** How often an outcome that nobody knows is asked for. */
const MAX_UNKNOWN = 6

/** An update that ended. */
export type SettledOutcome = Extract<UpdateOutcome, { state: 'done' | 'lost' }>

/**
 * Makes the update, waiting while the place is busy and asking again under the same id where the answer was lost.
 *
 * @throws UnavailableError when the place stays busy, or does not say how the update ended: it may have been made then
 */
export async function settleUpdate(
  place: Pick<Place, 'update'>,
  request: UpdateRequest,
  signal?: AbortSignal,
): Promise<SettledOutcome> {
  const giveUp = Date.now() + PATIENCE
  for (let unknown = 0, asked = request; ; asked = { ...request, isFirst: false }) {
    const outcome = await place.update(asked)
    if (outcome.state === 'done' || outcome.state === 'lost') return outcome
    const { problem, cause, delay } = describe(outcome, unknown)
    if (outcome.state === 'unknown') unknown++
    if (Date.now() + delay > giveUp || unknown > MAX_UNKNOWN)
      throw new UnavailableError(problem, { cause })
    await wait(delay, signal)
  }
}

/** Waits, and a random part longer, so that those who were refused together do not come back together. */
export async function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, milliseconds * (1 + Math.random() / 2))
  const stop = (): void => {
    clearTimeout(timer)
    resolve()
  }
  signal?.addEventListener('abort', stop, { once: true })
  await promise
  signal?.removeEventListener('abort', stop)
  signal?.throwIfAborted()
}

function describe(
  outcome: Exclude<UpdateOutcome, SettledOutcome>,
  unknown: number,
): { problem: string; cause?: unknown; delay: number } {
  if (outcome.state === 'busy') {
    return { problem: 'The repository takes no update at the moment', delay: outcome.retryAfter }
  }
  const problem = 'The repository does not say whether the update was made'
  return { problem, cause: outcome.cause, delay: 50 * 2 ** unknown }
}
