/**
 * Repository: one root in a bucket, read and swapped.
 *
 * A root is replaced by a put on condition that its etag is still the one that was read, and made by a put on condition
 * that there is none. What can come of it:
 *
 * - stored;
 * - not stored, because another was faster: the root is read again and the change decided anew;
 * - refused, because R2 takes about one write a second to a key: waited for as long as there is patience, then `busy`;
 * - an exception: perhaps stored. Either the root that was found is still there, and then another put on the same
 *   condition settles it (only one of the two can be stored), or it is not, and then the receipt in the root that is
 *   there tells.
 *
 * @module
 */
import { UnavailableError } from '@datakit/git/error'
import type { State, UpdateOutcome } from '@datakit/git/place'
import { isThrottled } from './bucket.ts'
import type { Decision } from './change.ts'
import { objectKey, rootKey } from './keys.ts'
import { Leftovers } from './leftovers.ts'
import { keepLoss } from './losses.ts'
import { Overflow } from './overflow.ts'
import { decodeRoot, encodeRoot, NO_ROOT, versionOf, type Root } from './root.ts'
import { stateOf } from './state.ts'
import { hasBody, pause, retrying, type Store } from './store.ts'

/** What a repository is told by its depot. */
export interface Settings {
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** How long an update waits for its turn before it answers `busy`, in milliseconds. */
  readonly patience: number
  /** How far apart the bucket takes two writes to one key, in milliseconds. */
  readonly writeInterval: number
}

/** A root as it was found. */
export interface Found {
  readonly root: Root
  /** `undefined` when there is no root. */
  readonly etag: string | undefined
  readonly state: State
}

/** Where an update stands before a try. */
interface Standing {
  /** A root to try it on at once; otherwise one is read. */
  readonly known: Found | undefined
  readonly leftovers: Leftovers
  /** The outcome of an earlier try, when its answer was lost. */
  readonly doubt: UpdateOutcome | undefined
}

/** How one try ended: as the whole, or so that there should be another. */
type Try = UpdateOutcome | { readonly state: 'stale' | 'overtaken' }

/** After so many answers that were lost, an update is `unknown`. */
const LOST_ANSWERS = 3

/** A repository as all places of one name in one depot share it. */
export class Repository {
  readonly store: Store
  readonly settings: Settings
  readonly name: string
  /** Key of the root. */
  readonly key: string
  readonly listeners = new Set<() => void>()
  #found: Found | undefined

  /** @throws RefusedError `bad-name` */
  constructor(store: Store, name: string, settings: Settings) {
    this.store = store
    this.settings = settings
    this.name = name
    this.key = rootKey(name)
  }

  /** The root as it was last found here, perhaps long ago. */
  get last(): Found | undefined {
    return this.#found
  }

  /** The root as it is: one request, without a body when nothing changed. */
  async load(): Promise<Found> {
    const last = this.#found
    const condition =
      last?.etag === undefined ? undefined : { onlyIf: { etagDoesNotMatch: last.etag } }
    const answer = await retrying(async () => {
      const object = await this.store.bucket.get(this.key, condition)
      if (!object) return undefined
      const bytes = hasBody(object) ? new Uint8Array(await object.arrayBuffer()) : undefined
      return { etag: object.etag, bytes }
    })
    if (!answer) return this.#keep(undefined, NO_ROOT)
    if (!answer.bytes && last) return last
    if (!answer.bytes)
      throw new UnavailableError(`Cannot read "${this.key}": it came without its bytes`)
    const root = await decodeRoot(answer.bytes, (repository, id) =>
      this.store.readWhole(objectKey('t', repository, id)),
    )
    return this.#keep(answer.etag, root)
  }

  /**
   * Changes the root as `decide` says, which is asked again whenever another was faster.
   *
   * @throws UnavailableError when the bucket cannot be read or does not take what goes along with the root
   */
  async swap(decide: (root: Root) => Promise<Decision>): Promise<UpdateOutcome> {
    const deadline = Date.now() + this.settings.patience
    let known = this.#found
    const doubts: UpdateOutcome[] = []
    const leftovers = new Leftovers(this.store)
    for (let tries = 1; ; tries++) {
      const outcome = await this.#try({ known, leftovers, doubt: doubts[0] }, decide)
      if (outcome.state === 'done' || outcome.state === 'lost') return outcome
      known = undefined
      if (outcome.state === 'stale') continue
      if (outcome.state === 'unknown' && doubts.push(outcome) >= LOST_ANSWERS) return outcome
      const wait = outcome.state === 'busy' ? outcome.retryAfter : backOff(tries)
      if (Date.now() + wait > deadline) return doubts[0] ?? this.#busy()
      await pause(wait)
    }
  }

  /** One try, on the root that is known or else on the one that is there. */
  async #try(
    { known, leftovers, doubt }: Standing,
    decide: (root: Root) => Promise<Decision>,
  ): Promise<Try> {
    try {
      const found = known ?? (await this.load())
      if (!known) await leftovers.settle(found.root)
      const decision = await decide(found.root)
      if ('next' in decision) {
        const outcome = await this.#publish(found, decision.next, leftovers)
        return outcome.state === 'done' ? (decision.answer ?? outcome) : outcome
      }
      // A root from before is good enough to write on condition, but not to say no.
      if (known) return { state: 'stale' }
      if ('answer' in decision) return decision.answer
      await keepLoss(this.store, found.root, decision.loss)
      return { state: 'stale' }
    } catch (error) {
      if (known) return { state: 'stale' }
      if (doubt && error instanceof UnavailableError) return doubt
      throw error
    }
  }

  async #publish(found: Found, next: Root, leftovers: Leftovers): Promise<Try> {
    const overflow = new Overflow(this.store, this.settings.clock())
    const root = await overflow.fit(next)
    const outcome = await this.#put(found, root)
    if (outcome.state === 'done') await leftovers.settle(root)
    else leftovers.add(root, overflow.written)
    return outcome
  }

  async #put({ etag }: Found, root: Root): Promise<Try> {
    const onlyIf = etag === undefined ? { etagDoesNotMatch: '*' } : { etagMatches: etag }
    try {
      const object = await this.store.bucket.put(this.key, encodeRoot(root), { onlyIf })
      if (!object) return { state: 'overtaken' }
      this.#keep(object.etag, root)
      return { state: 'done', version: versionOf(root.repository, root.epoch) }
    } catch (cause) {
      return isThrottled(cause) ? this.#busy() : { state: 'unknown', cause }
    }
  }

  /** Lets the listeners know that something changed. */
  tell(): void {
    for (const listener of this.listeners) queueMicrotask(listener)
  }

  /** The jitter keeps those who wait from coming together again. */
  #busy(): UpdateOutcome {
    return {
      state: 'busy',
      retryAfter: Math.ceil(this.settings.writeInterval * (1 + Math.random() / 2)),
    }
  }

  #keep(etag: string | undefined, root: Root): Found {
    const found = { root, etag, state: stateOf(this.store, root) }
    const last = this.#found
    // An answer that was overtaken on its way by a later one is good for whoever asked, and for nobody after.
    if (last?.root.repository === root.repository && last.root.epoch > root.epoch) return found
    const changed = last !== undefined && last.state.version !== found.state.version
    this.#found = found
    if (changed) this.tell()
    return found
  }
}

function backOff(tries: number): number {
  return Math.random() * 20 * 2 ** Math.min(tries, 5)
}
