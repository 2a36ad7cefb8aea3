/**
 * Upkeep of the repositories of this browser, in a worker, one page at a time.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'
import { needsUpkeep } from '@datakit/storage/upkeep'
import { isKept } from './kept-storage.ts'
import { whenAlone } from './sync-schedule.ts'

/** What the worker is told. */
export interface UpkeepOrder {
  readonly name: string
  /** What there is to do now and then; or room is wanted, or something is damaged. */
  readonly does: 'upkeep' | 'free' | 'repair'
}

/** What the worker answers. */
export interface UpkeepAnswer {
  /** What is wrong with what a server sent, and what was done about it, a sentence for each. */
  readonly damaged: readonly string[]
  /** Why it was broken off; it goes on next time. */
  readonly problem: string | undefined
}

const nothing: UpkeepAnswer = { damaged: [], problem: undefined }

/** Milliseconds to wait for another page that is at it. It may be at a large clone, or frozen. */
const PATIENCE = 60_000

/** What upkeep found damaged, and the version of the repository of which it is true. */
const given = new Map<string, { readonly version: string; readonly answer: UpkeepAnswer }>()

/** Keeps a repository up if its state asks for it, when no other page is at it. Rejects when its state cannot be read. */
export async function keepUpInWorker(name: string, place: Place): Promise<UpkeepAnswer> {
  if (!needsUpkeep(await place.read())) return nothing
  return whenAlone(`datakit-upkeep ${name}`, PATIENCE, async () => {
    // Another page may have done it meanwhile, or brought more.
    const state = await place.read()
    if (!needsUpkeep(state)) return nothing
    const known = given.get(name)
    if (known?.version === state.version) return known.answer
    const answer =
      (isKept.value && (await run({ name, does: 'upkeep' }))) || (await keepUpHere(place))
    if (answer.damaged.length > 0) given.set(name, { version: state.version, answer })
    return answer
  })
}

/** In the page: what is in its memory no worker has, and there are browsers that start none. */
async function keepUpHere(place: Place): Promise<UpkeepAnswer> {
  const { keepPlaceUp } = await import('./upkeep-work.ts')
  return { damaged: await keepPlaceUp(place, 'upkeep'), problem: undefined }
}

/**
 * Gives back the room of what a repository does not need any more: at once, also what other pages may be reading, who look
 * again then. Rejects when that cannot be done.
 */
export async function freeInWorker(name: string): Promise<void> {
  throwProblem(await run({ name, does: 'free' }))
}

/**
 * Writes anew what is damaged and can be made whole from what is here: indexes from their packs, packs from other copies of
 * their objects. Rejects when it cannot look.
 */
export async function repairInWorker(name: string): Promise<void> {
  throwProblem(await run({ name, does: 'repair' }))
}

function throwProblem(answer: UpkeepAnswer | undefined): void {
  const problem = answer === undefined ? 'this browser starts no worker' : answer.problem
  if (problem !== undefined) throw new Error(problem)
}

/** Has a worker do it; `undefined` where none can. */
function run(order: UpkeepOrder): Promise<UpkeepAnswer | undefined> {
  const worker = new Worker(new URL('./upkeep.worker.ts', import.meta.url), { type: 'module' })
  const { promise, resolve } = Promise.withResolvers<UpkeepAnswer | undefined>()
  worker.addEventListener('message', (event: MessageEvent<UpkeepAnswer>) => resolve(event.data))
  worker.addEventListener('error', (event) => {
    console.warn(`Cannot keep "${order.name}" up in a worker: ${event.message}`)
    resolve(undefined)
  })
  worker.postMessage(order)
  return promise.finally(() => worker.terminate())
}
