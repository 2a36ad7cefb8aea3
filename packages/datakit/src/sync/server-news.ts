/**
 * Server news: whether what a server tells of its refs is anything that is not here.
 *
 * @module
 */
import { refChooser } from '@datakit/git/protocol/sync-choice'
import type { RefMove } from '@datakit/git/protocol/watch'
import type { Repository } from '../repository.ts'
import { watchServer, type ServerEvent, type WatchServerOptions } from '../watch/watch-server.ts'
import { endable, Slot } from '../watch/watch.ts'
import { readChoiceFile } from './choice.ts'
import { HEADS, readKnown, type Known, type Refs } from './sync-refs.ts'

/**
 * Comes once whenever the server has something that is not here, for whoever syncs himself: several events that nobody has
 * taken yet are one, and what this repository has pushed is none. Nothing comes at first. Ends when the signal says so.
 *
 * @throws SyncError when the server says no, `no-watch` when it has no watch stream
 */
export function serverNews(
  repository: Repository,
  options: WatchServerOptions,
): AsyncIterableIterator<void, void, undefined> {
  const ended = new AbortController()
  const slot = new Slot()
  const stop = (): void => {
    ended.abort()
    slot.ring()
  }
  options.signal?.addEventListener('abort', stop)
  if (options.signal?.aborted === true) stop()
  const source = rings(repository, { ...options, signal: ended.signal }, slot)
  return endable(source, stop)
}

async function* rings(
  repository: Repository,
  options: WatchServerOptions & { readonly signal: AbortSignal },
  slot: Slot,
): AsyncGenerator<void, void, undefined> {
  const news = new News(repository, { isDue: false })
  const listening = news.listen(options, slot)
  try {
    while (!options.signal.aborted) {
      await slot.rung(news.patience)
      slot.clear()
      if (options.signal.aborted) return
      if (await news.take()) yield
    }
  } finally {
    await listening
  }
}

/** Milliseconds within which a push from here is expected to be known. */
const DOUBT = 1000
/** Most events that are kept while a sync runs. */
const MAX_EVENTS = 100

/** What the server has told and nobody has looked at yet. */
export class News {
  readonly #repository: Repository
  #events: ServerEvent[] = []
  /** Whether there is something to sync whatever the events say. */
  #isDue: boolean
  #refused: { readonly error: unknown } | undefined
  /** Events of what may have been pushed from here a moment ago, and since when there are any. */
  #doubtful: ServerEvent[] = []
  #doubtfulSince = 0

  constructor(repository: Repository, { isDue }: { readonly isDue: boolean }) {
    this.#repository = repository
    this.#isDue = isDue
  }

  /** Listens until the signal of the options; rings at each event, and when the server says no. */
  async listen(options: WatchServerOptions, slot: Slot): Promise<void> {
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
    const [told, isDue] = [this.#events, this.#isDue]
    this.#events = []
    this.#isDue = false
    const known = await readKnown(await this.#repository.store.state())
    const { own } = known
    const isWanted = await this.#wanted(known)
    const tracked = new Map([...known.tracked].filter(([name]) => isWanted(name)))
    const events = told.map((event) => ({
      ...event,
      refs: event.refs.filter(({ name }) => isWanted(name)),
    }))
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

  /** Whether a sync asks for a ref by its name; of tags only the server knows. */
  async #wanted({ choice }: Known): Promise<(name: string) => boolean> {
    const { branches } = await readChoiceFile(this.#repository.store, choice.get('wanted'))
    if (branches === undefined) return () => true
    const isChosen = refChooser(branches)
    return (name) => isChosen(name) || name.startsWith('refs/tags/')
  }

  /** Milliseconds after which to look again, though nothing is told. */
  get patience(): number | undefined {
    return this.#doubtful.length === 0 ? undefined : DOUBT
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
