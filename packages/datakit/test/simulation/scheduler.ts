/**
 * Scheduler: lets one thing happen at a time, in an order that follows from a seed.
 *
 * Whoever is simulated stops at gates (`step`). When everybody has stopped, one of them is chosen and goes on to its next
 * gate. Time is a number: a step takes a little of it, and when nobody has anything to do, it leaps to the next timer. With the clock, chance and randomness of the machine
 * replaced, a seed gives the same run again.
 *
 * @module
 */
import { seededRandom } from '../random-history.ts'

interface Parked {
  readonly owner: object
  readonly go: () => void
}

interface Timer {
  readonly due: number
  readonly ring: () => void
}

/** When every run begins, in milliseconds since 1970. */
const START = Date.UTC(2026, 0, 1)
/** Most choices of one run: more are a loop. */
const MAX_STEPS = 400_000
/** Turns that a run in which nobody is left to choose waits for somebody. */
const MAX_TURNS = 1000
/** A step takes less than this, in milliseconds. */
const MAX_STEP = 20

/** Chooses who goes on. */
export class Scheduler {
  readonly random: () => number
  /** Milliseconds since 1970. */
  now = START
  steps = 0
  /** A digest of all choices so far: equal seeds give equal ones. */
  trace = 0
  /** Called before each choice; what happens in it happens between any two steps of the others. */
  beforeStep: () => void = () => {}
  readonly #turn: () => Promise<void>
  #parked: Parked[] = []
  readonly #timers = new Set<Timer>()
  #outside = 0

  /** `turn` resolves when everything that can go on without I/O has done so. */
  constructor(seed: number, turn: () => Promise<void>) {
    this.random = seededRandom(seed)
    this.#turn = turn
  }

  /** Stops the caller until it is chosen; for ever, when its owner is dropped. */
  step(owner: object): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#parked.push({ owner, go: resolve })
    return promise
  }

  /** Forgets all that an owner was about to do. */
  drop(owner: object): void {
    this.#parked = this.#parked.filter((parked) => parked.owner !== owner)
  }

  /** Calls back after a while. */
  after(milliseconds: number, ring: () => void): Timer {
    const timer = { due: this.now + Math.max(0, Math.ceil(milliseconds)), ring }
    this.#timers.add(timer)
    return timer
  }

  cancel(timer: Timer): void {
    this.#timers.delete(timer)
  }

  /** Waits in simulated time. */
  pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.after(milliseconds, resolve))
  }

  /** Does real I/O: nobody is chosen before it has ended. */
  async outside<T>(work: Promise<T>): Promise<T> {
    this.#outside++
    try {
      return await work
    } finally {
      this.#outside--
    }
  }

  /** An integer from 0 up to `end`, which it does not reach. */
  below(end: number): number {
    return Math.floor(this.random() * end)
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.random() < probability
  }

  /** Lets things happen until `work` has ended. @throws what it throws, Error when nothing is left to choose from */
  async run<T>(work: Promise<T>): Promise<T> {
    let isOver = false
    const end = (): void => void (isOver = true)
    work.then(end, end)
    for (;;) {
      await this.#settle()
      if (isOver) return work
      if (++this.steps > MAX_STEPS) throw new Error('The simulation does not come to an end')
      this.beforeStep()
      // Who was killed was perhaps the only one that could go on; somebody starts in his place.
      if (this.#isIdle) await this.#settle()
      this.#choose()
    }
  }

  /** Waits until everybody has stopped. Code that is loaded when it is wanted takes turns that nobody counts. */
  async #settle(): Promise<void> {
    await this.#turn()
    for (let turns = 0; this.#outside > 0 || (this.#isIdle && turns < MAX_TURNS); turns++)
      await this.#turn()
  }

  get #isIdle(): boolean {
    return this.#parked.length + this.#timers.size === 0
  }

  #choose(): void {
    this.now += this.below(MAX_STEP)
    const [first] = [...this.#timers].sort((a, b) => a.due - b.due)
    if (first !== undefined && (this.#parked.length === 0 || first.due <= this.now)) {
      this.#timers.delete(first)
      this.now = Math.max(this.now, first.due)
      first.ring()
      return
    }
    this.trace = (Math.imul(this.trace, 31) + this.#parked.length) | 0
    const [chosen] = this.#parked.splice(this.below(this.#parked.length), 1)
    if (chosen === undefined) throw new Error('The simulation stands still')
    chosen.go()
  }
}

/** Replaces the clock, timers and randomness of the machine by those of a run. Gives how to take that back. */
export function replaceMachine(scheduler: Scheduler): () => void {
  const machine = { setTimeout, clearTimeout, now: Date.now, random: Math.random }
  const timers = new Map<number, Timer>()
  let last = 0
  const set = (ring: () => void, milliseconds = 0): number => {
    const id = ++last
    const timer = scheduler.after(milliseconds, () => {
      timers.delete(id)
      ring()
    })
    timers.set(id, timer)
    return id
  }
  const clear = (id: number | undefined): void => {
    const timer = id === undefined ? undefined : timers.get(id)
    if (timer !== undefined) scheduler.cancel(timer)
  }
  Object.assign(globalThis, { setTimeout: set, clearTimeout: clear })
  Date.now = () => scheduler.now
  Math.random = scheduler.random
  Object.defineProperty(crypto, 'getRandomValues', {
    configurable: true,
    value: (bytes: Uint8Array) => bytes.map((_, i, all) => (all[i] = scheduler.below(256))),
  })
  return () => {
    Object.assign(globalThis, {
      setTimeout: machine.setTimeout,
      clearTimeout: machine.clearTimeout,
    })
    Date.now = machine.now
    Math.random = machine.random
    Reflect.deleteProperty(crypto, 'getRandomValues')
  }
}
