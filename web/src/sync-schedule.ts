/**
 * When to sync: at once when asked, every half minute otherwise, ever later while it fails, and never two at a time.
 *
 * @module
 */
import { isKept } from './kept-storage.ts'

/** Between two syncs that went well, in milliseconds. */
export const INTERVAL = 30_000
/** The longest wait after failures, in milliseconds. */
export const MAX_WAIT = 300_000

/** What a sync says about the next one. */
export type Verdict =
  | 'done'
  | 'failed'
  /** Nothing will change until somebody asks: a token is missing. */
  | 'pause'
  /** It failed, and the server asks to be left alone for so many milliseconds. */
  | number

/** Milliseconds until the next sync after so many failures in a row; `random` from 0 to 1 spreads the clients. */
export function nextDelay(failures: number, random: number): number {
  const wait = failures === 0 ? INTERVAL : Math.min(5_000 * 2 ** (failures - 1), MAX_WAIT)
  return Math.round(wait * (0.75 + random / 2))
}

/** Runs a sync whenever it is due. */
export class SyncSchedule {
  readonly #run: () => Promise<Verdict>
  #timer: ReturnType<typeof setTimeout> | undefined
  #running: Promise<void> | undefined
  #again = false
  #failures = 0
  #stopped = false

  constructor(run: () => Promise<Verdict>) {
    this.#run = run
  }

  /** Syncs now, or once more right after the sync that is under way. Resolves when that is over. */
  async request(): Promise<void> {
    if (this.#stopped) return
    if (this.#running !== undefined) {
      this.#again = true
      return this.#running
    }
    clearTimeout(this.#timer)
    this.#running = this.#rounds()
    await this.#running
  }

  /** Syncs once more when what is under way has ended, however it ended. */
  async afresh(): Promise<void> {
    await this.#running
    return this.request()
  }

  /** Nothing runs after what is under way. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #rounds(): Promise<void> {
    let verdict: Verdict
    do {
      this.#again = false
      verdict = await this.#run()
      const isFailure = verdict === 'failed' || typeof verdict === 'number'
      this.#failures = isFailure ? this.#failures + 1 : 0
    } while (this.#again && verdict === 'done' && !this.#stopped)
    this.#running = undefined
    if (this.#stopped || verdict === 'pause') return
    const asked = typeof verdict === 'number' ? verdict : 0
    const delay = Math.max(asked, nextDelay(this.#failures, Math.random()))
    this.#timer = setTimeout(() => void this.request(), delay)
  }
}

/**
 * Runs `work` while no other page does, or after `patience` milliseconds all the same: a page that was frozen in the
 * middle holds its lock, and being alone only saves requests.
 */
export async function whenAlone<Result>(
  name: string,
  patience: number,
  work: () => Promise<Result>,
): Promise<Result> {
  // Pages whose browser keeps nothing share nothing, and some of these have no locks.
  if (!('locks' in navigator) || !isKept.value) return work()
  let started = false
  const begin = (): Promise<Result> => {
    started = true
    return work()
  }
  try {
    return await navigator.locks.request(name, { signal: AbortSignal.timeout(patience) }, begin)
  } catch (error) {
    if (started) throw error
    return work()
  }
}
