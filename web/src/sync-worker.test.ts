import { memoryPlace } from '@datakit/storage/memory'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { SyncReport } from './data.ts'
import { GRACE, SyncWorker, type SyncMessage } from './sync-worker.ts'

const DONE: SyncReport = { state: 'done', decisions: [], message: undefined }
const place = { ...memoryPlace(), traits: { ...memoryPlace().traits, kind: 'indexeddb' as const } }

/** The browser's side: a worker that does with a message what the test says. */
let heard: SyncMessage[] = []
let onMessage: (message: SyncMessage, worker: EventTarget) => void = () => {}
let ended = 0

beforeEach(() => {
  heard = []
  ended = 0
  onMessage = () => {}
  vi.useFakeTimers()
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  class Stand extends EventTarget {
    postMessage(message: SyncMessage): void {
      heard.push(message)
      onMessage(message, this)
    }
    terminate(): void {
      ended++
    }
  }
  vi.stubGlobal('Worker', Stand)
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

it('gives the report of the worker', async () => {
  onMessage = ({ id }, worker) =>
    worker.dispatchEvent(new MessageEvent('message', { data: { id, report: DONE } }))
  expect(await new SyncWorker('config').sync(place, { token: undefined })).toEqual(DONE)
  expect(heard).toMatchObject([{ name: 'config', options: {} }])
})

// Seen to wait for ever when nobody counts the time.
it('leaves it to the page when a sync is broken off and the worker says nothing', async () => {
  const syncing = new SyncWorker('config')
  const controller = new AbortController()
  const report = syncing.sync(place, { token: undefined, signal: controller.signal })
  await vi.waitFor(() => expect(heard).toHaveLength(1))
  controller.abort(new DOMException('Too long', 'TimeoutError'))
  expect(heard.at(-1)).toMatchObject({ brokenOff: 'TimeoutError' })
  vi.advanceTimersByTime(GRACE)
  expect(await report).toBeUndefined()
  expect(ended).toBe(1)
  expect(await syncing.sync(place, { token: undefined })).toBeUndefined()
  expect(heard).toHaveLength(2)
})

it('is not asked about what only this page has', async () => {
  expect(await new SyncWorker('config').sync(memoryPlace(), { token: undefined })).toBeUndefined()
  expect(heard).toEqual([])
})
