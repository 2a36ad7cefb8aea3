/**
 * Asking a place again for an update that it was too busy for, or whose answer was lost.
 *
 * `busy` is asked again after a wait that grows and is spread at random, so that writers who were turned away together
 * do not come back together. `unknown` is asked again with the same id: the receipt makes that safe.
 *
 * @module
 */
import { UnavailableError } from '@datakit/git/error'
import type { Place, UpdateOutcome, UpdateRequest } from '@datakit/git/place'
import { wait } from '../wait.ts'
import type { SettledOutcome } from './update.ts'

/** How often a place may say `busy` or nothing before we give up. */
const MAX_ATTEMPTS = 10
/** Longest wait between two attempts, in milliseconds. */
const MAX_WAIT = 5_000

/** Makes the update that was answered with `outcome`, or says what was not as it expected. @throws as `publish` */
export async function publishAgain(
  place: Place,
  request: UpdateRequest,
  outcome: UpdateOutcome,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<SettledOutcome> {
  let isInDoubt = false
  let cause: unknown
  let last = outcome
  for (let attempt = 0; ; attempt++) {
    if (last.state === 'done' || last.state === 'lost') return last
    cause = last.state === 'unknown' ? last.cause : undefined
    isInDoubt ||= last.state === 'unknown'
    await wait(pause(last.state === 'busy' ? last.retryAfter : 0, attempt), options.signal)
    if (attempt === MAX_ATTEMPTS - 1) break
    options.signal?.throwIfAborted()
    last = await ask(place, request, isInDoubt)
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
