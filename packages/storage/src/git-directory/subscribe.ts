/**
 * Subscriptions: hearing that a Git directory may have changed, whoever changed it.
 *
 * The system's own notices are used where there are any, on the Git directory (`HEAD`, `packed-refs`) and below `refs`;
 * since network file systems give none and directories come and go, the refs are also looked at every few seconds.
 *
 * @module
 */
import { watch, type FSWatcher } from 'node:fs'

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
    const watchers = new Map<string, FSWatcher>()
    const begin = () => {
      // A repository that did not exist may do so by now.
      for (const path of ['', '/refs']) if (!watchers.has(path)) this.#watchOne(path, watchers)
    }
    begin()
    const timer = setInterval(() => {
      begin()
      this.notify()
    }, POLL)
    timer.unref()
    return () => {
      clearInterval(timer)
      for (const watcher of watchers.values()) watcher.close()
    }
  }

  #watchOne(path: string, watchers: Map<string, FSWatcher>): void {
    try {
      const options = { recursive: path !== '', persistent: false }
      const watcher = watch(this.#directory + path, options, () => this.notify())
      watchers.set(path, watcher)
      watcher.on('error', () => {
        watcher.close()
        watchers.delete(path)
      })
    } catch {
      // Without notices the timer has to do.
    }
  }
}
