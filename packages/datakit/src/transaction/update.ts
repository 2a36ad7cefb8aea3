/**
 * Asking a place for an update until it has answered.
 *
 * `busy` is asked again after a wait that grows and is spread at random, so that writers who were turned away together
 * do not come back together. `unknown` is asked again with the same id: the receipt makes that safe.
 *
 * @module
 */
import { randomId } from '@datakit/git/bytes'
import { UnavailableError } from '@datakit/git/error'
import type { Place, UpdateOutcome, UpdateRequest } from '@datakit/git/place'

/** How often a place may say `busy` or nothing before we give up. */
const MAX_ATTEMPTS = 10
/** Longest wait between two attempts, in milliseconds. */
const MAX_WAIT = 5_000

/** An answer that means something. */
export type SettledOutcome = Extract<UpdateOutcome, { state: 'done' | 'lost' }>

/**
 * Makes the update, or says what was not as it expected.
 *
 * @throws UnavailableError when the place cannot be written, or was busy or silent for too long; the message says when the
 *   update may have been made all the same
 */
export async function publish(
  place: Place,
  request: Omit<UpdateRequest, 'id'> & { readonly id?: string },
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<SettledOutcome> {
  const withId = { ...request, id: request.id ?? randomId() }
  let isInDoubt = false
  let cause: unknown
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    options.signal?.throwIfAborted()
    const outcome = await ask(place, withId, isInDoubt)
    if (outcome.state === 'done' || outcome.state === 'lost') return outcome
    cause = outcome.state === 'unknown' ? outcome.cause : undefined
    isInDoubt ||= outcome.state === 'unknown'
    await wait(pause(outcome.state === 'busy' ? outcome.retryAfter : 0, attempt), options.signal)
  }
  const doubt = isInDoubt ? ', it may have been made' : ''
  throw new UnavailableError(`Cannot update the repository: no answer; try again later${doubt}`, {
    cause,
  })
}

/** Asks once. That a place fails says nothing of an earlier attempt whose answer was lost. */
async function ask(
  place: Place,
  request: UpdateRequest,
  isInDoubt: boolean,
): Promise<UpdateOutcome> {
  try {
    return await place.update(request)
  } catch (cause) {
    if (!isInDoubt || !(cause instanceof UnavailableError)) throw cause
    return { state: 'unknown', cause }
  }
}

/** At least what the place asked for, plus a random part that doubles. */
function pause(retryAfter: number, attempt: number): number {
  return Math.min(retryAfter, MAX_WAIT) + Math.random() * Math.min(10 * 2 ** attempt, MAX_WAIT)
}

/** Waits, and stops waiting when told to. @throws the signal's reason */
export async function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', stop, { once: true })
  })
}
