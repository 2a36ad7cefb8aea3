/**
 * A place in a bucket, as one isolate sees it: whoever uses it can be killed before and after every request to the bucket, in the middle of
 * an update too, and others go on meanwhile.
 *
 * @module
 */
import type { Place, UpdateRequest } from '@datakit/git/place'
import { r2Depot } from '@datakit/storage/r2'
import type { Bucket, BucketObject } from '../../../storage/src/r2/bucket.ts'
import { faultyBucket, type Fault } from '../../../storage/test/faulty-bucket.ts'
import type { Disk } from './ledger.ts'
import type { Gates } from './process.ts'

/** R2 takes one write to a key in so many milliseconds. */
const WRITE_INTERVAL = 1000
const FAULTS: readonly Fault[] = ['fail', 'lose-answer', 'repeat']

/** What stands between a process and a bucket. */
export interface BucketGates extends Gates {
  readonly bucket: Bucket
  /** What is in the bucket, with no gates before it. */
  readonly disk: Disk
  /** Milliseconds since 1970 by the clock of the machine. */
  readonly clock: () => number
  /** Whether a second write to a key within a second is refused. */
  readonly isThrottled: boolean
  /** How likely a request to the bucket fails, or loses its answer. */
  readonly faultRate: () => number
}

/** The place. Updates are observed at the moment in which a root is stored. */
export async function bucketPlace(gates: BucketGates): Promise<Place> {
  const { clock, isThrottled } = gates
  const asked = new Map<string, UpdateRequest>()
  const place = await r2Depot(isolateBucket(gates, asked), {
    clock,
    writeInterval: isThrottled ? WRITE_INTERVAL : 0,
  }).open('config')
  return {
    ...place,
    async update(request) {
      asked.set(request.id, request)
      return place.update(request)
    },
  }
}

/** The bucket as one isolate sees it; `asked` are the updates that it may be about to make. */
export function isolateBucket(gates: BucketGates, asked: Map<string, UpdateRequest>): Bucket {
  const { scheduler, bucket, isThrottled, faultRate } = gates
  const faulty = faultyBucket(observedBucket(bucket, gates, asked), {
    ...(isThrottled && { sharedWriteInterval: WRITE_INTERVAL }),
    fault: () =>
      scheduler.chance(faultRate()) ? (FAULTS[scheduler.below(FAULTS.length)] ?? 'none') : 'none',
  })
  return gatedBucket(faulty, gates)
}

/** A gate before what is read, and before and after what is written. */
function gatedBucket(bucket: Bucket, { scheduler, process, density }: Gates): Bucket {
  const reading = async <T>(work: () => Promise<T>): Promise<T> => {
    if (!process.isAlive || scheduler.chance(density)) await process.step()
    return work()
  }
  const writing = async <T>(work: () => Promise<T>): Promise<T> => {
    await process.step()
    try {
      return await work()
    } finally {
      await process.step()
    }
  }
  return {
    head: (key) => reading(() => bucket.head(key)),
    get: (key, options) => reading(() => bucket.get(key, options)),
    put: (key, value, options) => writing(() => bucket.put(key, value, options)),
    delete: (keys) => writing(() => bucket.delete(keys)),
    list: (options) => reading(() => bucket.list(options)),
    createMultipartUpload: (key) => writing(() => bucket.createMultipartUpload(key)),
  }
}

/** Tells the observer of every update that a root which is stored has made, before anybody else goes on. */
function observedBucket(
  bucket: Bucket,
  { scheduler, process, observe, disk }: BucketGates,
  asked: Map<string, UpdateRequest>,
): Bucket {
  const observed = async (
    work: () => Promise<BucketObject | null>,
  ): Promise<BucketObject | null> => {
    const before = await disk.place.read()
    const stored = await work()
    const after = await disk.place.read()
    for (const request of asked.values()) {
      if ((await after.receipt(request.id))?.outcome !== 'done') continue
      asked.delete(request.id)
      // It was asked again, and nothing was done for it this time.
      if ((await before.receipt(request.id))?.outcome === 'done') continue
      for (const { name } of request.refs) process.moved.add(name)
      await observe(request, { before, after, process })
    }
    return stored
  }
  return {
    ...bucket,
    put(key, value, options) {
      const work = (): Promise<BucketObject | null> => bucket.put(key, value, options)
      return key.startsWith('root/') ? scheduler.outside(observed(work)) : work()
    },
  }
}
