/**
 * Live sync: syncs whenever the server tells of something that is not here.
 *
 * @module
 */
import type { RefMove } from '@datakit/git/protocol/watch'
import { SyncError } from '../error.ts'
import type { Repository } from '../repository.ts'
import { HEADS, readKnown, type Refs } from './sync-refs.ts'
import { Remote, type SyncOptions, type SyncOutcome } from './sync.ts'
import { watchServer, type ServerEvent, type WatchState } from '../watch/watch-server.ts'
import { endable, Slot } from '../watch/watch.ts'

/** What to sync, and with whom. */
export interface LiveSyncOptions extends SyncOptions {
  /** Told how the stream is doing, and of a sync that failed and is tried again. */
  readonly onState?: ((state: WatchState) => void) | undefined
}

/** Longest wait after a sync that failed, in milliseconds. */
const MAX_WAIT = 60_000
/** What passes: nobody answered, or the server was busy. */
const PASSING: ReadonlySet<string> = new Set([
  'offline',
  'not-datakit',
  'busy',
  'unavailable',
  'cut-off',
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
  const news = new News(repository)
  const listening = news.listen(options, slot)
  const remote = new Remote(repository, options)
  slot.ring()
  try {
    for (let failures = 0; ;) {
      await slot.rung(failures === 0 ? news.patience : pauseAfter(failures))
      slot.clear()
      if (options.signal.aborted) return
      if (!(await news.take()) && failures === 0) continue
      const { outcome, error } = await attempt(remote)
      if (options.signal.aborted) return
      failures = outcome === undefined ? failures + 1 : 0
      if (outcome !== undefined) yield outcome
      else options.onState?.({ state: 'waiting', milliseconds: pauseAfter(failures), error })
    }
  } finally {
    stop()
    await listening
  }
}

/** Milliseconds within which a push from here is expected to be known. */
const DOUBT = 1000
/** Most events that are kept while a sync runs. */
const MAX_EVENTS = 100

/** What the server has told and nobody has looked at yet. */
class News {
  readonly #repository: Repository
  #events: ServerEvent[] = []
  /** Whether there is something to sync whatever the events say. There is at first. */
  #isDue = true
  #refused: { readonly error: unknown } | undefined
  /** Events of what may have been pushed from here a moment ago, and since when there are any. */
  #doubtful: ServerEvent[] = []
  #doubtfulSince = 0

  constructor(repository: Repository) {
    this.#repository = repository
  }

  /** Listens until the signal of the options; rings at each event, and when the server says no. */
  async listen(options: LiveSyncOptions, slot: Slot): Promise<void> {
    try {
      for await (const event of watchServer(options)) {
        this.#events.push(event)
        if (this.#events.length > MAX_EVENTS) this.#isDue = true
        if (this.#isDue) this.#events = []
        slot.ring()
      }
    } catch (error) {
      this.#refused = { error }
      slot.ring()
    }
  }

  /** Whether what was told is anything that is not here. @throws what the server said no with */
  async take(): Promise<boolean> {
    if (this.#refused !== undefined) throw this.#refused.error
    const [events, isDue] = [this.#events, this.#isDue]
    this.#events = []
    this.#isDue = false
    const { tracked, own } = await readKnown(await this.#repository.store.state())
    // What was pushed from here is told before the answer to it has come.
    const isOwn = ({ name, to }: RefMove): boolean =>
      name.startsWith(HEADS) && own.get(name.slice(HEADS.length)) === to
    if (isDue || events.some((event) => isNews(event, tracked, isOwn))) return true
    const open = [...this.#doubtful, ...events].filter((event) =>
      isNews(event, tracked, () => false),
    )
    const isLate = this.#doubtful.length > 0 && Date.now() - this.#doubtfulSince >= DOUBT
    if (this.#doubtful.length === 0) this.#doubtfulSince = Date.now()
    this.#doubtful = isLate ? [] : open
    return isLate && open.length > 0
  }

  /** Milliseconds after which to look again, though nothing is told. */
  get patience(): number | undefined {
    return this.#doubtful.length === 0 ? undefined : DOUBT
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
    if (error instanceof SyncError && PASSING.has(error.code)) return { error }
    if (error instanceof DOMException && error.name === 'AbortError') return { error }
    throw error
  }
}

/** Whether the server has refs elsewhere than is known, those aside that `isOwn` takes. */
function isNews(
  { kind, refs }: ServerEvent,
  tracked: Refs,
  isOwn: (ref: RefMove) => boolean,
): boolean {
  if (refs.some((ref) => tracked.get(ref.name) !== ref.to && !isOwn(ref))) return true
  const names = new Set(refs.map(({ name }) => name))
  return kind === 'snapshot' && [...tracked.keys()].some((name) => !names.has(name))
}
