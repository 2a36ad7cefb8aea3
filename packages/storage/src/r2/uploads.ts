/**
 * Uploads in R2: a part is an object, `up/DIGEST/PACK/NUMBER`. Isolates share nothing else.
 *
 * @module
 */
import { UnavailableError } from '@datakit/git/error'
import type { Uploads } from '@datakit/git/uploads'
import { uploadsIn, type UploadOptions } from '../uploads.ts'
import { deleteAll, listAll, type Bucket } from './bucket.ts'
import { hasBody, retrying } from './store.ts'

/** Where the keys of all parts begin. */
const PREFIX = 'up/'

/** Parts of packs that are being uploaded, in a bucket. */
export function r2Uploads(bucket: Bucket, options: UploadOptions = {}): Uploads {
  return uploadsIn(
    {
      async *list(prefix) {
        for await (const { key, size, uploaded } of listAll(bucket, PREFIX + prefix))
          yield { key: key.slice(PREFIX.length), size, at: uploaded.getTime() }
      },
      read: (key) =>
        retrying(async () => {
          const object = await bucket.get(PREFIX + key)
          return object && hasBody(object) ? new Uint8Array(await object.arrayBuffer()) : undefined
        }),
      async write(key, bytes) {
        try {
          await bucket.put(PREFIX + key, bytes)
        } catch (cause) {
          throw new UnavailableError('Cannot keep a part of a pack: the bucket does not take it', {
            cause,
          })
        }
      },
      remove: (keys) =>
        deleteAll(
          bucket,
          keys.map((key) => PREFIX + key),
        ),
    },
    options,
  )
}
