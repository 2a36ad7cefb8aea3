/**
 * Bodies: requests and answers as streams of bytes, unpacked when they came in gzip, and never more than was allowed.
 *
 * @module
 */
import { ProblemError } from './problem.ts'

/**
 * The body of a request, piece by piece. Git compresses large `fetch` requests with gzip.
 *
 * @throws ProblemError `too-large` once more than `limit` bytes came out, `wrong-type` for another compression
 */
export async function* readBody(request: Request, limit: number): AsyncGenerator<Uint8Array> {
  if (request.body === null) return
  let total = 0
  for await (const piece of pieces(unpacked(request, request.body))) {
    total += piece.length
    if (total > limit)
      throw new ProblemError(
        'too-large',
        `The request is larger than ${limit} bytes, which is the limit here`,
      )
    yield piece
  }
}

function unpacked(request: Request, body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const encoding = (request.headers.get('content-encoding') ?? 'identity').toLowerCase()
  if (encoding === 'identity') return body
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    throw new ProblemError(
      'wrong-type',
      `The request is compressed by "${encoding}"; this server reads gzip`,
    )
  }
  // The types of DOM and Workers differ in which buffer the written pieces may stand on; the bytes are the same.
  const unzip = new DecompressionStream('gzip') as unknown as ReadableWritablePair<
    Uint8Array,
    Uint8Array
  >
  return body.pipeThrough(unzip)
}

/** The pieces of a stream, which is cancelled when the consumer stops early. */
async function* pieces(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    // Nobody is left to hear why a cancelled stream could not be cancelled.
    await reader.cancel().catch(() => undefined)
  }
}

/** A stream that pulls its pieces from `source`, one when asked. An error of the source aborts the answer. */
export function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await iterator.next()
      if (next.done === true) controller.close()
      else controller.enqueue(next.value)
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}
