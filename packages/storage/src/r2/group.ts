/**
 * Group: updates of one repository that wait together become one root.
 *
 * R2 takes about one write a second to a key. What comes while a root is on its way, or waits for its turn, is decided
 * one after the other, each on the root that the one before it would make, and the last of these roots is put. Each update
 * has the outcome, the receipt and the lines in the log that it would have had alone, and is told nothing before the
 * root is stored.
 *
 * Only for a Durable Object: in a Worker, whatever a request waits for ends with the request that began it.
 *
 * @module
 */
import type { UpdateOutcome } from '@datakit/git/place'
import type { Decision } from './change.ts'
import type { Repository } from './repository.ts'
import { versionOf, type Root } from './root.ts'

/** Decides about one update on what a root says; asked again for every root that it is tried on. */
export type Decide = (root: Root) => Promise<Decision>

/** How many updates go into one root. */
const MAX_TOGETHER = 64

interface Member {
  readonly decide: Decide
  readonly resolve: (outcome: UpdateOutcome) => void
  readonly reject: (error: unknown) => void
}

/** What is to be done about a root, and what each member is told when it is done. */
interface Plan {
  readonly decision: Decision
  readonly answers: ReadonlyMap<Member, UpdateOutcome>
}

/** Gathers the updates of one repository. */
export class UpdateGroup {
  readonly #repository: Repository
  #waiting: readonly Member[] = []
  #isRunning = false

  constructor(repository: Repository) {
    this.#repository = repository
  }

  /** Changes the root as `decide` says, together with others. As {@link Repository.swap}, for who is alone. */
  swap(decide: Decide): Promise<UpdateOutcome> {
    const { promise, resolve, reject } = Promise.withResolvers<UpdateOutcome>()
    this.#waiting = [...this.#waiting, { decide, resolve, reject }]
    if (!this.#isRunning) void this.#run()
    return promise
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#waiting.length > 0) await this.#round()
    this.#isRunning = false
  }

  /** Puts one root, with all who came before it was decided. */
  async #round(): Promise<void> {
    let plan: Plan | undefined
    let failed: Member | undefined
    const decideAll = async (root: Root): Promise<Decision> => {
      failed = undefined
      plan = await this.#plan(root, (member) => (failed = member))
      return plan.decision
    }
    try {
      const outcome = await this.#repository.swap(decideAll)
      const isDecided = outcome.state === 'done' || outcome.state === 'lost'
      for (const member of this.#dismiss(failed ? [failed] : (plan?.answers.keys() ?? [])))
        member.resolve((isDecided && plan?.answers.get(member)) || outcome)
    } catch (error) {
      // Of one update when it was decided about; of all of them when the bucket does not take the root.
      for (const member of this.#dismiss(failed ? [failed] : this.#waiting)) member.reject(error)
    }
  }

  /** Decides about everybody, in the order in which they came. @throws what the decision about the first one throws */
  async #plan(root: Root, failing: (member: Member) => void): Promise<Plan> {
    const answers = new Map<Member, UpdateOutcome>()
    let next = root
    for (const member of this.#waiting.slice(0, MAX_TOGETHER)) {
      const decision = await member.decide(next).catch((error: unknown) => {
        // On a root that is not stored yet there may be an error that there is not on the one that will be.
        if (next !== root) return undefined
        failing(member)
        throw error
      })
      if (decision === undefined) continue
      if ('loss' in decision) {
        // What is kept of a loss must be true: it waits for the round that begins with what is stored by then.
        if (next !== root || answers.size > 0) continue
        return { decision, answers }
      }
      if ('next' in decision) next = decision.next
      const { repository, epoch } = next
      answers.set(
        member,
        decision.answer ?? { state: 'done', version: versionOf(repository, epoch) },
      )
    }
    const [first] = answers.values()
    if (next !== root || first === undefined) return { decision: { next }, answers }
    return { decision: { answer: first }, answers }
  }

  /** Those who are told now wait no longer. */
  #dismiss(members: Iterable<Member>): readonly Member[] {
    const dismissed = new Set(members)
    this.#waiting = this.#waiting.filter((member) => !dismissed.has(member))
    return [...dismissed]
  }
}
