/**
 * Bodies: requests and answers as streams of bytes, unpacked when they came in gzip, and never more than was allowed.
 *
 * @module
 */
import { MalformedError, RefusedError } from '@datakit/git/error'
import { ProblemError } from './problem.ts'

/** Bytes of a body that nobody wants which are read all the same, so that the client hears the answer. */
const MAX_DISCARDED = 16 * 1024 * 1024
/** Milliseconds that this may take. */
const MAX_DISCARDING = 10_000

/** The body of one request. It is read once, and what is left of it is discarded when the answer is there. */
export class RequestBody {
  readonly #request: Request
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  #hasEnded = false

  constructor(request: Request) {
    this.#request = request
  }

  /**
   * The body, piece by piece, unpacked. Git compresses large `fetch` requests with gzip.
   *
   * What is found while it is read is an error of Git's, so that whoever reads can tell it in the words of its protocol:
   * RefusedError `too-large` once more than `limit` bytes came out, MalformedError when it is cut short or no gzip.
   *
   * @throws ProblemError `wrong-type` at once, for another compression
   */
  read(limit: number): AsyncGenerator<Uint8Array> {
    const { body } = this.#request
    if (body === null) return nothing()
    this.#reader = unpacked(this.#request, body).getReader()
    return this.#pieces(this.#reader, limit)
  }

  /**
   * Reads what nobody has read, within bounds, and lets go of the rest. Who is cut off in the middle of a request tells
   * his user of a broken connection, and not of our reasons.
   */
  async discard(): Promise<void> {
    if (this.#hasEnded) return
    this.#hasEnded = true
    const reader = this.#reader ?? this.#request.body?.getReader()
    if (reader === undefined) return
    const late = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => late.resolve(undefined), MAX_DISCARDING)
    try {
      for (let left = MAX_DISCARDED; left > 0;) {
        const next = await Promise.race([reader.read(), late.promise])
        if (next === undefined || next.done) break
        left -= next.value.length
      }
    } catch {
      // Nobody is left to hear the answer.
    } finally {
      clearTimeout(timer)
      await reader.cancel().catch(() => undefined)
    }
  }

  async *#pieces(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    limit: number,
  ): AsyncGenerator<Uint8Array> {
    for (let total = 0; ;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        this.#hasEnded = true
        throw brokenOff(cause)
      })
      if (done) {
        this.#hasEnded = true
        return
      }
      total += value.length
      if (total > limit)
        throw new RefusedError(
          'too-large',
          `The request is larger than ${limit} bytes, which is the limit here`,
        )
      yield value
    }
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function unpacked(request: Request, body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const encoding = (request.headers.get('content-encoding') || 'identity').toLowerCase()
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

/** Bytes that the client did not send, or did not pack as it said. */
function brokenOff(cause: unknown): MalformedError {
  return new MalformedError('the request', 'it breaks off, or is not compressed as it says', {
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

/** No generator: one that waits for its next piece does not hear that it is to end. */
function resumed(
  first: IteratorResult<Uint8Array>,
  iterator: AsyncIterator<Uint8Array>,
): AsyncIterable<Uint8Array> {
  let waiting: IteratorResult<Uint8Array> | undefined = first
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const next = waiting ?? (await iterator.next())
        waiting = undefined
        return next
      },
      async return() {
        await iterator.return?.()
        return { done: true, value: undefined }
      },
    }),
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
