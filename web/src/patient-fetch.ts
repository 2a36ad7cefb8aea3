/**
 * Requests that are given up when nothing comes for too long. A connection that died without a word, as in a tunnel, would
 * hold a sync for minutes, and the next network would not help.
 *
 * @module
 */

/** Milliseconds of silence after which a connection counts as dead. */
export const SILENCE = 60_000
/** What the slowest network sends, in bytes a millisecond: so much longer may the answer to a long request take. */
const SLOWEST = 8

/**
 * What `fetch` gives, and fails when the server says nothing for {@link SILENCE} milliseconds: before it answers, or in the
 * middle of a body that somebody waits for.
 *
 * @throws DOMException named `TimeoutError` when it does, also where the body is read
 */
export async function patientFetch(input: string, init: RequestInit): Promise<Response> {
  const silence = new Silence()
  const signals = [silence.signal, ...(init.signal ? [init.signal] : [])]
  const sending = init.body instanceof Uint8Array ? init.body.length / SLOWEST : 0
  const answer = fetch(input, { ...init, signal: AbortSignal.any(signals) })
  const response = await silence.endedBy(answer, SILENCE + sending)
  if (response.body === null) return response
  const { status, statusText, headers } = response
  return new Response(patientBody(response.body.getReader(), silence), {
    status,
    statusText,
    headers,
  })
}

/** The body as it comes. The time runs only while somebody waits for more. */
function patientBody(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  silence: Silence,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await silence.endedBy(reader.read(), SILENCE)
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

/** Breaks a connection off when nothing is heard. */
class Silence {
  readonly #controller = new AbortController()

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** What is waited for, unless it takes longer than so many milliseconds. */
  async endedBy<Result>(heard: Promise<Result>, milliseconds: number): Promise<Result> {
    const reason = new DOMException('Nothing was heard from the server', 'TimeoutError')
    const timer = setTimeout(() => this.#controller.abort(reason), milliseconds)
    try {
      return await heard
    } finally {
      clearTimeout(timer)
    }
  }
}
