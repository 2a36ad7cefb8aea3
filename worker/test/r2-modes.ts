/**
 * The buckets that suites of R2 run over, in workerd: R2 as it is locally, and R2 as it is deployed, which answers 429 to a
 * second write to a key within a second.
 *
 * Over the second one time is not waited for: a timer that is due next is due at once, and clocks go with it. So a suite
 * meets the real second, with the patience and the intervals of a deployment, and takes no longer for it.
 *
 * @module
 */
import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, describe, vi } from 'vitest'
import type { Bucket } from '../../packages/storage/src/r2/bucket.ts'
import { pause } from '../../packages/storage/src/r2/store.ts'
import { faultyBucket } from '../../packages/storage/test/faulty-bucket.ts'

/** A bucket that a suite runs over. */
export interface R2Mode {
  readonly bucket: Bucket
  /** Whether the bucket refuses a second write to a key within a second. */
  readonly isThrottled: boolean
  /** Resolves when every key can be written again; at once where none has to be waited for. */
  rest(): Promise<void>
}

/** Milliseconds between two writes to a key that R2 takes. */
export const WRITE_INTERVAL = 1000

/** How long a call takes over R2 as it is deployed, in milliseconds. */
const LATENCY = 50

/** The bucket of the tests, as it is. */
export const plainBucket: Bucket = (env as unknown as { BUCKET: R2Bucket }).BUCKET

/** Runs a suite over R2 as it is locally and as it is deployed. */
export function overR2(suite: (mode: R2Mode) => void): void {
  describe('R2', () => suite({ bucket: plainBucket, isThrottled: false, rest: async () => {} }))
  overThrottledR2(suite)
}

/** Runs a suite over R2 as it is deployed. */
export function overThrottledR2(suite: (mode: R2Mode) => void): void {
  describe('R2 that answers 429', () => {
    beforeAll(() => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
      vi.setTimerTickMode('nextTimerAsync')
    })
    afterAll(() => void vi.useRealTimers())
    // Local workerd runs no timer while reads follow on each other without a pause: the delay lets those who wait go on.
    const bucket = faultyBucket(plainBucket, { writeInterval: WRITE_INTERVAL, delay: LATENCY })
    suite({ bucket, isThrottled: true, rest: () => pause(WRITE_INTERVAL) })
  })
}
