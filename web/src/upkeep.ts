/**
 * Upkeep of the repositories of this browser, in a worker, one page at a time.
 *
 * @module
 */
import type { State } from '@datakit/git/place'
import { needsUpkeep } from '@datakit/storage/upkeep'

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

/** Versions of repositories whose upkeep found damage: nothing that it does makes that go away. */
const given = new Map<string, string>()

/** Keeps a repository up if its state asks for it, unless another page is at it. Never rejects. */
export async function keepUpInWorker(name: string, state: State): Promise<UpkeepAnswer> {
  if (!needsUpkeep(state) || given.get(name) === state.version) return nothing
  const order = { name, does: 'upkeep' } as const
  if (!('locks' in navigator)) return run(order)
  const options = { ifAvailable: true } as const
  const answer = await navigator.locks.request(`datakit-upkeep ${name}`, options, async (lock) =>
    lock === null ? nothing : run(order),
  )
  if (answer.damaged.length > 0) given.set(name, state.version)
  return answer
}

/**
 * Gives back the room of what a repository does not need any more: at once, also what other pages may be reading, who look
 * again then. Rejects when that cannot be done.
 */
export async function freeInWorker(name: string): Promise<void> {
  const { problem } = await run({ name, does: 'free' })
  if (problem !== undefined) throw new Error(problem)
}

/**
 * Writes anew what is damaged and can be made whole from what is here: indexes from their packs, packs from other copies of
 * their objects. Rejects when it cannot look.
 */
export async function repairInWorker(name: string): Promise<void> {
  const { problem } = await run({ name, does: 'repair' })
  if (problem !== undefined) throw new Error(problem)
}

function run(order: UpkeepOrder): Promise<UpkeepAnswer> {
  const worker = new Worker(new URL('./upkeep.worker.ts', import.meta.url), { type: 'module' })
  const { promise, resolve } = Promise.withResolvers<UpkeepAnswer>()
  worker.addEventListener('message', (event: MessageEvent<UpkeepAnswer>) => resolve(event.data))
  // A browser that starts no worker keeps its packs as they are, which costs time and nothing else.
  worker.addEventListener('error', (event) => resolve({ damaged: [], problem: event.message }))
  worker.postMessage(order)
  return promise.finally(() => worker.terminate())
}
