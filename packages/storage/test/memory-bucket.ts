/**
 * A bucket in memory that answers as R2 does: etags are MD5 sums of the content, and a range that begins behind the end is an error.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { concat } from '@datakit/git/bytes'
import { compareNames } from '@datakit/git/ref-name'
import type {
  Bucket,
  BucketBody,
  BucketCondition,
  BucketObject,
  BucketRange,
} from '../src/r2/bucket.ts'

/** Keys of one page of a listing: few, so that there are several. */
const PAGE = 50

interface Kept extends BucketObject {
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** An empty bucket, and its keys with what they hold, to look at and to damage. */
export function memoryBucket(): Bucket & { readonly kept: Map<string, Kept> } {
  const kept = new Map<string, Kept>()
  const keep = (key: string, value: Uint8Array): Kept => {
    const bytes = value.slice()
    const etag = createHash('md5').update(bytes).digest('hex')
    const object = { key, size: bytes.length, etag, uploaded: new Date(Date.now()), bytes }
    kept.set(key, object)
    return object
  }
  return {
    kept,
    head: async (key) => bare(kept.get(key)),
    async get(key, { onlyIf, range } = {}) {
      const found = kept.get(key)
      if (found === undefined) return null
      return holds(found, onlyIf) ? withBody(found, range) : bare(found)
    },
    async put(key, value, { onlyIf } = {}) {
      return holds(kept.get(key), onlyIf) ? bare(keep(key, value)) : null
    },
    async delete(keys) {
      for (const key of keys) kept.delete(key)
    },
    async list({ prefix, cursor = '' }) {
      const found = [...kept.values()]
        .filter(({ key }) => key.startsWith(prefix) && compareNames(key, cursor) > 0)
        .sort((a, b) => compareNames(a.key, b.key))
      const objects = found
        .slice(0, PAGE)
        .map(({ key, size, etag, uploaded }) => ({ key, size, etag, uploaded }))
      const last = objects.at(-1)
      if (found.length <= PAGE || last === undefined) return { objects, truncated: false }
      return { objects, truncated: true, cursor: last.key }
    },
    async createMultipartUpload(key) {
      const parts = new Map<number, Uint8Array>()
      return {
        uploadId: key,
        async uploadPart(partNumber, value) {
          parts.set(partNumber, value.slice())
          return { partNumber, etag: String(partNumber) }
        },
        complete: async (chosen) =>
          keep(
            key,
            concat(chosen.map(({ partNumber }) => parts.get(partNumber) ?? new Uint8Array())),
          ),
        async abort() {
          parts.clear()
        },
      }
    },
  }
}

function bare(found: Kept | undefined): BucketObject | null {
  if (found === undefined) return null
  const { key, size, etag, uploaded } = found
  return { key, size, etag, uploaded }
}

function holds(found: Kept | undefined, condition: BucketCondition = {}): boolean {
  const { etagMatches, etagDoesNotMatch } = condition
  if (etagMatches !== undefined && found?.etag !== etagMatches) return false
  if (etagDoesNotMatch === '*') return found === undefined
  return etagDoesNotMatch === undefined || found?.etag !== etagDoesNotMatch
}

function withBody(found: Kept, range: BucketRange | undefined): BucketBody {
  const bytes = cut(found, range)
  const { key, size, etag, uploaded } = found
  return {
    key,
    size,
    etag,
    uploaded,
    arrayBuffer: async () => bytes.slice().buffer,
    get body() {
      return new ReadableStream({
        start(controller) {
          controller.enqueue(bytes.slice())
          controller.close()
        },
      })
    },
  }
}

/** @throws Error when the range begins behind the end */
function cut({ bytes }: Kept, range: BucketRange | undefined): Uint8Array<ArrayBuffer> {
  if (range === undefined) return bytes
  if ('suffix' in range) return bytes.subarray(Math.max(0, bytes.length - range.suffix))
  if (range.offset >= bytes.length && range.length > 0)
    throw new Error('get: The requested range is not satisfiable (10039)')
  return bytes.subarray(range.offset, range.offset + range.length)
}
