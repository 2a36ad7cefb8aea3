/**
 * A place in a bad hour: it takes no update at the moment, or does not say whether it made one, as IndexedDB does when its connection
 * dies and R2 when a key is written too often or an answer is lost.
 *
 * @module
 */
import type { Place, UpdateOutcome } from '@datakit/git/place'
import type { Scheduler } from './scheduler.ts'

/** The place with surprises, each of them as likely as `rate` says at that moment. */
export function roughPlace(place: Place, scheduler: Scheduler, rate: () => number): Place {
  const cause = new Error('the connection was lost')
  return {
    ...place,
    async update(request): Promise<UpdateOutcome> {
      if (!scheduler.chance(rate())) return place.update(request)
      const kind = scheduler.below(3)
      if (kind === 0) return { state: 'busy', retryAfter: scheduler.below(2000) }
      if (kind === 1) await place.update(request)
      return { state: 'unknown', cause }
    },
  }
}
