/** The page's side of background sync: when the browser is asked, by the clock. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { RepositoryStore, SyncReport } from './data.ts'
import { startServiceWorker } from './service-worker-client.ts'
import { SessionSync } from './session-sync.ts'

const DONE: SyncReport = { state: 'done', decisions: [], message: undefined }
/** What the browser was asked for. */
let tags: string[] = []

beforeEach(async () => {
  tags = []
  vi.useFakeTimers()
  const registration = Object.assign(new EventTarget(), {
    waiting: null,
    installing: null,
    update: async () => {},
    sync: { register: async (tag: string) => void tags.push(tag) },
  })
  const serviceWorker = Object.assign(new EventTarget(), {
    controller: null,
    register: async () => registration,
  })
  const document = Object.assign(new EventTarget(), { visibilityState: 'hidden' })
  vi.stubGlobal('navigator', { onLine: true, serviceWorker })
  vi.stubGlobal('document', document)
  vi.stubGlobal('window', new EventTarget())
  await startServiceWorker()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** A repository with a commit that is to be sent, whose syncs end as they are told. */
function storeWith(waiting: number) {
  const { promise, resolve } = Promise.withResolvers<SyncReport>()
  const store: Pick<RepositoryStore, 'name' | 'sync' | 'waiting' | 'keepUp' | 'decisions'> = {
    name: 'config',
    sync: () => promise,
    waiting: async () => waiting,
    keepUp: async () => [],
    decisions: async () => [],
  }
  // A page that is hidden does not listen, and nothing else of the store is asked for.
  const sync = new SessionSync(store as RepositoryStore, async () => {})
  return { sync, end: resolve, store }
}

// Seen to fail when the page asks after a second.
it('asks after a tenth of a second, while a commit is on its way', async () => {
  const { sync, end } = storeWith(1)
  const over = sync.request()
  await vi.advanceTimersByTimeAsync(99)
  expect(tags).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(tags).toEqual(['datakit-sync:config'])
  await vi.advanceTimersByTimeAsync(5000)
  end(DONE)
  await over
  expect(tags).toHaveLength(1)
  sync.stop()
})

it('does not ask when the sync was faster, or there is nothing to send', async () => {
  const fast = storeWith(1)
  const over = fast.sync.request()
  await vi.advanceTimersByTimeAsync(99)
  fast.end(DONE)
  await over
  fast.sync.stop()
  const idle = storeWith(0)
  void idle.sync.request()
  await vi.advanceTimersByTimeAsync(1000)
  expect(tags).toEqual([])
  idle.sync.stop()
})

it('asks at once when a page that has not sent all is hidden', async () => {
  const { sync } = storeWith(1)
  await sync.start()
  document.dispatchEvent(new Event('visibilitychange'))
  await vi.advanceTimersByTimeAsync(0)
  expect(tags).toEqual(['datakit-sync:config'])
  sync.stop()
})

// Seen to fail when nobody tells the schedule what the proof has found: it asked 20 times.
it('asks a server ever less often whose commits turn out to be wrong', async () => {
  const { sync, end, store } = storeWith(0)
  let syncs = 0
  let damage: readonly string[] = ['What came is damaged']
  Object.assign(store, {
    sync: async () => (syncs++, DONE),
    keepUp: async () => damage,
  })
  end(DONE)
  await sync.request()
  await vi.advanceTimersByTimeAsync(600_000)
  // After one, three and seven minutes, each a quarter more or less.
  expect(syncs).toBeLessThan(7)
  expect(syncs).toBeGreaterThan(2)
  damage = []
  await vi.advanceTimersByTimeAsync(400_000)
  const before = syncs
  await vi.advanceTimersByTimeAsync(600_000)
  expect(syncs - before).toBeGreaterThan(14)
  sync.stop()
})
