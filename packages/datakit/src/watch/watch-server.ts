/**
 * Watching a server: its stream of events, taken up again whenever it breaks off, behind the event that was seen last.
 *
 * It reads by `fetch`, as `EventSource` can send no token and does not tell why it failed. Where the server offers a
 * WebSocket, it goes over to that, and back where none can be opened: proxies let some requests through and no sockets.
 * Works in browsers and in Node.
 *
 * Spec: docs/watch.md
 *
 * @module
 */
import { MalformedError } from '@datakit/git/error'
import { EVENT_STREAM, readEventStream, type StreamItem } from '@datakit/git/protocol/event-stream'
import { decodeWatchMessage, type RefMove } from '@datakit/git/protocol/watch'
import { WATCH_PROTOCOL } from '@datakit/git/protocol/watch-socket'
import { action, checkOptions, flag, listOf, signal, text } from '../argument.ts'
import { SyncError, type SyncErrorOptions } from '../error.ts'
import { readProblem } from '../sync/server-problem.ts'
import { retryAfterOf } from '../sync/server-problem.ts'
import { addressOf } from '../sync/server-address.ts'
import type { ServerOptions } from '../sync/sync-exchange.ts'
import { wait } from '../wait.ts'
import { SocketTrials } from './socket-trials.ts'
import { endable } from './watch.ts'

/** What a server tells of its refs. */
export interface ServerEvent {
  /** `snapshot`: all that is watched, as it is, in place of what was known; `change`: what differs. */
  readonly kind: 'snapshot' | 'change'
  readonly refs: readonly RefMove[]
  /** To go on behind it: {@link WatchServerOptions.lastEventId}. */
  readonly id: string
}

/** How a watch of a server is doing. */
export type WatchState =
  | { readonly state: 'connected' }
  /** The next attempt comes in so many milliseconds; `error` says why, where the server did not end the stream itself. */
  | { readonly state: 'waiting'; readonly milliseconds: number; readonly error: unknown }

/** Where the server is, and what is watched there. */
export interface WatchServerOptions extends ServerOptions {
  /** Full names of refs, or patterns that end in `/*`; every ref when left out. */
  readonly refs?: readonly string[] | undefined
  /** Paths in these refs, which alone matter then. */
  readonly paths?: readonly string[] | undefined
  /** The id of the last event that was seen: only what differs from then is told. */
  readonly lastEventId?: string | undefined
  readonly onState?: ((state: WatchState) => void) | undefined
  /** Whether to go over to a WebSocket where the server offers one and the runtime has them; it does when left out. */
  readonly sockets?: boolean | undefined
}

/** What is read: a stream of events, or a socket that wants to hear what was seen. */
interface Source {
  readonly body: ReadableStream<Uint8Array> | null
  seen(id: string | undefined): void
}

/** Milliseconds to the next attempt where the server has not said. */
const RETRY = 2000
/** Longest wait between two attempts, in milliseconds, and longest one that a server may ask for. */
const MAX_WAIT = 60_000
const MAX_ASKED = 600_000
/** Milliseconds of silence after which a connection counts as dead; a server says something every 15 seconds. */
const SILENCE = 45_000

const RULES = {
  refs: listOf(text),
  paths: listOf(text),
  lastEventId: text,
  onState: action,
  sockets: flag,
  signal,
}

/** Answers by which the server says no: to ask again would be answered the same. */
const FINAL: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 413])

/**
 * The events of a server, for ever: what breaks off is taken up again. Ends when the signal says so, also while it waits.
 *
 * @throws SyncError when the server says no: `unauthorised`, `not-found` and the like, `no-watch` when it has no such stream
 * @throws TypeError when the URL is none of HTTP
 */
export function watchServer(
  options: WatchServerOptions,
): AsyncIterableIterator<ServerEvent, void, undefined> {
  checkOptions(options, RULES)
  const ended = new AbortController()
  const stop = (): void => ended.abort()
  const { signal } = options
  signal?.addEventListener('abort', stop)
  if (signal?.aborted === true) stop()
  const events = new ServerWatch({ ...options, ...addressOf(options), signal: ended.signal })
  const source = (async function* () {
    try {
      yield* events.events()
    } finally {
      signal?.removeEventListener('abort', stop)
      stop()
    }
  })()
  return endable(source, stop)
}

/** One watch, over all its connections. */
class ServerWatch {
  readonly #options: WatchServerOptions & { readonly signal: AbortSignal }
  #id: string | undefined
  #retry = RETRY
  /** Attempts since something was heard. */
  #failures = 0
  readonly #trials: SocketTrials

