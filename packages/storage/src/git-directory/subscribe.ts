/**
 * Subscriptions: hearing that a Git directory may have changed, whoever changed it.
 *
 * The system's own notices are used where there are any, on the Git directory (`HEAD`, `packed-refs`) and below `refs`;
 * since network file systems give none and directories come and go, the refs are also looked at every few seconds.
 *
 * @module
 */
import { Notices } from './notices.ts'

/** How often refs are looked at, in milliseconds. */
const POLL = 2000
/** Calls several listeners of one directory; watches only while there are any. */
export class Subscriptions {
  readonly #directory: string
  readonly #digest: () => string
  readonly #listeners = new Map<symbol, () => void>()
  #stop: (() => void) | undefined
  #seen = ''

  /** `digest` tells one state from the next, and is cheap. */
  constructor(directory: string, digest: () => string) {
    this.#directory = directory
    this.#digest = digest
  }

  /** Adds a listener; returns how to take it away. */
  add(listener: () => void): () => void {
    const key = Symbol('listener')
    this.#listeners.set(key, listener)
    this.#stop ??= this.#watch()
    return () => {
      this.#listeners.delete(key)
      if (this.#listeners.size === 0) this.close()
    }
  }

  /** Calls every listener, if the state is another one than at the last call. */
  notify(): void {
    const digest = this.#look()
    if (digest === this.#seen) return
    this.#seen = digest
    for (const listener of this.#listeners.values()) queueMicrotask(listener)
  }

  /** Ends all subscriptions. */
  close(): void {
    this.#listeners.clear()
    this.#stop?.()
    this.#stop = undefined
  }

  #look(): string {
    try {
      return this.#digest()
    } catch {
      // A broken file is for those who read to report; here it only counts as a change.
      return 'broken'
    }
  }

  #watch(): () => void {
    this.#seen = this.#look()
    const notices = new Notices(this.#directory, () => this.notify())
    const look = () => {
      // A repository that did not exist may do so by now.
      notices.ask()
      this.notify()
    }
    // What happened before notices came is seen here.
    look()
    const timer = setInterval(look, POLL)
    timer.unref()
    return () => {
      clearInterval(timer)
      notices.close()
    }
  }
}
