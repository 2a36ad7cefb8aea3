import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextDelay, SyncSchedule, type Verdict } from './sync-schedule.ts'

describe('the next sync', () => {
  it('comes after half a minute, give or take a quarter', () => {
    expect([nextDelay(0, 0), nextDelay(0, 0.5), nextDelay(0, 1)]).toEqual([22_500, 30_000, 37_500])
  })

  it('comes ever later while it fails, up to five minutes', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 20].map((failures) => nextDelay(failures, 0.5) / 1000)
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 300, 300])
  })
})

describe('a schedule', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())

  it('runs one sync at a time, and one more for all who asked meanwhile', async () => {
    let finish: (() => void) | undefined
    const run = vi.fn(() => new Promise<Verdict>((resolve) => (finish = () => resolve('done'))))
    const schedule = new SyncSchedule(run)
    const all = Promise.all([schedule.request(), schedule.request(), schedule.request()])
    finish?.()
    await vi.advanceTimersByTimeAsync(0)
    expect(run).toHaveBeenCalledTimes(2)
    finish?.()
    await all
    schedule.stop()
  })

  it('begins afresh after one that failed', async () => {
    let finish: ((verdict: Verdict) => void) | undefined
    const run = vi.fn(() => new Promise<Verdict>((resolve) => (finish = resolve)))
    const schedule = new SyncSchedule(run)
    void schedule.request()
    void schedule.afresh()
    finish?.('failed')
    await vi.advanceTimersByTimeAsync(0)
    expect(run).toHaveBeenCalledTimes(2)
    finish?.('done')
    schedule.stop()
  })

  it('goes on by itself, and stops when told', async () => {
    const run = vi.fn(async (): Promise<Verdict> => 'done')
    const schedule = new SyncSchedule(run)
    await schedule.request()
    await vi.advanceTimersByTimeAsync(40_000)
    expect(run).toHaveBeenCalledTimes(2)
    schedule.stop()
    await vi.advanceTimersByTimeAsync(600_000)
    expect(run).toHaveBeenCalledTimes(2)
  })

  it('leaves a server alone for as long as it asks', async () => {
    const run = vi.fn(async (): Promise<Verdict> => 120_000)
    const schedule = new SyncSchedule(run)
    await schedule.request()
    await vi.advanceTimersByTimeAsync(119_000)
    expect(run).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(run).toHaveBeenCalledTimes(2)
    schedule.stop()
  })

  it('waits for somebody to ask when it is told to pause', async () => {
    const run = vi.fn(async (): Promise<Verdict> => 'pause')
    const schedule = new SyncSchedule(run)
    await schedule.request()
    await vi.advanceTimersByTimeAsync(600_000)
    expect(run).toHaveBeenCalledTimes(1)
  })
})
