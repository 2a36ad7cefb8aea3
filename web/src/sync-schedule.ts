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

/**
 * Milliseconds until a server is asked again that sent what is wrong so many times in a row: each time all of it may have come
 * that a clone brings.
 */
export function delayAfterLies(lies: number, random: number): number {
  return Math.round(Math.min(INTERVAL * 2 ** lies, MAX_WAIT) * (0.75 + random / 2))
}

/** Runs a sync whenever it is due. */
export class SyncSchedule {
  readonly #run: () => Promise<Verdict>
  #timer: ReturnType<typeof setTimeout> | undefined
  #running: Promise<void> | undefined
  #again = false
  #failures = 0
  /** Syncs in a row that brought what turned out to be wrong. */
  #lies = 0
  /** Milliseconds that the server asks to be left alone. */
  #least = 0
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
    this.#cancel()
    this.#running = this.#rounds()
    await this.#running
  }

  /** Syncs once more when what is under way has ended, however it ended. */
  async afresh(): Promise<void> {
    await this.#running
    return this.request()
  }

  /** Says whether what a sync brought is what the server said, which turns out behind it: if not, the next one comes ever later. */
  judge(isTrue: boolean): void {
    const before = this.#lies
    this.#lies = isTrue ? 0 : before + 1
    // What is under way counts it in when it ends.
    if (this.#lies !== before && this.#timer !== undefined) this.#plan()
  }

  /** Nothing runs after what is under way. */
  stop(): void {
    this.#stopped = true
    this.#cancel()
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
    this.#least = typeof verdict === 'number' ? verdict : 0
    this.#plan()
  }

  /** Syncs again when it is due. */
  #plan(): void {
    this.#cancel()
    const due = nextDelay(this.#failures, Math.random())
    const later = this.#lies === 0 ? 0 : delayAfterLies(this.#lies, Math.random())
    this.#timer = setTimeout(() => void this.request(), Math.max(this.#least, due, later))
  }

  #cancel(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
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
