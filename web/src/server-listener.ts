/**
 * Listening to the server while a page is looked at, so that what others commit is here as soon as they have sent it.
 *
 * One page of a repository listens for all of them: browsers keep few connections to a server, and the others hear of the
 * database. A page that nobody looks at lets go, so that one which was frozen holds nothing; it syncs every half minute as ever.
 *
 * @module
 */
import type { RepositoryStore } from './data.ts'
import { isKept } from './kept-storage.ts'
import { listen } from './listen.ts'
import { currentToken } from './sign-in.ts'

/** Milliseconds to the next attempt after the server has said no: it has no such repository yet, or wants a token. */
const PATIENCE = 30_000

/** Calls back whenever the server has something that is not here. */
export class ServerListener {
  readonly #store: RepositoryStore
  readonly #onNews: () => void
  readonly #onConnected: () => void
  readonly #stops: (() => void)[] = []
  #listening: AbortController | undefined
  #retry: ReturnType<typeof setTimeout> | undefined

  /** `onConnected` is called whenever the server answers after it has not. */
  constructor(store: RepositoryStore, onNews: () => void, onConnected: () => void) {
    this.#store = store
    this.#onNews = onNews
    this.#onConnected = onConnected
  }

  /** Begins to listen, now or when the page is looked at. */
  start(): void {
    this.#stops.push(
      listen(document, 'visibilitychange', () => this.#follow()),
      // The connection of before is dead, which nobody would notice for a while.
      listen(window, 'online', () => this.#restart()),
    )
    this.#follow()
  }

  /** Tries at once what was put off: the server has just answered. */
  wake(): void {
    if (this.#retry !== undefined) this.#restart()
  }

  stop(): void {
    for (const stop of this.#stops) stop()
    this.#end()
  }

  #follow(): void {
    if (document.visibilityState === 'hidden') this.#end()
    else if (this.#listening === undefined) this.#restart()
  }

  #end(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    this.#listening?.abort()
    this.#listening = undefined
  }

  #restart(): void {
    this.#end()
    const listening = new AbortController()
    this.#listening = listening
    void this.#listen(listening.signal)
  }

  /** Listens until the signal says so; comes again later when it cannot. Never rejects. */
  async #listen(signal: AbortSignal): Promise<void> {
    const work = (): Promise<void> =>
      this.#store.listenToServer(
        { token: currentToken(), signal, onConnected: this.#onConnected },
        this.#onNews,
      )
    try {
      if ('locks' in navigator && isKept.value)
        await navigator.locks.request(`datakit-live ${this.#store.name}`, { signal }, work)
      else await work()
    } catch {
      // Nothing is lost by it: syncs go on, and say what is wrong with the server.
    }
    if (signal.aborted) return
    this.#retry = setTimeout(() => this.#restart(), PATIENCE)
  }
}
