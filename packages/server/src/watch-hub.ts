/**
 * Watch hub: looks at one repository for all who listen to it.
 *
 * However many listen, the state is read by one of them at a time and at most once an interval, unless the place hints at a
 * change. Nobody waits for the promise of another request: in Workers that request may be gone, and its promises with it.
 * Whoever finds the work taken waits for the bell, or takes it over after a while.
 *
 * @module
 */
import type { Objects } from '@datakit/git/objects'
import type { State } from '@datakit/git/place'
import type { Readable } from '@datakit/git/transport/reach'
import { ProblemError } from './problem.ts'
import type { WatchFilter } from './watch-filter.ts'
import { WatchView } from './watch-view.ts'

/** Milliseconds after which work that somebody began counts as dropped. */
const PATIENCE = 10_000
/** Views with patterns, which may have very many refs, that are in use at once. */
const MAX_PATTERNS = 8
/** Views that are kept for those who come back. */
const MAX_IDLE = 8
/** What the work of a look-up of paths comes to, in reads of a bucket: a commit and some trees. */
const READS_OF_PATHS = 8

/** A view that some listeners share. */
interface Shared {
  readonly view: WatchView
  readonly hasPattern: boolean
  readonly work: Turn
  users: number
}

/** Somebody's hold on a view. */
export interface ViewHold {
  readonly view: WatchView
  release(): void
}

/** One repository that is listened to. */
export class WatchHub {
  readonly objects: Objects
  readonly #poll: number
  readonly #bells = new Set<() => void>()
  /** In the order of their use, the last one at the end. */
  readonly #views = new Map<string, Shared>()
  readonly #reading = new Turn()
  #state: State
  #readAt = 0
  #isHinted = true
  #unsubscribe: (() => void) | undefined

  /** `poll`: milliseconds between two looks that nobody hinted at. */
  constructor(objects: Objects, poll: number) {
    this.objects = objects
    this.#state = objects.state
    this.#poll = poll
  }

  /** How many listen. */
  get size(): number {
    return this.#bells.size
  }

  /** Calls `bell` when there may be something to see; returns how to stop. */
  listen(bell: () => void): () => void {
    this.#bells.add(bell)
    this.#unsubscribe ??= this.objects.place.subscribe(() => {
      this.#isHinted = true
      this.#ring()
    })
    return () => {
      this.#bells.delete(bell)
      if (this.#bells.size > 0) return
      this.#unsubscribe?.()
      this.#unsubscribe = undefined
      // Until somebody listens again, nobody hints.
      this.#isHinted = true
    }
  }

  /** The view for a filter and what may be read. @throws ProblemError `busy` when there are too many others */
  hold(filter: WatchFilter, readable: Readable): ViewHold {
    const key = JSON.stringify([readable.key, filter])
    const shared = this.#views.get(key) ?? {
      view: new WatchView(filter, readable),
      hasPattern: filter.names === undefined,
      work: new Turn(),
      users: 0,
    }
    if (shared.users === 0 && shared.hasPattern) this.#checkPatterns()
    this.#views.delete(key)
    this.#views.set(key, shared)
    shared.users++
    this.#dropIdle()
    return {
      view: shared.view,
      release: () => void shared.users--,
    }
  }

  /**
   * Brings a view up to the state of this moment, as far as there is work that nobody else is doing.
   *
   * @returns the reads that it took, more or less
   */
  async look({ view }: ViewHold): Promise<number> {
    const read = await this.#read()
    const state = this.#state
    // A repository that is gone is for the listener to see.
    if (!state.exists || view.isAt(state)) return read
    const work =
      [...this.#views.values()].find((shared) => shared.view === view)?.work ?? new Turn()
    const turn = work.take()
    if (turn === undefined) return read
    try {
      const opened = await view.advance(this.objects, state)
      return read + 1 + opened * READS_OF_PATHS
    } finally {
      work.end(turn)
      this.#ring()
    }
  }

  /** Whether the repository is there, as far as anybody has seen. */
  get exists(): boolean {
    return this.#state.exists
  }

  /** Whether the view is at the newest state that anybody has seen. */
  isCurrent({ view }: ViewHold): boolean {
    return view.isAt(this.#state)
  }

  async #read(): Promise<number> {
    if (!this.#isHinted && Date.now() - this.#readAt < this.#poll) return 0
    const turn = this.#reading.take()
    if (turn === undefined) return 0
    this.#isHinted = false
    const before = this.#state
    try {
      const state = await this.objects.refresh()
      if (!this.#reading.isMine(turn)) return 1
      this.#readAt = Date.now()
      this.#state = state
      return 1
    } catch (error) {
      this.#isHinted = true
      throw error
    } finally {
      this.#reading.end(turn)
      // The others go on with what was read, or read what was hinted at meanwhile.
      if (this.#isHinted || before.version !== this.#state.version) this.#ring()
    }
  }

  #ring(): void {
    for (const bell of this.#bells) bell()
  }

  #checkPatterns(): void {
    const used = [...this.#views.values()].filter(
      ({ users, hasPattern }) => users > 0 && hasPattern,
    )
    if (used.length < MAX_PATTERNS) return
    throw new ProblemError(
      'busy',
      `Cannot watch: ${MAX_PATTERNS} other patterns of refs are watched in this repository; name the refs, or come later`,
      { 'retry-after': '10' },
    )
  }

  #dropIdle(): void {
    const idle = [...this.#views].filter(([, { users }]) => users === 0)
    for (const [key] of idle.slice(0, Math.max(0, idle.length - MAX_IDLE))) this.#views.delete(key)
  }
}

/** Work that one does at a time. */
class Turn {
  #current: { readonly since: number } | undefined

  /** Takes the work; `undefined` when somebody is at it. */
  take(): object | undefined {
    if (this.#current !== undefined && Date.now() - this.#current.since < PATIENCE) return undefined
    this.#current = { since: Date.now() }
    return this.#current
  }

  /** Whether nobody has taken the work over. */
  isMine(turn: object): boolean {
    return this.#current === turn
  }

  /** Gives it back. */
  end(turn: object): void {
    if (this.#current === turn) this.#current = undefined
  }
}
