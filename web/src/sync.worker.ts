/**
 * Syncs of one repository, off the page's thread.
 *
 * @module
 */
import { portableRuntime } from '@datakit/git/runtime/portable'
import { Repository } from '@datakit/datakit/repository'
import { indexedDbDepot } from '@datakit/storage/indexeddb'
import { NOBODY, readAuthor } from './author.ts'
import type { SyncReport } from './data.ts'
import { describeFailure, syncWithServer } from './data-sync.ts'
import type { SyncAnswer, SyncMessage } from './sync-worker.ts'

declare const self: DedicatedWorkerGlobalScope

type SyncOrder = Extract<SyncMessage, { options: unknown }>

/** Bytes of a pack that is proved in less time than it takes to start a worker. */
const SMALL = 256 * 1024

const running = new Map<number, AbortController>()
let author = NOBODY
let opened: Promise<Repository> | undefined

self.addEventListener('message', ({ data }: MessageEvent<SyncMessage>) => {
  if ('brokenOff' in data)
    running.get(data.id)?.abort(new DOMException('The sync was given up', data.brokenOff))
  else void answer(data)
})

async function answer(order: SyncOrder): Promise<void> {
  const controller = new AbortController()
  running.set(order.id, controller)
  const report = await sync(order, controller.signal)
  running.delete(order.id)
  self.postMessage({ id: order.id, report } satisfies SyncAnswer)
}

async function sync(order: SyncOrder, signal: AbortSignal): Promise<SyncReport> {
  try {
    // Who merges is asked each time: it may have been said since.
    author = await readAuthor().catch(() => author)
    const opening = (opened ??= open(order))
    opening.catch(() => (opened = undefined))
    const repository = await opening
    const report = await syncWithServer(repository, order.name, { ...order.options, signal })
    await proveSmall(repository).catch((error: unknown) => console.warn(error))
    return report
  } catch (error) {
    return { ...describeFailure(error), decisions: [] }
  }
}

/** Proves what came in small packs at once, in milliseconds; the rest is upkeep's, and so is what to do where it is wrong. */
async function proveSmall({ store }: Repository): Promise<void> {
  const { packs } = await store.state()
  if (!packs.some(({ verified, size }) => !verified && size <= SMALL)) return
  const { verifyPacks } = await import('@datakit/storage/verify')
  await verifyPacks(store.place, portableRuntime, { objects: store.objects, maxSize: SMALL })
}

async function open({ name, repository }: SyncOrder): Promise<Repository> {
  const place = await indexedDbDepot(undefined, { repository }).open(name)
  return Repository.open(place, { runtime: portableRuntime, identity: () => author })
}
