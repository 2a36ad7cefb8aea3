/**
 * Turns: tabs and workers that update one repository at the same time come one after the other, in the order in which they asked.
 *
 * Only a hint. An update is made by compare-and-swap all the same, so whoever cannot wait any longer takes the turn away from the
 * one who has it, which may be a page that was frozen in the middle. Who loses an update keeps the turn for a moment: what it
 * makes of what it lost to is the next update, and fits then.
 *
 * @module
 */
import type { UpdateOutcome } from '@datakit/git/place'

/** How long a turn is waited for, in milliseconds. */
export const PATIENCE = 2_000
/** How long a turn is kept for another attempt, in milliseconds: a merge, on a machine that has more to do. */
export const KEPT = 500

/** So long after an update that was lost updates take turns, in milliseconds. */
const CROWDED = 2_000

/** Who hears what became of updates. */
export interface Crowd {
  /** Of all who have the repository open. */
  readonly channel: BroadcastChannel | undefined
  /** Makes an update when it is its turn. */
  inTurn: (update: () => Promise<UpdateOutcome>) => Promise<UpdateOutcome>
}

const known = new WeakMap<Crowd, Turns>()

/** Has updates take turns for a while: one was lost. */
export function crowd(place: Crowd): void {
  const turns = known.get(place) ?? new Turns(place.channel?.name ?? '')
  known.set(place, turns)
  turns.lostAt = Date.now()
  place.inTurn = (update) => turns.take(update)
}

/** The turns of one place. */
class Turns {
  /** When an update was lost last, here or elsewhere, in milliseconds since 1970. */
  lostAt = 0
  readonly #name: string
  /** Lets go of the turn that is kept; `undefined` while there is none. */
  #end: (() => void) | undefined

  /** `name` is that of the lock. */
  constructor(name: string) {
    this.#name = name
  }

  /** Makes an update when it is its turn; at once when none was lost for a while. */
  async take(update: () => Promise<UpdateOutcome>): Promise<UpdateOutcome> {
    if (Date.now() - this.lostAt > CROWDED) return update()
    const end = this.#end ?? (await this.#begin())
    this.#end = undefined
    let isLost = false
    try {
      const outcome = await update()
      isLost = outcome.state === 'lost'
      return outcome
    } finally {
      if (isLost) this.#keep(end)
      else end()
    }
  }

  #keep(end: () => void): void {
    const kept = (): void => {
      clearTimeout(timer)
      end()
    }
    const timer = setTimeout(() => {
      if (this.#end === kept) this.#end = undefined
      end()
    }, KEPT)
    this.#end = kept
  }

  /** Waits for the turn; gives how to end it. Never rejects. */
  #begin(): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<() => void>()
    let hasBegun = false
    const ask = async (options: LockOptions): Promise<unknown> =>
      navigator.locks.request(this.#name, options, () => {
        hasBegun = true
        return new Promise<void>((end) => resolve(end))
      })
    ask({ signal: AbortSignal.timeout(PATIENCE) }).catch(() => {
      // Somebody took it away later; or whoever has it does not move; or there are no locks here.
      if (!hasBegun) ask({ steal: true }).catch(() => resolve(() => {}))
    })
    return promise
  }
}
