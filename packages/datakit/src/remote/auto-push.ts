/**
 * Auto-push: whatever changes here is pushed a while later, for as long as somebody listens.
 *
 * Changes that come together are one push, and there is one push at a time. While the remote is out of reach the push is
 * tried again after a wait that grows; what only a person can settle ends it.
 *
 * @module
 */
import { UnavailableError } from '@datakit/git/error'
import type { NamedRemote } from '@datakit/git/remote-list'
import { pushRemote, type PushOptions, type PushOutcome } from './push.ts'
import { isOwnName } from '../branch/ref-pattern.ts'
import type { Repository } from '../repository.ts'
import { wait } from '../wait.ts'

/** When to push. */
export interface AutoPushOptions extends PushOptions {
  /** Milliseconds without a change before a push; 2000 when left out. */
  readonly quiet?: number | undefined
  /** Milliseconds after which is pushed though changes go on; five times `quiet` when left out. */
  readonly patience?: number | undefined
  /** Milliseconds before the second try; 1000 when left out, twice as many before each further one. */
  readonly retryAfter?: number | undefined
}

/** What happened. */
export type AutoPushEvent =
  /** Everything is there. */
  | { readonly state: 'pushed'; readonly outcome: PushOutcome }
  /** The remote is out of reach, and is tried again in so many milliseconds. */
  | { readonly state: 'waiting'; readonly error: UnavailableError; readonly retryAfter: number }
  /** The remote took some refs or none, and will not take the others: a person has to look. It ends here. */
  | { readonly state: 'stopped'; readonly outcome: PushOutcome }

/** Longest wait between two tries, in milliseconds. */
const MAX_WAIT = 300_000
const DONE = new Set(['created', 'updated', 'deleted', 'unchanged'])

/**
 * Pushes what is here, and then whatever changes. Pushes that had nothing to do are not told. Ends when the signal says so,
 * or behind `stopped`.
 *
 * @throws as `pushRemote`, but while the remote is out of reach: a token that is not taken ends it
 */
export async function* autoPush(
  repository: Repository,
  remote: NamedRemote,
  options: AutoPushOptions,
): AsyncGenerator<AutoPushEvent, void, undefined> {
  const changes = new Changes(repository, options)
  let tries = 0
  let pushed: string | undefined
  try {
    for (;;) {
      // Every change of the place is hinted at, also those that are nobody else's business.
      const own = await ownRefs(repository)
      if (own === pushed) {
        await changes.next()
        continue
      }
      const event = await pushOnce(repository, remote, options)
      if (options.signal?.aborted === true) return
      if (event.state === 'waiting') {
        const retryAfter = Math.min((options.retryAfter ?? 1000) * 2 ** tries++, MAX_WAIT)
        yield { ...event, retryAfter }
        await wait(retryAfter * (1 + Math.random() / 4), options.signal)
        continue
      }
      tries = 0
      if (event.outcome.refs.some(({ state }) => state !== 'unchanged')) yield event
      if (event.state === 'stopped') return
      pushed = own
    }
  } catch (error) {
    if (options.signal?.aborted !== true) throw error
  } finally {
    changes.close()
  }
}

async function pushOnce(
  repository: Repository,
  remote: NamedRemote,
  options: AutoPushOptions,
): Promise<
  Exclude<AutoPushEvent, { state: 'waiting' }> | { state: 'waiting'; error: UnavailableError }
> {
  try {
    const outcome = await pushRemote(repository, remote, options)
    const isDone = outcome.refs.every(({ state }) => DONE.has(state))
    return { state: isDone ? 'pushed' : 'stopped', outcome }
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error
    return { state: 'waiting', error }
  }
}

/** Where every ref of one's own is. */
async function ownRefs({ store }: Repository): Promise<string> {
  let own = ''
  for await (const { name, oid } of (await store.state()).refs())
    if (isOwnName(name)) own += `${oid} ${name}\n`
  return own
}

/** Hints of a place, batched. One that comes while nobody waits is remembered. */
class Changes {
  readonly #options: AutoPushOptions
  readonly #unsubscribe: () => void
  #isHinted = false
  #wake = (): void => {}

  constructor({ store }: Repository, options: AutoPushOptions) {
    this.#options = options
    this.#unsubscribe = store.place.subscribe(() => {
      this.#isHinted = true
      this.#wake()
    })
    options.signal?.addEventListener('abort', this.#stop)
  }

  readonly #stop = (): void => this.#wake()

  /** Waits for a change, and then until there was none for a while, or for too long. @throws the signal's reason */
  async next(): Promise<void> {
    const { quiet = 2000, signal } = this.#options
    const { patience = 5 * quiet } = this.#options
    await this.#hint()
    for (const end = Date.now() + patience; ;) {
      signal?.throwIfAborted()
      this.#isHinted = false
      const left = end - Date.now()
      if (left <= 0) return
      await wait(Math.min(quiet, left), signal)
      if (!this.#isHinted) return
    }
  }

  close(): void {
    this.#unsubscribe()
    this.#options.signal?.removeEventListener('abort', this.#stop)
  }

  async #hint(): Promise<void> {
    const { signal } = this.#options
    signal?.throwIfAborted()
    if (!this.#isHinted) await new Promise<void>((resolve) => (this.#wake = resolve))
    this.#wake = () => {}
    signal?.throwIfAborted()
  }
}
