/**
 * Watch: the newest value of something that changes, for as long as somebody listens.
 *
 * The current value comes first. Then, whenever the place hints at a change, the value is read again and given if it
 * differs. Values in between may be skipped, the last one never is. What must not skip anything is `watch-steps.ts`.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'

/** How long somebody listens, and how often he looks. */
export interface WatchOptions {
  /** Ends the watch when it is aborted; nothing is thrown. */
  readonly signal?: AbortSignal | undefined
  /**
   * Milliseconds between looks that nobody hinted at. When left out: 1,000 in a place that hears of nobody's changes but its
   * own (R2), and none elsewhere.
   */
  readonly poll?: number | undefined
}

/** How often a place is looked at that does not hear of what others change, in milliseconds. */
const POLL = 1000

/**
 * Values of `read`, each different from the one before by `isEqual`. Ends when the signal says so, or `return` is called,
 * also while a value is waited for.
 *
 * @throws what `read` throws
 */
export function watchPlace<T>(
  place: Place,
  read: () => Promise<T>,
  options: WatchOptions & { readonly isEqual: (a: T, b: T) => boolean },
): AsyncIterableIterator<T, void, undefined> {
  const bell = new Bell(place, options)
  return endable(values(bell, read, options.isEqual), () => bell.stop())
}

async function* values<T>(
  bell: Bell,
  read: () => Promise<T>,
  isEqual: (a: T, b: T) => boolean,
): AsyncGenerator<T, void, undefined> {
  bell.start()
  try {
    let last: { readonly value: T } | undefined
    while (!bell.isStopped) {
      bell.clear()
      const value = await read()
      if (bell.isStopped) return
      if (last === undefined || !isEqual(last.value, value)) {
        last = { value }
        yield value
      }
      await bell.rung()
    }
  } finally {
    bell.stop()
  }
}

/** A generator whose `return` ends it at once, and not at the next value: `end` must make a pending `next` settle. */
export function endable<T>(
  source: AsyncGenerator<T, void, undefined>,
  end: () => void,
): AsyncIterableIterator<T, void, undefined> {
  return {
    next: () => source.next(),
    return() {
      end()
      return source.return()
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/** A bell of one slot: a ring while nobody waits is remembered, ten rings are one. */
export class Slot {
  #hasRung = false
  #wake = (): void => {}

  ring(): void {
    this.#hasRung = true
    this.#wake()
  }

  /** Forgets that it rang: to be called before the look that the ringing is for. */
  clear(): void {
    this.#hasRung = false
  }

  /** Waits until it has rung since it was cleared, at most `milliseconds` where they are given. */
  async rung(milliseconds?: number): Promise<void> {
    // It rings between awaits only, so nothing is lost between this check and the promise.
    if (this.#hasRung) return
    let timer: ReturnType<typeof setTimeout> | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (milliseconds !== undefined) timer = setTimeout(resolve, milliseconds)
    })
    clearTimeout(timer)
  }
}

/** Rings when a place may have changed, or it is time to look. */
export class Bell {
  readonly #place: Place
  readonly #signal: AbortSignal | undefined
  readonly #poll: number | undefined
  readonly #slot = new Slot()
  readonly #ends: (() => void)[] = []
  #isStopped = false

  constructor(place: Place, { signal, poll }: WatchOptions) {
    this.#place = place
    this.#signal = signal
    this.#poll = poll ?? (place.traits.hearsOthers ? undefined : POLL)
  }

  /** Whether nobody listens any more. */
  get isStopped(): boolean {
    return this.#isStopped || this.#signal?.aborted === true
  }

  /** Begins to listen. */
  start(): void {
    const ring = (): void => this.#slot.ring()
    this.#ends.push(this.#place.subscribe(ring))
    this.#signal?.addEventListener('abort', ring)
    this.#ends.push(() => this.#signal?.removeEventListener('abort', ring))
  }

  /** Ends it. Whoever waits goes on. */
  stop(): void {
    this.#isStopped = true
    for (const end of this.#ends.splice(0)) end()
    this.#slot.ring()
  }

  /** Forgets that it rang, see {@link Slot.clear}. */
  clear(): void {
    this.#slot.clear()
  }

  /** Waits until it has rung since it was cleared, at most `milliseconds`; until the next look when they are left out. */
  async rung(milliseconds = this.#poll): Promise<void> {
    if (!this.isStopped) await this.#slot.rung(milliseconds)
  }
}
