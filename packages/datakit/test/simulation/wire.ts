/**
 * The wire of a simulation: requests and answers on their way, and all that can happen to them.
 *
 * @module
 */
import { concat } from '@datakit/git/bytes'
import { SYNC_TYPE } from '@datakit/git/protocol/sync'
import { Process } from './process.ts'
import type { Scheduler } from './scheduler.ts'

/** A request as it can be sent again. */
export interface SentRequest {
  readonly url: string
  readonly headers: HeadersInit | undefined
  readonly body: Uint8Array<ArrayBuffer>
}

/** An answer that has come through, whole or in part. */
interface Arrived {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array<ArrayBuffer>
  /** Whether the connection broke before its end. */
  readonly isCut: boolean
}

/** Whoever answers requests, until he is killed. */
export interface Host {
  readonly process: Process
  readonly answer: (request: Request) => Promise<Response>
}

/** What can happen to one request. */
export const FAULTS = [
  'lost before arrival',
  'lost after the effect',
  'sent twice',
  'late',
  'request cut off',
  'request cut short',
  'answer cut off',
  'answer cut short',
  'slow',
  'no answer',
  'status before',
  'status after',
  'portal',
] as const

/** What a proxy can do that ought to be no proxy: it answers with what it was answered before. */
const KEPT_ANSWER = 'answer of another request'

/** A bit of the pack of an answer, or of a request, is another one when it arrives. */
export const GARBLED = 'answer garbled'
const GARBLED_REQUEST = 'request garbled'

type Fault = (typeof FAULTS)[number] | typeof KEPT_ANSWER | typeof GARBLED | typeof GARBLED_REQUEST

const STATUSES = [401, 403, 404, 409, 413, 429, 500, 502, 503, 504]

/** Carries requests. */
export class Wire {
  readonly #scheduler: Scheduler
  readonly #host: () => Host
  /** How likely something happens to a request. */
  faultRate = 0
  /** Whether somebody between the two keeps answers. */
  hasCache = false
  /** Whether bits of packs are flipped on their way. */
  isGarbled = false
  /** How often each fault came up. */
  readonly counts = new Map<string, number>()
  /** Requests that the server answered, with what it said. */
  readonly answered: { readonly request: SentRequest; readonly body: Uint8Array<ArrayBuffer> }[] =
    []
  /** The world outside of all processes: what is on its way survives its sender. */
  readonly #ether: Process

  /** `host` gives who runs at the moment. */
  constructor(scheduler: Scheduler, host: () => Host) {
    this.#scheduler = scheduler
    this.#host = host
    this.#ether = new Process('wire', scheduler)
  }

