/**
 * The watch stream: server-sent events of a repository's refs, and of what is at paths in them, as long as somebody listens.
 *
 * A piece is made when the stream has room for it, out of what differs from what was sent last. So a listener that reads
 * slowly gets fewer, newer events, and waits for nothing but itself.
 *
 * Spec: docs/watch.md
 *
 * @module
 */
import { endable } from '@datakit/datakit/watch'
import { encodeComment, encodeRetry, EVENT_STREAM } from '@datakit/git/protocol/event-stream'
import { encodeWatchMessage } from '@datakit/git/protocol/watch'
import type { Readable } from '@datakit/git/transport/reach'
import { WATCH_PROTOCOL } from '@datakit/git/protocol/watch-socket'
import { checkSocketOrigin, grantOf, isForSocket } from './access.ts'
import type { RouteContext } from './app.ts'
import { startedStreamOf } from './body.ts'
import { mustExist } from './git-routes.ts'
import { checkRefusal } from './policy.ts'
import { expected, ProblemError } from './problem.ts'
import { checkRepositoryName } from './repository-name.ts'
import { parseWatchFilter, type WatchFilter } from './watch-filter.ts'
import type { ViewHold } from './watch-hub.ts'
import type { Listener } from './watchers.ts'

/** Milliseconds after which a client comes again when a stream broke off. */
export const RETRY = 2000
/** The same, when the server ends a stream that may go on at once. */
const SOON = 100

const headers = {
  'content-type': EVENT_STREAM,
  'cache-control': 'no-store',
  // Asks proxies that collect answers to pass these on as they come.
  'x-accel-buffering': 'no',
}

/** A watch that is to go over a WebSocket, for one who may use the server. */
export interface SocketWish {
  /** Name of the repository, which may not exist. */
  readonly name: string
  /** What is asked for: the query of the URL. */
  readonly query: string
  /** The access by which he came in, {@link grantOf}. */
  readonly grant: string
}

/** Opens a watch over a WebSocket: answers 101, or says why not. */
export type WatchSocketRoute = (wish: SocketWish) => Promise<Response>

/** Answers `GET /NAME.git/watch`. */
export async function watchRoute(context: RouteContext): Promise<Response> {
  const { request, name, repositories, watchers } = context
  if (isForSocket(request)) return openSocket(context)
  const filter = parseWatchFilter(new URL(request.url).searchParams)
  const { objects, policy } = await repositories.openWith(context.policyOf, name)
  mustExist(objects, context)
  checkRefusal(name, policy.fetch.refusal)
  if (request.method === 'HEAD') return new Response(undefined, { headers })
  const stream = new WatchStream(context, watchers.admit(name, objects), filter)
  return new Response(await startedStreamOf(stream.events(), context.streamOf), { headers })
}

async function openSocket(context: RouteContext): Promise<Response> {
  const { request, name, access, cors, watchSocket } = context
  if (watchSocket === undefined)
    throw new ProblemError(
      'unsupported',
      'This server has no WebSockets: ask without "Upgrade" for the stream of events',
    )
  checkSocketOrigin(request, cors)
  checkRepositoryName(name)
  const query = new URL(request.url).search
  return watchSocket({ name, query, grant: await grantOf(access()) })
}

/** One listener's stream. */
class WatchStream {
  readonly #context: RouteContext
  readonly #listener: Listener
  readonly #filter: WatchFilter
  #hold: (ViewHold & { readonly key: string }) | undefined
  /** What the client has seen. */
  #id: string | undefined
  #reads = 0
  #isFirst = true
  #isGone = false
  #spokenAt = Date.now()

  constructor(context: RouteContext, listener: Listener, filter: WatchFilter) {
    this.#context = context
    this.#listener = listener
    this.#filter = filter
    this.#id = context.request.headers.get('last-event-id') ?? undefined
  }

  /** The pieces of the stream. */
  events(): AsyncIterableIterator<Uint8Array, void, undefined> {
    const stop = (): void => {
      this.#isGone = true
      this.#listener.slot.ring()
    }
    const { signal } = this.#context.request
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    return endable(this.#events(), stop)
  }

  async *#events(): AsyncGenerator<Uint8Array, void, undefined> {
    const { slot } = this.#listener
    try {
      while (!this.#isGone) {
        slot.clear()
        this.#listener.touch()
        if (await this.#look()) yield* this.#news()
        if (this.#isGone) return
        if (this.#isOver) {
          yield encodeRetry(SOON)
          return
        }
        await slot.rung(Math.max(0, Math.min(this.#listener.poll, this.#silence)))
        if (this.#silence > 0) continue
        this.#rights()
        yield this.#say(encodeComment())
      }
    } catch (error) {
      // The first piece is waited for before there is a status.
      if (this.#isFirst) throw error
      if (!this.#isGone) yield* this.#end(error)
    } finally {
      this.#hold?.release()
      this.#listener.leave()
    }
  }

  /** Sees what there is, with the rights of this moment. False when somebody else is at it: he will ring. */
  async #look(): Promise<boolean> {
    const { hub } = this.#listener
    const readable = this.#rights()
    if (this.#hold?.key !== readable.key) {
      this.#hold?.release()
      this.#hold = { ...hub.hold(this.#filter, readable), key: readable.key }
    }
    const looking = hub.look(this.#hold)
    // Others wait for what it sees: a client that goes away meanwhile must not take that along.
    this.#context.finish(looking)
    this.#reads += await looking
    if (!hub.exists) throw gone(this.#context.name)
    return hub.isCurrent(this.#hold) && this.#rights().key === readable.key
  }

  *#news(): Generator<Uint8Array, void, undefined> {
    const message = this.#hold?.view.newsSince(this.#id)
    // Something is said at once in any case: the client shall see that it is heard.
    if (this.#isFirst) yield this.#say(encodeRetry(RETRY))
    if (this.#isFirst && this.#context.watchSocket !== undefined)
      yield* encodeWatchMessage({ kind: 'socket', protocol: WATCH_PROTOCOL })
    this.#isFirst = false
    if (message === undefined) return
    this.#id = message.id
    for (const piece of encodeWatchMessage(message)) yield this.#say(piece)
  }

  *#end(error: unknown): Generator<Uint8Array, void, undefined> {
    const { request, log } = this.#context
    const { code, message } = expected(error, request.signal, log)
    for (const piece of encodeWatchMessage({ kind: 'end', code, message })) yield piece
  }

  /** What may be read now. @throws ProblemError when the caller may not read any more */
  #rights(): Readable {
    const { authorise, policyOf, name } = this.#context
    authorise()
    const { fetch } = policyOf(this.#listener.hub.objects.place)
    checkRefusal(name, fetch.refusal)
    return fetch.readable
  }

  /** Whether the client has to come again. */
  get #isOver(): boolean {
    return this.#context.watchers.isStopping || this.#reads >= this.#context.limits.listenerReads
  }

  /** Milliseconds until something must be said. */
  get #silence(): number {
    return this.#spokenAt + this.#context.limits.listenerSilence - Date.now()
  }

  #say(piece: Uint8Array): Uint8Array {
    this.#spokenAt = Date.now()
    return piece
  }
}

function gone(name: string): ProblemError {
  return new ProblemError('not-found', `Repository "${name}" is no longer there`)
}
