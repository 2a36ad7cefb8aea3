/**
 * Bodies: requests and answers as streams of bytes, unpacked when they came in gzip, and never more than was allowed.
 *
 * @module
 */
import { MalformedError, RefusedError } from '@datakit/git/error'
import { ProblemError } from './problem.ts'

/**
 * The body of a request, piece by piece. Git compresses large `fetch` requests with gzip.
 *
 * What is found while it is read is an error of Git's, so that whoever reads can tell it in the words of its protocol:
 * RefusedError `too-large` once more than `limit` bytes came out, MalformedError when it is cut short or no gzip.
 *
 * @throws ProblemError `wrong-type` at once, for another compression
 */
export function readBody(request: Request, limit: number): AsyncGenerator<Uint8Array> {
  return limited(request.body === null ? undefined : unpacked(request, request.body), limit)
}

async function* limited(
  body: ReadableStream<Uint8Array> | undefined,
  limit: number,
): AsyncGenerator<Uint8Array> {
  if (body === undefined) return
  let total = 0
  for await (const piece of pieces(body)) {
    total += piece.length
    if (total > limit)
      throw new RefusedError(
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
      const { done, value } = await reader.read().catch(brokenOff)
      if (done) return
      yield value
    }
  } finally {
    // Nobody is left to hear why a cancelled stream could not be cancelled.
    await reader.cancel().catch(() => undefined)
  }
}

/** Bytes that the client did not send, or did not pack as it said. */
function brokenOff(cause: unknown): never {
  throw new MalformedError('the request', 'it breaks off, or is not compressed as it says', {
    cause,
  })
}

/** Makes a stream of pieces that are each valid until the next one is asked for. An error of theirs aborts the answer. */
export type StreamOf = (source: AsyncIterable<Uint8Array>) => ReadableStream<Uint8Array>

/**
 * A stream of the pieces of `source`, once the first of them is there: what fails before it is thrown here, where there is
 * still an answer to choose.
 */
export async function startedStreamOf(
  source: AsyncIterable<Uint8Array>,
  makeStream: StreamOf = streamOf,
): Promise<ReadableStream<Uint8Array>> {
  const iterator = source[Symbol.asyncIterator]()
  const first = await iterator.next()
  return makeStream(resumed(first, iterator))
}

async function* resumed(
  first: IteratorResult<Uint8Array>,
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    for (let next = first; next.done !== true; next = await iterator.next()) yield next.value
  } finally {
    await iterator.return?.()
  }
}

/** The {@link StreamOf} of any runtime: pulls a piece when asked, and copies it, as nobody tells when it was sent. */
export function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await iterator.next()
      if (next.done === true) controller.close()
      else controller.enqueue(next.value.slice())
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}
