/**
 * The Durable Object in front of a repository: makes the updates of all isolates, so that pushes that come together need
 * one write of the root, and tells those who watch it over a WebSocket. R2 takes about one write a second to a key.
 *
 * Optional, and never the truth: it keeps nothing but a cache and its sockets, and whoever does not reach it makes his
 * update alone. Sockets hibernate: as long as nothing happens the object is not in memory, and costs nothing.
 *
 * @module
 */
import { nodeRuntime } from '@datakit/git/runtime/node'
import { encodeRetry } from '@datakit/git/protocol/event-stream'
import { MAX_SAID, PING, PONG, WATCH_PROTOCOL } from '@datakit/git/protocol/watch-socket'
import { OpenRepositories } from '@datakit/server/open-repositories'
import { OPEN_POLICY } from '@datakit/server/policy'
import { expected, problemJson } from '@datakit/server/problem'
import { RETRY, type SocketWish } from '@datakit/server/watch-route'
import { WatchSockets, type SocketNote, type WatchSocket } from '@datakit/server/watch-sockets'
import { r2Coordinated } from '@datakit/storage/r2'
import type { CoordinatedOutcome, CoordinatedUpdate } from '@datakit/storage/r2/coordinator'
import { DurableObject } from 'cloudflare:workers'
import type { Environment } from './environment.ts'
import { readSettings } from './settings.ts'

/** Milliseconds between two looks while somebody listens: a hint may be lost, a token may have changed. */
const LOOK_EVERY = 300_000
/** Milliseconds to the next one after a look that failed. */
const LOOK_AGAIN = 2000
/** Milliseconds after which a listener that was not heard of counts as gone; one that lives pings every 15 s. */
const SILENCE = 120_000
/** Bytes of one repository that are kept in memory. */
const CACHE = { repositories: 1, bytes: 4_000_000 }

/** One for each repository, by its name. */
export class Coordinator extends DurableObject<Environment> {
  readonly #parts = r2Coordinated(this.env.BUCKET)
  readonly #watch = new WatchSockets({
    repositories: new OpenRepositories(this.#parts.depot, nodeRuntime, CACHE),
    access: () => readSettings(this.env).access,
    policyOf: () => OPEN_POLICY,
    sockets: () => this.ctx.getWebSockets().map(socketOf),
    log: (error) => this.#comeAgain(error),
  })

  constructor(context: DurableObjectState, environment: Environment) {
    super(context, environment)
    // The runtime answers it by itself: the object sleeps on.
    context.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG))
  }

  /** Makes an update, and tells of it. */
  async update(update: CoordinatedUpdate): Promise<CoordinatedOutcome> {
    // One that has slept knows no more what the listeners know.
    await this.#watch.prepare()
    const outcome = await this.#parts.coordinator.update(update)
    this.ctx.waitUntil(this.#watch.look())
    return outcome
  }

  /** Takes the hint that an isolate may have changed the repository. */
  async changed(): Promise<void> {
    await this.#watch.look()
  }

  /** Opens a WebSocket, for the Worker that has let its client in: see {@link askForSocket}. */
  override async fetch(request: Request): Promise<Response> {
    try {
      const note = await this.#watch.admit(wishOf(request))
      const { 0: client, 1: server } = new WebSocketPair()
      this.ctx.acceptWebSocket(server)
      server.serializeAttachment({ ...note, since: Date.now() } satisfies Kept)
      server.send(new TextDecoder().decode(encodeRetry(RETRY)))
      if ((await this.ctx.storage.getAlarm()) === null) await this.#setAlarm()
      const headers = { 'sec-websocket-protocol': WATCH_PROTOCOL }
      return new Response(null, { status: 101, webSocket: client, headers })
    } catch (error) {
      return problemJson(expected(error, request.signal, (problem) => console.error(problem)))
    }
  }

  override async webSocketMessage(socket: WebSocket, said: string | ArrayBuffer): Promise<void> {
    // Whatever it is, it is not what was expected.
    const words = typeof said === 'string' ? said : '?'.repeat(MAX_SAID + 1)
    await this.#watch.take(socketOf(socket), words)
  }

  /** Nothing is kept of a listener but its socket. */
  override webSocketClose(): void {}

  override async alarm(): Promise<void> {
    for (const socket of this.ctx.getWebSockets()) {
      const heard =
        this.ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? keptOf(socket).since
      if (Date.now() - heard > SILENCE) socket.close(1001, 'Nothing was heard')
    }
    if (this.ctx.getWebSockets().length > 0) await this.#setAlarm()
    await this.#watch.look()
  }

  /** What could not be looked at is looked at a little later. */
  #comeAgain(error: unknown): void {
    console.error(error)
    this.ctx.waitUntil(this.#setAlarm(LOOK_AGAIN))
  }

  #setAlarm(milliseconds = LOOK_EVERY): Promise<void> {
    return this.ctx.storage.setAlarm(Date.now() + milliseconds)
  }
}

/** Asks the object of a repository for a WebSocket. Neither the token nor the client's own headers go there. */
export function askForSocket(
  coordinator: Pick<Fetcher, 'fetch'>,
  { name, query, grant }: SocketWish,
): Promise<Response> {
  const url = new URL(`http://coordinator/${encodeURIComponent(name)}`)
  url.search = query
  return coordinator.fetch(url.href, { headers: { upgrade: 'websocket', grant } })
}

function wishOf({ url, headers }: Request): SocketWish {
  const { pathname, search } = new URL(url)
  const name = decodeURIComponent(pathname.slice(1))
  return { name, query: search, grant: headers.get('grant') ?? '' }
}

/** What is kept along with a socket. */
interface Kept extends SocketNote {
  /** When it was opened, in milliseconds since 1970. */
  readonly since: number
}

function keptOf(socket: WebSocket): Kept {
  // Every socket was given one when it was accepted.
  return socket.deserializeAttachment() as Kept
}

function socketOf(socket: WebSocket): WatchSocket {
  return {
    note: () => keptOf(socket),
    keep: (note) =>
      socket.serializeAttachment({ ...note, since: keptOf(socket).since } satisfies Kept),
    send: (message) => socket.send(message),
    close: (code, reason) => socket.close(code, reason),
  }
}