  /** The `fetch` of a process. */
  fetchOf(sender: Process): (url: string, init: RequestInit) => Promise<Response> {
    return async (url, init) => {
      const { body, headers, signal } = init
      if (!(body instanceof Uint8Array)) throw new TypeError('Only bytes are sent here')
      const request = { url, headers, body: new Uint8Array(body) }
      const aborted = Promise.withResolvers<never>()
      const abort = (): void => aborted.reject(signal?.reason)
      if (signal?.aborted === true) abort()
      signal?.addEventListener('abort', abort, { once: true })
      aborted.promise.catch(() => undefined)
      try {
        return await Promise.race([this.#send(sender, request), aborted.promise])
      } finally {
        signal?.removeEventListener('abort', abort)
      }
    }
  }

  /** Delivers a request once more, and undisturbed; gives the body of the answer. @throws Error when it is refused */
  async replay(request: SentRequest): Promise<Uint8Array<ArrayBuffer>> {
    const { status, body } = await this.#deliver(request)
    if (status === 200) return body
    throw new Error(`It is answered ${status}: ${new TextDecoder().decode(body)}`)
  }

  async #send(sender: Process, request: SentRequest): Promise<Response> {
    await sender.step()
    const faults: readonly Fault[] = [
      ...FAULTS,
      ...(this.hasCache ? [KEPT_ANSWER] : []),
      // As often as all others together.
      ...(this.isGarbled ? FAULTS.map((_, i) => (i % 4 === 0 ? GARBLED_REQUEST : GARBLED)) : []),
    ]
    const fault = this.#scheduler.chance(this.faultRate)
      ? faults[this.#scheduler.below(faults.length)]
      : undefined
    const note = (what: string): void => {
      sender.faults.push(what)
      this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
    }
    if (fault !== undefined) note(fault)
    const server = this.#host().process
    try {
      const arrived = await this.#suffer(request, fault)
      await sender.step()
      return this.#responseOf(sender, arrived)
    } finally {
      if (!server.isAlive) note('server killed')
    }
  }

  async #suffer(request: SentRequest, fault: Fault | undefined): Promise<Arrived> {
    switch (fault) {
      case 'lost before arrival':
        throw unreachable()
      case 'lost after the effect':
        await this.#deliver(request)
        throw unreachable()
      case 'sent twice': {
        const [first, second] = [this.#deliver(request), this.#deliver(request)]
        const [kept, dropped] = this.#scheduler.chance(0.5) ? [first, second] : [second, first]
        dropped.catch(() => undefined)
        return kept
      }
      case 'late':
        this.#deliverLate(request)
        throw unreachable()
      case 'request cut off':
      case 'request cut short': {
        const body = request.body.slice(0, this.#scheduler.below(request.body.length + 1))
        const isOff = fault === 'request cut off'
        const arrived = await this.#deliver({ ...request, body }, isOff)
        if (isOff) throw unreachable()
        return arrived
      }
      case 'answer cut off':
      case 'answer cut short': {
        const arrived = await this.#deliver(request)
        const body = arrived.body.slice(0, this.#scheduler.below(arrived.body.length + 1))
        return { ...arrived, body, isCut: fault === 'answer cut off' }
      }
      case 'slow':
        await this.#scheduler.pause(this.#scheduler.below(100_000))
        return this.#deliver(request)
      case 'no answer':
        await this.#scheduler.pause(600_000)
        throw unreachable()
      case 'status before':
        return this.#foreignAnswer()
      case 'status after':
        await this.#deliver(request)
        return this.#foreignAnswer()
      case KEPT_ANSWER: {
        const kept = this.answered[this.#scheduler.below(this.answered.length)]
        if (kept === undefined) throw unreachable()
        const headers = new Headers({ 'content-type': SYNC_TYPE })
        return { status: 200, headers, body: kept.body, isCut: false }
      }
      case GARBLED_REQUEST:
        return this.#deliver({ ...request, body: this.#garble(request.body) })
      case GARBLED: {
        const arrived = await this.#deliver(request)
        return { ...arrived, body: this.#garble(arrived.body) }
      }
      case 'portal':
        return page(200, 'text/html', '<html><body>Sign in to the network')
      case undefined:
        return this.#deliver(request)
    }
  }

  /**
   * Flips a bit behind the front of the pack, and before the index where there is one: what is in the header may mean something else then,
   * and an index is proved by reading what it says.
   */
  #garble(body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const garbled = body.slice()
    const start = indexOf(garbled, 'PACK')
    const end = indexOf(garbled, 'DKIX')
    if (start < 0) return garbled
    const at = start + this.#scheduler.below((end < 0 ? garbled.length : end) - start)
    garbled[at] = (garbled[at] ?? 0) ^ (1 << this.#scheduler.below(8))
    return garbled
  }

  /** Something between the two says no, in its own words or in ours. */
  #foreignAnswer(): Arrived {
    const status = STATUSES[this.#scheduler.below(STATUSES.length)] ?? 500
    if (this.#scheduler.chance(0.5)) return page(status, 'text/html', `<h1>${status}</h1>`)
    const error = { code: 'unavailable', message: `This is a ${status}` }
    return page(status, 'application/json', JSON.stringify({ error }))
  }

  /** The sender has given up when it arrives. */
  #deliverLate(request: SentRequest): void {
    const late = async (): Promise<void> => {
      await this.#scheduler.pause(this.#scheduler.below(200_000))
      await this.#deliver(request)
    }
    late().catch(() => undefined)
  }

  async #deliver(request: SentRequest, isCut = false): Promise<Arrived> {
    await this.#ether.step()
    const { process: server, answer } = this.#host()
    const parts: Uint8Array[] = []
    const { url, headers } = request
    let head: Response | undefined
    const work = async (): Promise<void> => {
      const body = streamOf(request.body, isCut)
      const init = { method: 'POST', body, duplex: 'half', ...(headers && { headers }) }
      head = await answer(new Request(url, init))
      const reader = head.body?.getReader()
      for (;;) {
        const piece = await reader?.read()
        if (piece === undefined || piece.done) break
        parts.push(piece.value)
      }
      if (head.ok) this.answered.push({ request, body: concat(parts) })
    }
    try {
      await server.run(work())
    } catch (error) {
      // A server that is killed, or an answer that it breaks off, is a connection that breaks.
      if (head === undefined) throw unreachable(error)
      return { status: head.status, headers: head.headers, body: concat(parts), isCut: true }
    }
    if (head === undefined) throw unreachable()
    return { status: head.status, headers: head.headers, body: concat(parts), isCut: false }
  }

  /** The answer as it comes in, piece by piece. */
  #responseOf(receiver: Process, { status, headers, body, isCut }: Arrived): Response {
    let at = 0
    const stream = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          await receiver.step()
          const size = 1 + this.#scheduler.below(body.length + 1)
          const piece = body.subarray(at, at + size)
          at += piece.length
          if (piece.length > 0) controller.enqueue(piece)
          else if (isCut) controller.error(new TypeError('terminated'))
          else controller.close()
        },
      },
      { highWaterMark: 0 },
    )
    return new Response(stream, { status, headers })
  }
}

function streamOf(body: Uint8Array, isCut: boolean): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(body)
      if (isCut) controller.error(new TypeError('the connection was closed'))
      else controller.close()
    },
  })
}

/** Where an ASCII word is; -1 where it is not. */
function indexOf(bytes: Uint8Array, word: string): number {
  return Array.from(bytes, (byte) => String.fromCharCode(byte))
    .join('')
    .indexOf(word)
}

function page(status: number, type: string, content: string): Arrived {
  const body = new TextEncoder().encode(content)
  return { status, headers: new Headers({ 'content-type': type }), body, isCut: false }
}

function unreachable(cause?: unknown): TypeError {
  return new TypeError('fetch failed', { cause })
}