  constructor(options: WatchServerOptions & { readonly signal: AbortSignal }) {
    this.#options = options
    this.#id = options.lastEventId
    const { token, sockets, signal } = options
    this.#trials = new SocketTrials({
      url: this.#url(),
      token,
      signal,
      isWanted: sockets !== false,
    })
  }

  async *events(): AsyncGenerator<ServerEvent, void, undefined> {
    const { signal, onState } = this.#options
    while (!signal.aborted) {
      let error: unknown
      try {
        yield* this.#connection()
      } catch (cause) {
        if (signal.aborted) return
        if (!(cause instanceof SyncError) || FINAL.has(cause.status)) throw cause
        error = cause
      }
      if (signal.aborted) return
      if (this.#trials.hasOpened) continue
      const milliseconds = this.#pause(error)
      onState?.({ state: 'waiting', milliseconds, error })
      await wait(milliseconds, signal).catch(() => undefined)
    }
  }

  /** The events of one connection. */
  async *#connection(): AsyncGenerator<ServerEvent, void, undefined> {
    const connection = new AbortController()
    const stop = (): void => connection.abort()
    this.#options.signal.addEventListener('abort', stop)
    // It counts as a failure until something is heard: a stream that ends at once must not be asked for in a circle.
    this.#failures++
    try {
      const { body, seen } = (await this.#trials.take()) ?? (await this.#ask(connection.signal))
      this.#options.onState?.({ state: 'connected' })
      seen(this.#id)
      for await (const item of readEventStream(alive(body, connection))) {
        const event = this.#take(item)
        if (event === 'end') return
        // The stream goes on until the socket is open, so that nothing is late.
        if (event === 'socket') this.#trials.begin(stop)
        else if (event !== undefined) {
          yield event
          seen(event.id)
        }
      }
    } catch (error) {
      // It was cut off for the socket.
      if (this.#trials.hasOpened) return
      if (!(error instanceof MalformedError)) throw error
      throw this.#problem('malformed', error.message, { cause: error })
    } finally {
      this.#options.signal.removeEventListener('abort', stop)
      stop()
    }
  }

  #take(item: StreamItem): ServerEvent | 'socket' | 'end' | undefined {
    if (item.kind === 'retry') this.#retry = Math.min(item.milliseconds, MAX_WAIT)
    if (item.kind === 'comment') this.#failures = 0
    if (item.kind !== 'event') return undefined
    const message = decodeWatchMessage(item)
    if (message === undefined) return undefined
    // The next attempt is told the reason as a status.
    if (message.kind === 'end') return 'end'
    if (message.kind === 'socket')
      return message.protocol === WATCH_PROTOCOL ? message.kind : undefined
    this.#failures = 0
    this.#id = message.id
    return { kind: message.kind, id: message.id, refs: [...message.refs] }
  }

  async #ask(signal: AbortSignal): Promise<Source> {
    const { fetch: send = fetch, token } = this.#options
    const headers: Record<string, string> = { accept: EVENT_STREAM }
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`
    if (this.#id !== undefined) headers['last-event-id'] = this.#id
    let response: Response
    try {
      response = await send(this.#url(), { headers, cache: 'no-store', signal })
    } catch (cause) {
      throw this.#problem('offline', 'no answer', { cause })
    }
    const type = response.headers.get('content-type')?.split(';', 1)[0]?.trim() ?? ''
    if (response.ok && type === EVENT_STREAM) return { body: response.body, seen: () => {} }
    throw await this.#refusal(response, type)
  }

  #url(): string {
    const { url, refs = [], paths = [] } = this.#options
    const bare = url.replace(/\/+$/, '').replace(/\/(sync|watch)$/, '')
    const query = new URLSearchParams([
      ...refs.map((ref) => ['ref', ref]),
      ...paths.map((path) => ['path', path]),
    ])
    const search = query.size === 0 ? '' : `?${query.toString()}`
    return `${bare.endsWith('.git') ? bare : `${bare}.git`}/watch${search}`
  }

  async #refusal(response: Response, type: string): Promise<SyncError> {
    const { status, ok } = response
    const told = await readProblem(response)
    const retryAfter = retryAfterOf(response.headers)
    if (told !== undefined) return this.#problem(told.code, told.message, { status, retryAfter })
    const isMissing = status === 404 || status === 405
    if (isMissing) return this.#problem('no-watch', 'this server has no watch stream', { status })
    const what = `something that is not a DataKit server answered (${status}, ${type || 'no content type'})`
    // What a captive portal says is not the server's word, whatever its status.
    return this.#problem('not-datakit', what, {
      status: ok || FINAL.has(status) ? 0 : status,
      retryAfter,
    })
  }

  #problem(code: string, problem: string, facts: SyncErrorOptions): SyncError {
    return new SyncError(code, `Cannot watch ${this.#options.url}: ${problem}`, facts)
  }

  /** At least what the server asked for, else longer with each failure; in part at random. */
  #pause(error: unknown): number {
    const asked = error instanceof SyncError ? error.retryAfter : 0
    const doubled = this.#retry * 2 ** Math.max(0, Math.min(this.#failures - 1, 10))
    const most = Math.min(MAX_WAIT, this.#failures > 0 ? Math.max(doubled, RETRY) : doubled)
    return Math.min(asked, MAX_ASKED) + most * (0.5 + Math.random() / 2)
  }
}

/** The body as it comes, cut off when nothing comes for too long, or the connection is given up. */
async function* alive(
  body: Source['body'],
  connection: AbortController,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body?.getReader()
  if (reader === undefined) return
  // Not every `fetch` ends the body with its signal.
  const cut = (): void => void reader.cancel().catch(() => undefined)
  connection.signal.addEventListener('abort', cut)
  try {
    for (;;) {
      const timer = setTimeout(() => connection.abort(), SILENCE)
      const next = await reader
        .read()
        .catch((cause: unknown) => {
          throw cutOff('the stream broke off', cause)
        })
        .finally(() => clearTimeout(timer))
      if (connection.signal.aborted) throw cutOff(`nothing was heard for ${SILENCE} ms`)
      if (next.done) return
      yield next.value
    }
  } finally {
    cut()
  }
}

function cutOff(problem: string, cause?: unknown): SyncError {
  return new SyncError('cut-off', `Cannot watch: ${problem}`, { cause })
}
