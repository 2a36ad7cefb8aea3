/**
 * Bucket: the part of R2's binding that this room uses, and nothing more.
 *
 * An `R2Bucket` is one; a wrapper that injects faults is one too. Where R2 says `null` this says it with it.
 *
 * Spec: https://developers.cloudflare.com/r2/api/workers/workers-api-reference/
 *
 * @module
 */
import { retrying } from './store.ts'

/** What is known of an object without its bytes. */
export interface BucketObject {
  readonly key: string
  /** Length of the whole object, also where a range of it was asked for. */
  readonly size: number
  /** MD5 of the content: equal content brings an old etag back. */
  readonly etag: string
  /** When it was put, by the clock of the bucket. */
  readonly uploaded: Date
}

/** An object and its bytes, or those of the range that was asked for. */
export interface BucketBody extends BucketObject {
  arrayBuffer(): Promise<ArrayBuffer>
  /** The same as a stream. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>
}

/** Holds, or the answer is `null` (put) or comes without a body (get). `etagDoesNotMatch: '*'` means absent. */
export interface BucketCondition {
  readonly etagMatches?: string
  readonly etagDoesNotMatch?: string
}

/** Bytes from `offset` on, at most `length`; or the last `suffix`. A range that begins behind the end is an error. */
export type BucketRange =
  | { readonly offset: number; readonly length: number }
  | { readonly suffix: number }

/** A part of a multipart upload that arrived. */
export interface BucketPart {
  readonly partNumber: number
  readonly etag: string
}

/** An object that comes in parts. Its parts cannot be read before it is complete. */
export interface BucketUpload {
  readonly uploadId: string
  /** Parts count from 1. All have one size, but for the last, which may be smaller. */
  uploadPart(partNumber: number, value: Uint8Array): Promise<BucketPart>
  complete(parts: BucketPart[]): Promise<BucketObject>
  abort(): Promise<void>
}

/** One page of a listing. */
export interface BucketPage {
  readonly objects: readonly BucketObject[]
  readonly truncated: boolean
  /** Where to go on; there when `truncated`. */
  readonly cursor?: string
}

/** A bucket. Strongly consistent: what was put is read, listed and compared at once, everywhere. */
export interface Bucket {
  head(key: string): Promise<BucketObject | null>
  get(
    key: string,
    options?: { onlyIf?: BucketCondition; range?: BucketRange },
  ): Promise<BucketBody | BucketObject | null>
  put(
    key: string,
    value: Uint8Array,
    options?: { onlyIf?: BucketCondition },
  ): Promise<BucketObject | null>
  /** Deletes up to 1,000 keys; those that are not there are passed over. */
  delete(keys: string[]): Promise<void>
  /** Up to 1,000 objects in the order of their keys. */
  list(options: { prefix: string; cursor?: string }): Promise<BucketPage>
  createMultipartUpload(key: string): Promise<BucketUpload>
}

/** Every object under `prefix`, page by page. @throws UnavailableError when a page cannot be had */
export async function* listAll(bucket: Bucket, prefix: string): AsyncGenerator<BucketObject> {
  let cursor: string | undefined
  do {
    const from = cursor === undefined ? {} : { cursor }
    const page: BucketPage = await retrying(() => bucket.list({ prefix, ...from }))
    yield* page.objects
    cursor = page.truncated ? page.cursor : undefined
  } while (cursor !== undefined)
}

/** Deletes however many keys there are, of which none is used again. @throws UnavailableError when the bucket fails each time */
export async function deleteAll(bucket: Bucket, keys: readonly string[]): Promise<void> {
  for (let i = 0; i < keys.length; i += 1000) {
    const some = keys.slice(i, i + 1000)
    await retrying(() => bucket.delete(some))
  }
}

/** Whether an error says that a key was written too often (R2 takes about one write a second to a key). */
export function isThrottled(error: unknown): boolean {
  return error instanceof Error && /\(10058\)|\b429\b|concurrent request rate/i.test(error.message)
}
