/**
 * A bucket that goes wrong as R2 does: it refuses a second write to a key too soon after the first, loses answers, fails.
 * It also counts what it is asked.
 *
 * @module
 */
import type { Bucket, BucketObject } from '../src/r2/bucket.ts'
import { pause } from '../src/r2/store.ts'

/**
 * What can happen to one call: nothing, it fails before anything was done, it is done and its answer is lost, or a layer
 * between us and the bucket loses the answer and does it once more.
 */
export type Fault = 'none' | 'fail' | 'lose-answer' | 'repeat'

/** What goes wrong. */
export interface Faults {
  /** Two writes to a key less than so many milliseconds apart: the second is refused. */
  readonly writeInterval?: number
  /** The same for two writes by whomever, in other isolates too: told by when the object was put. */
  readonly sharedWriteInterval?: number
  /** How long every answer takes more than it would, in milliseconds. */
  readonly delay?: number
  /** Asked before each call. */
  readonly fault?: (method: string, key: string) => Fault
}

/** The bucket and what it was asked: `get root/a`, `put p/…`. */
export interface FaultyBucket extends Bucket {
  readonly calls: string[]
}

/** Wraps a bucket. */
export function faultyBucket(bucket: Bucket, faults: Faults = {}): FaultyBucket {
  const calls: string[] = []
  const written = new Map<string, number>()
  const call = async <T>(method: string, key: string, perform: () => Promise<T>): Promise<T> => {
    calls.push(`${method} ${key}`)
    const fault = faults.fault?.(method, key) ?? 'none'
    if (fault === 'fail')
      throw new Error(`${method}: We encountered an internal error. Please try again. (10001)`)
    if (fault === 'repeat') await perform()
    const result = await perform()
    if (faults.delay !== undefined) await pause(faults.delay)
    if (fault === 'lose-answer') throw new Error(`${method}: Network connection lost.`)
    return result
  }
  const isTooSoon = async (key: string, now: number): Promise<boolean> => {
    if (now - (written.get(key) ?? -Infinity) < (faults.writeInterval ?? 0)) return true
    if (faults.sharedWriteInterval === undefined) return false
    const found = await bucket.head(key)
    return found !== null && now - found.uploaded.getTime() < faults.sharedWriteInterval
  }
  const throttled = <T>(method: string, key: string, perform: () => Promise<T>): Promise<T> =>
    call(method, key, async () => {
      const now = Date.now()
      if (await isTooSoon(key, now)) {
        throw new Error(
          `${method}: Reduce your concurrent request rate for the same object. (10058)`,
        )
      }
      written.set(key, now)
      return perform()
    })
  return {
    calls,
    head: (key) => call('head', key, () => bucket.head(key)),
    get: (key, options) => call('get', key, () => bucket.get(key, options)),
    put: (key, value, options): Promise<BucketObject | null> =>
      throttled('put', key, () => bucket.put(key, value, options)),
    delete: (keys) => call('delete', keys.join(' '), () => bucket.delete(keys)),
    list: (options) => call('list', options.prefix, () => bucket.list(options)),
    async createMultipartUpload(key) {
      const upload = await call('create', key, () => bucket.createMultipartUpload(key))
      return {
        uploadId: upload.uploadId,
        uploadPart: (number, value) => call('part', key, () => upload.uploadPart(number, value)),
        complete: (parts) => throttled('complete', key, () => upload.complete(parts)),
        abort: () => call('abort', key, () => upload.abort()),
      }
    },
  }
}
