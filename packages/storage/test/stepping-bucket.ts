/**
 * A bucket that stops before each operation and asks what happens: nothing, somebody else does something first, or whoever
 * works with it is dead from then on.
 *
 * @module
 */
import type { Bucket } from '../src/r2/bucket.ts'

/** What happens at an operation: it is done, it is not done, or it is done and nobody hears of it. */
export type Step = 'go on' | 'die before' | 'die after'

/** Asked before each operation, which are counted from 0. */
export type Stepper = (count: number, what: string) => Promise<Step> | Step

/** Wraps a bucket. From the operation on at which somebody dies, all fail and nothing is done. */
export function steppingBucket(bucket: Bucket, step: Stepper): Bucket & { readonly count: number } {
  let count = 0
  let isDead = false
  const call = async <T>(what: string, perform: () => Promise<T>): Promise<T> => {
    const next = isDead ? 'die before' : await step(count++, what)
    if (next === 'go on') return perform()
    if (next === 'die after' && !isDead) await perform()
    isDead = true
    throw new Error(`${what}: nobody is there`)
  }
  return {
    get count() {
      return count
    },
    head: (key) => call(`head ${key}`, () => bucket.head(key)),
    get: (key, options) => call(`get ${key}`, () => bucket.get(key, options)),
    put: (key, value, options) => call(`put ${key}`, () => bucket.put(key, value, options)),
    delete: (keys) => call(`delete ${keys.length}`, () => bucket.delete(keys)),
    list: (options) => call(`list ${options.prefix}`, () => bucket.list(options)),
    createMultipartUpload: (key) => call(`create ${key}`, () => bucket.createMultipartUpload(key)),
  }
}
