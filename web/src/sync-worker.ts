/**
 * Syncing in a worker: what a server sends is hashed, checked and merged off the page's thread, so that typing never waits.
 *
 * One worker for a repository that is open, from its first sync on: it holds a connection of its own to what this browser
 * keeps, and the page hears of what it brings as it hears of another tab.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'
import type { SyncOptions, SyncReport } from './data.ts'

/** What the worker is told: to sync, or to break a sync off for a reason of that name. */
export type SyncMessage =
  | {
      readonly id: number
      readonly name: string
      /** Id of the repository that must be there when it is opened; `undefined` when there is none yet, or it is open. */
      readonly repository: string | undefined
      readonly options: Omit<SyncOptions, 'signal'>
    }
  | { readonly id: number; readonly brokenOff: string }

/** What the worker answers. */
export interface SyncAnswer {
  readonly id: number
  readonly report: SyncReport
}

/** How long a sync that is broken off has to say so, in milliseconds. A worker that the browser has ended says nothing. */
export const GRACE = 5_000

/** The worker of one repository. */
export class SyncWorker {
  readonly #name: string
  readonly #waiting = new Map<number, (report: SyncReport | undefined) => void>()
  #worker: Worker | undefined
  #count = 0
  #isBroken = false
  /** Whether the worker has the repository open, as its last sync went well. */
  #isOpen = false

  constructor(name: string) {
    this.#name = name
  }

  /** Syncs once. Gives `undefined` when no worker can do it here: then nothing is known, and the page has to. Never rejects. */
  async sync(place: Place, { signal, ...options }: SyncOptions): Promise<SyncReport | undefined> {
    if (place.traits.kind !== 'indexeddb') return undefined
    // A worker that has synced knows which repository it has open.
    const state = this.#isOpen ? undefined : await place.read().catch(() => undefined)
    if ((state === undefined && !this.#isOpen) || this.#isBroken) return undefined
    const id = ++this.#count
    const repository = state?.exists === true ? state.repository : undefined
    const { promise, resolve } = Promise.withResolvers<SyncReport | undefined>()
    this.#waiting.set(id, resolve)
    let patience: ReturnType<typeof setTimeout> | undefined
    const breakOff = (): void => {
      const { reason } = signal ?? {}
      const brokenOff = reason instanceof DOMException ? reason.name : 'AbortError'
      this.#post({ id, brokenOff })
      patience = setTimeout(() => this.#fail('it does not answer'), GRACE)
    }
    this.#post({ id, name: this.#name, repository, options })
    if (signal?.aborted === true) breakOff()
    signal?.addEventListener('abort', breakOff)
    const report = await promise
    signal?.removeEventListener('abort', breakOff)
    clearTimeout(patience)
    this.#isOpen = report?.state === 'done'
    return report
  }

  /** Ends the worker; a sync that runs is broken off, and what it did stays. */
  close(): void {
    this.#worker?.terminate()
    this.#settle(undefined)
  }

  #post(message: SyncMessage): void {
    this.#worker ??= this.#start()
    this.#worker.postMessage(message)
  }

  #start(): Worker {
    const worker = new Worker(new URL('./sync.worker.ts', import.meta.url), { type: 'module' })
    worker.addEventListener('message', ({ data }: MessageEvent<SyncAnswer>) => {
      this.#waiting.get(data.id)?.(data.report)
      this.#waiting.delete(data.id)
    })
    worker.addEventListener('error', ({ message }) => this.#fail(message))
    return worker
  }

  /** From now on the page syncs by itself. */
  #fail(problem: string): void {
    console.warn(`Cannot sync in a worker: ${problem}`)
    this.#isBroken = true
    this.close()
  }

  #settle(report: SyncReport | undefined): void {
    for (const resolve of this.#waiting.values()) resolve(report)
    this.#waiting.clear()
  }
}
