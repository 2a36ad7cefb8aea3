/**
 * Settlement: what is decided of each wish of a request, until everything is.
 *
 * @module
 */
import type { RefUpdate } from '../place.ts'
import type { RefRewrite } from '../protocol/push.ts'
import type { DelegateAnswer } from './delegate.ts'
import type { RefOutcome } from './receive.ts'
import type { MadeUpdate } from './ref-rules.ts'

const ATOMIC = 'atomic push failure'

/** The wishes of one request, and their outcomes. */
export class Settlement {
  readonly #updates: readonly RefUpdate[]
  readonly #isAtomic: boolean
  readonly #outcomes = new Map<string, RefOutcome>()
  /** What a delegate said of updates that he gave back, by name of the ref. */
  readonly #rewrites = new Map<string, readonly RefRewrite[]>()
  #hasFailedWhole = false

  constructor(updates: readonly RefUpdate[], isAtomic: boolean) {
    this.#updates = updates
    this.#isAtomic = isAtomic
  }

  /** Names of all wishes. */
  get names(): ReadonlySet<string> {
    return new Set(this.#updates.map(({ name }) => name))
  }

  /** The wishes that have no outcome yet. */
  open(): readonly RefUpdate[] {
    return this.#updates.filter(({ name }) => !this.#outcomes.has(name))
  }

  /** Those that were made, and how. */
  made(): readonly MadeUpdate[] {
    return this.#updates.flatMap((update): MadeUpdate[] => {
      const outcome = this.#outcomes.get(update.name)
      return outcome?.state === 'done' ? [{ ...update, rewrites: outcome.rewrites }] : []
    })
  }

  /**
   * Gives a wish its outcome. One that fails takes the others with it, if the caller wants all or none: also what a delegate
   * has made already, as in Git's report.
   */
  settle(outcome: RefOutcome): void {
    this.#outcomes.set(outcome.name, outcome)
    if (outcome.state === 'done' || !this.#isAtomic || this.#hasFailedWhole) return
    this.#hasFailedWhole = true
    for (const { name } of this.#updates)
      if ((this.#outcomes.get(name)?.state ?? 'done') === 'done') this.refuse(name, ATOMIC)
  }

  /** Says no to one wish, and to no other. */
  refuse(name: string, reason: string): void {
    this.#outcomes.set(name, { name, state: 'refused', reason })
  }

  /** The place has made the update. */
  done(name: string): void {
    this.settle({ name, state: 'done', rewrites: this.#rewrites.get(name) })
  }

  /** Takes in what a delegate made of the updates that were `his`; what he gave back stays open. */
  take({ outcomes, problem }: DelegateAnswer, his: readonly RefUpdate[]): void {
    for (const { name } of his) {
      const outcome = outcomes.get(name)
      if (outcome?.state === 'refused') this.refuse(name, outcome.reason)
      else if (outcome?.state === 'done')
        this.#outcomes.set(name, { name, state: 'done', rewrites: outcome.rewrites })
      else if (outcome === undefined) this.refuse(name, problem ?? 'nobody says what became of it')
      else this.#rewrites.set(name, outcome.rewrites)
    }
    if (problem === undefined || !this.#isAtomic) return
    for (const { name } of this.open()) this.refuse(name, problem)
  }

  /** Every wish with its outcome, in their order; `reason` is the one of those that have none. */
  outcomes(reason = ATOMIC): readonly RefOutcome[] {
    for (const { name } of this.open()) this.settle({ name, state: 'refused', reason })
    return this.#updates.map(
      ({ name }) => this.#outcomes.get(name) ?? { name, state: 'refused', reason: ATOMIC },
    )
  }
}
