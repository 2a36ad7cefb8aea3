import { concat } from '@datakit/git/bytes'
import { describe, expect, it } from 'vitest'
import type { Bucket, BucketBody } from './bucket.ts'
import { streamRange } from './stream.ts'

const content = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31) % 251)

/** A bucket whose streams break off after `after` bytes, the first `times` times, and what it was asked for. */
function breakingBucket(after: number, times: number): { bucket: Bucket; asked: number[] } {
  const asked: number[] = []
  const refuse = () => Promise.reject(new Error('This bucket is only read'))
  const bucket: Bucket = {
    head: refuse,
    put: refuse,
    delete: refuse,
    list: refuse,
    createMultipartUpload: refuse,
    async get(key, { range } = {}): Promise<BucketBody> {
      if (range === undefined || 'suffix' in range) throw new Error('Expected a range')
      asked.push(range.offset)
      const bytes = content.slice(range.offset, range.offset + range.length)
      const breaks = asked.length <= times
      const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull(controller) {
          controller.enqueue(breaks ? bytes.slice(0, after) : bytes)
          if (!breaks) controller.close()
        },
        cancel: () => undefined,
      })
      const broken = breaks ? body.pipeThrough(breaking(after)) : body
      const size = content.length
      const arrayBuffer = async (): Promise<ArrayBuffer> => bytes.buffer
      return { key, size, etag: '', uploaded: new Date(0), body: broken, arrayBuffer }
    },
  }
  return { bucket, asked }
}

/** Lets so many bytes through and breaks. */
function breaking(
  after: number,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let left = after
  return new TransformStream({
    transform(piece, controller) {
      if (left <= 0) throw new Error('Network connection lost.')
      left -= piece.length
      controller.enqueue(piece)
    },
  })
}

async function read(bucket: Bucket, start: number, end: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of streamRange(bucket, 'p/1', { start, end })) pieces.push(piece.slice())
  return concat(pieces)
}

describe('a range of an object', () => {
  it('is taken up where the stream broke', async () => {
    const { bucket, asked } = breakingBucket(700_000, 2)
    expect(await read(bucket, 100, 2_900_000)).toEqual(content.slice(100, 2_900_000))
    expect(asked).toEqual([100, 700_100, 1_400_100])
  })

  it('fails when the stream breaks again and again without a byte', async () => {
    const { bucket, asked } = breakingBucket(0, 100)
    await expect(read(bucket, 0, 10)).rejects.toMatchObject({ code: 'unavailable' })
    expect(asked).toHaveLength(3)
  })

  it('is missing when the object ends before it does', async () => {
    const { bucket } = breakingBucket(0, 0)
    const promise = read(bucket, 2_999_000, 3_000_100)
    await expect(promise).rejects.toMatchObject({ code: 'missing' })
  })
})
