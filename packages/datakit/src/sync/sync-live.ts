/**
 * Live sync: syncs whenever the server tells of something that is not here.
 *
 * @module
 */
import { DamagedError, MalformedError } from '@datakit/git/error'
import { SyncError } from '../error.ts'
import { briefExchange } from './brief-exchange.ts'
import type { Repository } from '../repository.ts'
import { Remote, type SyncOptions, type SyncOutcome } from './sync.ts'
import type { WatchState } from '../watch/watch-server.ts'
import { endable, Slot } from '../watch/watch.ts'
import { News } from './server-news.ts'

/** What to sync, and with whom. */
export interface LiveSyncOptions extends SyncOptions {
  /** Told how the stream is doing, and of a sync that failed and is tried again. */
  readonly onState?: ((state: WatchState) => void) | undefined
}

/** Longest wait after a sync that failed, in milliseconds. */
const MAX_WAIT = 60_000
/** What passes: nobody answered, something else did, or the server was busy. */
const PASSING: ReadonlySet<string> = new Set([
  'offline',
  'not-datakit',
  'busy',
  'unavailable',
  'cut-off',
  'malformed',
  'taken-back',
])

/**
 * Syncs at once, then whenever the server has something that is not here; gives what became of each. What several events tell
 * is one sync; what this repository has pushed itself is none. Commits that are made here go out with the next one: who wants
 * them out at once syncs himself. Ends when the signal says so.
 *
 * @throws SyncError when the server says no, `no-watch` when it has no watch stream
 */
export function liveSync(
  repository: Repository,
  options: LiveSyncOptions,
): AsyncIterableIterator<SyncOutcome, void, undefined> {
  const ended = new AbortController()
  const slot = new Slot()
  const stop = (): void => {
    ended.abort()
    slot.ring()
  }
  options.signal?.addEventListener('abort', stop)
  if (options.signal?.aborted === true) stop()
  return endable(outcomes(repository, { ...options, signal: ended.signal }, { slot, stop }), stop)
}

async function* outcomes(
  repository: Repository,
  options: LiveSyncOptions & { readonly signal: AbortSignal },
  { slot, stop }: { readonly slot: Slot; readonly stop: () => void },
): AsyncGenerator<SyncOutcome, void, undefined> {
  const news = new News(repository, { isDue: true })
  const listening = news.listen(options, slot)
  const remote = new Remote(repository, { exchange: briefExchange(), ...options })
  slot.ring()
  try {
    for (let [failures, pause] = [0, 0]; ;) {
      await slot.rung(failures === 0 ? news.patience : pause)
      slot.clear()
      if (options.signal.aborted) return
      if (!(await news.take()) && failures === 0) continue
      const { outcome, error } = await attempt(remote)
      if (options.signal.aborted) return
      failures = outcome === undefined ? failures + 1 : 0
      const asked = error instanceof SyncError ? error.retryAfter : 0
      pause = asked + pauseAfter(failures)
      if (outcome !== undefined) yield outcome
      else options.onState?.({ state: 'waiting', milliseconds: pause, error })
    }
  } finally {
    stop()
    await listening
  }
}

/** Longer with each failure, in part at random. */
function pauseAfter(failures: number): number {
  return Math.min(MAX_WAIT, 1000 * 2 ** (failures - 1)) * (0.5 + Math.random() / 2)
}

/** Syncs; an error that passes is a value. */
async function attempt(
  remote: Remote,
): Promise<{ readonly outcome?: SyncOutcome; readonly error?: unknown }> {
  try {
    return { outcome: await remote.sync() }
  } catch (error) {
    // Whoever is between the two may have changed an answer.
    if (error instanceof MalformedError && !(error instanceof DamagedError)) return { error }
    if (error instanceof SyncError && PASSING.has(error.code)) return { error }
    if (error instanceof DOMException && error.name === 'AbortError') return { error }
    throw error
  }
}
