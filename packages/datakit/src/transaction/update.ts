/**
 * Asking a place for an update until it has answered; asked again by `publish-again.ts`.
 *
 * @module
 */
import { randomId } from '@datakit/git/bytes'
import type { Place, UpdateOutcome, UpdateRequest } from '@datakit/git/place'
import { later } from '../loading.ts'

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
  options.signal?.throwIfAborted()
  const withId = { ...request, id: request.id ?? randomId() }
  const outcome = await place.update(withId)
  if (outcome.state === 'done' || outcome.state === 'lost') return outcome
  return (await later()).publishAgain(place, withId, outcome, options)
}
