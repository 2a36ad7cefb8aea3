/**
 * Admission: how many packs are read at once, so that all of them fit into the memory of one isolate.
 *
 * Every pack is charged before it is read for what reading it may take. Those that do not fit wait in the order in which
 * they came, and are told to come again when that takes too long.
 *
 * @module
 */
import { ProblemError } from './problem.ts'

/** Bytes that reading a pack of this length may take; `undefined` where the length was not announced. */
export function chargeOf(length: number | undefined): number {
  return Math.min(LARGEST, SMALLEST + 4 * (length ?? LARGEST))
}

/** A table of the objects, bodies that wait for deltas, a part of an upload. */
const LARGEST = 64 * 1024 * 1024
const SMALLEST = 1024 * 1024

interface Waiting {
  readonly charge: number
  readonly enter: () => void
}

/** A budget in bytes that requests take from and give back. */
export class Admission {
  readonly #patience: number
  readonly #waiting = new Set<Waiting>()
  readonly #bytes: number
  #free: number

  /** `bytes` in all; who waits for longer than `patience` milliseconds is sent away. */
  constructor(bytes: number, patience: number) {
    this.#bytes = bytes
    this.#free = bytes
    this.#patience = patience
  }

  /**
   * Does the work when there is room for it. One that is larger than the whole budget has it to itself.
   *
   * @throws ProblemError `busy` when there is no room for too long
   */
  async run<Result>(
    bytes: number,
    signal: AbortSignal,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const charge = Math.min(bytes, this.#bytes)
    await this.#enter(charge, signal)
    try {
      return await work()
    } finally {
      this.#free += charge
      this.#admit()
    }
  }

  async #enter(charge: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#waiting.size === 0 && charge <= this.#free) {
      this.#free -= charge
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting = { charge, enter: resolve }
    this.#waiting.add(waiting)
    const leave = (reason: unknown): void => {
      this.#waiting.delete(waiting)
      reject(reason)
      // Whoever stood behind a large one may fit now that it is gone.
      this.#admit()
    }
    const timer = setTimeout(() => leave(crowded()), this.#patience)
    const stop = (): void => leave(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    try {
      await promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    }
  }

  #admit(): void {
    for (const waiting of this.#waiting) {
      if (waiting.charge > this.#free) return
      this.#free -= waiting.charge
      this.#waiting.delete(waiting)
      waiting.enter()
    }
  }
}

function crowded(): ProblemError {
  return new ProblemError(
    'busy',
    'The server is reading as many packs as fit into its memory. Nothing was changed; try again in a moment',
    { 'retry-after': '5' },
  )
}
