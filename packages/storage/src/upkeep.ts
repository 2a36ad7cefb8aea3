/**
 * Upkeep: what a repository needs done now and then, and nobody waits for.
 *
 * Packs whose index came from someone else are proved, small packs are merged, and what was condemned is deleted after
 * its grace. Every step can be broken off at any moment and goes on at the next run; none keeps a push waiting.
 *
 * @module
 */
import type { Place, State } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import { chooseRun, compact } from './maintenance.ts'
import { verifyPacks, type DamagedPack } from './verify.ts'

/** What one run did. */
export interface UpkeepReport {
  /** Packs that were proved to be what their index says. */
  readonly verified: number
  /** Packs that are not. They stay as they are, and nothing of them is passed on. */
  readonly damaged: readonly DamagedPack[]
  /** Packs that others took the place of. */
  readonly merged: number
  /** Files, rows or keys that were deleted. */
  readonly deleted: number
}

/** How a run goes. */
export interface UpkeepOptions {
  /** Small packs that may pile up before they are merged; 8 when left out. */
  readonly maxSmall?: number | undefined
  /** Milliseconds that a condemned pack stays readable for those who are in the middle of it; an hour when left out. */
  readonly grace?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Longer than any clone takes. */
const GRACE = 60 * 60 * 1000
const MAX_SMALL = 8

/**
 * Does what there is to do.
 *
 * @throws UnavailableError when the place cannot be read or written; the next run goes on
 */
export async function keepUp(
  place: Place,
  runtime: Runtime,
  options: UpkeepOptions = {},
): Promise<UpkeepReport> {
  const { maxSmall = MAX_SMALL, grace = GRACE, signal } = options
  const nothing = { verified: 0, damaged: [], merged: 0 }
  const { exists, packs } = await place.read({ signal })
  if (!exists) return { ...nothing, deleted: 0 }
  const isProved = packs.every(({ verified }) => verified)
  const proved = isProved ? nothing : await verifyPacks(place, runtime, { signal })
  const { merged } = needsMerge(await place.read({ signal }), maxSmall)
    ? await compact(place, runtime, { signal })
    : nothing
  signal?.throwIfAborted()
  const { deleted } = await place.sweep({ grace })
  return { verified: proved.verified, damaged: proved.damaged, merged, deleted }
}

/** Whether a state has more small packs than it should, or packs that nobody proved. Costs nothing. */
export function needsUpkeep(state: State, { maxSmall = MAX_SMALL }: UpkeepOptions = {}): boolean {
  return state.packs.some(({ verified }) => !verified) || needsMerge(state, maxSmall)
}

function needsMerge({ packs }: State, maxSmall: number): boolean {
  return chooseRun(packs).length > maxSmall
}

/** How repositories are kept up while they are served. */
export interface UpkeepScheduleOptions extends UpkeepOptions {
  /** Milliseconds between a change and the upkeep after it; 2,000 when left out. */
  readonly delay?: number | undefined
  /** Told of what went wrong, and of packs that are damaged. */
  readonly log: (problem: unknown) => void
}

const DELAY = 2000
/** After this long a run is given up: a Worker ends work behind a request without a word. In milliseconds. */
const LOST = 5 * 60_000

/** Keeps repositories up, each a while after it changed and once for many changes. */
export class UpkeepSchedule {
  readonly #runtime: Runtime
  readonly #options: UpkeepScheduleOptions
  readonly #running = new Map<string, { readonly run: Promise<void>; readonly since: number }>()
  readonly #stop = new AbortController()

  constructor(runtime: Runtime, options: UpkeepScheduleOptions) {
    this.#runtime = runtime
    this.#options = options
  }

  /** Says that a repository changed. Resolves when the upkeep that follows is over; never rejects. */
  changed(name: string, place: Place): Promise<void> {
    const running = this.#running.get(name)
    if (running !== undefined && Date.now() - running.since < LOST) return running.run
    const run = this.#run(place).finally(() => {
      if (this.#running.get(name)?.run === run) this.#running.delete(name)
    })
    this.#running.set(name, { run, since: Date.now() })
    return run
  }

  /** Breaks off what runs, and resolves when nothing does. */
  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([...this.#running.values()].map(({ run }) => run))
  }

  async #run(place: Place): Promise<void> {
    const { delay = DELAY, log } = this.#options
    const { signal } = this.#stop
    try {
      await pause(delay, signal)
      // More may have come in while it ran.
      while (!signal.aborted && needsUpkeep(await place.read(), this.#options)) {
        const report = await keepUp(place, this.#runtime, { ...this.#options, signal })
        for (const { id, problem } of report.damaged)
          log(`The pack "${id}" is damaged and is not used: ${problem}`)
        if (report.verified + report.merged === 0) return
      }
    } catch (error) {
      if (!signal.aborted) log(error)
    }
  }
}

/** Resolves after a while, or as soon as the signal says to stop. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, milliseconds)
  signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
  return promise
}
