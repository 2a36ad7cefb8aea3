/**
 * A bucket that holds one object, under whatever key it is asked for: for reading bytes that were cut short or garbled.
 *
 * @module
 */
import { ByteCache } from '@datakit/git/byte-cache'
import type { Bucket, BucketBody, BucketRange } from '../src/r2/bucket.ts'
import { Store } from '../src/r2/store.ts'

/** A store over such a bucket, which caches nothing. */
export function oneObject(bytes: Uint8Array): Store {
  const refuse = () => Promise.reject(new Error('This bucket is only read'))
  const object = { size: bytes.length, etag: '', uploaded: new Date(0) }
  const bucket: Bucket = {
    head: async (key) => ({ ...object, key }),
    async get(key, { range } = {}): Promise<BucketBody> {
      const part = range ? cut(bytes, range) : bytes
      const copy = part.slice()
      const body = new Blob([copy]).stream()
      return { ...object, key, body, arrayBuffer: async () => copy.buffer }
    },
    put: refuse,
    delete: refuse,
    list: refuse,
    createMultipartUpload: refuse,
  }
  return new Store(bucket, new ByteCache(0))
}

function cut(bytes: Uint8Array, range: BucketRange): Uint8Array {
  if ('suffix' in range) return bytes.subarray(Math.max(0, bytes.length - range.suffix))
  return bytes.subarray(range.offset, range.offset + range.length)
}
