/**
 * One exchange with a server: a request goes out, an answer comes in, and everything that can stand between the two is
 * told apart.
 *
 * A request whose answer was lost is sent again under the same id; the server's receipt makes that safe.
 *
 * Spec: docs/sync-protocol.md
 *
 * @module
 */
import { ByteReader } from '@datakit/git/byte-reader'
import { concat } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'
import type { Objects } from '@datakit/git/objects'
import type { PackIndex } from '@datakit/git/pack/pack-index'
import type { PromisedObjects } from '@datakit/git/place'
import {
  encodeSyncRequest,
  PART_BYTES,
  readSection,
  readSyncResponse,
  SYNC_TYPE,
  type SyncRequest,
  type SyncResponse,
} from '@datakit/git/protocol/sync'
import { SyncError } from '../error.ts'
import { later } from '../loading.ts'
import { wait } from '../transaction/update.ts'

/** Where a server is and how to talk to it. */
export interface ServerOptions {
  /**
   * URL of the repository: `https://example.org/config.git`, with or without what follows `.git`. A password in it is the
   * token.
   */
  readonly url: string
  /** Sent as a bearer token, where the URL has no password. */
  readonly token?: string | undefined
  /** The `fetch` of the runtime when left out. */
  readonly fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined
  readonly signal?: AbortSignal | undefined
}

/** An answer whose sections are still to be read: the pack first, to its end, then the index. */
export interface Answer {
  readonly header: SyncResponse
  readonly pack: AsyncIterable<Uint8Array>
  readonly index: AsyncIterable<Uint8Array>
  /** Lets go of the connection: somebody may send without end. */
  readonly close: () => Promise<void>
  /** Finds out what the server left out of the pack, where only a part was wanted. @throws MalformedError when it is too much */
  readonly findLeft?: ((objects: Objects, index: PackIndex) => Promise<PromisedObjects>) | undefined
}

/** Packs that are longer are sent in parts, in bytes. */
const LARGE = 2 * PART_BYTES
/** How often one request is sent to a server that is busy. */
const MAX_ATTEMPTS = 4
/** How often one is sent that nobody answers: who is offline should hear it soon. */
const MAX_SILENT = 2
/** Longest wait between two attempts, in milliseconds. A server that asks for more is left to the next sync. */
const MAX_WAIT = 5_000

/**
 * Sends a request, again when the answer is lost or the server is busy, and gives the answer.
 *
 * @throws SyncError when nobody answers, something else than the server does, or the server says no
 * @throws TypeError when the URL is none of HTTP
 */
export async function exchange(
  server: ServerOptions,
  request: SyncRequest,
  pack: Uint8Array,
): Promise<Answer> {
  const options = { ...server, ...addressOf(server) }
  const body = concat(
    pack.length > LARGE
      ? await (await later()).sendParts(options, request, pack)
      : [encodeSyncRequest(request), pack],
  )
  const answer = await persist(options, () => sendOnce(options, body, request.id))
  return answer.header.resume ? (await later()).goingOn(options, request, answer) : answer
}

/** What `send` gives, tried again as often as how it ended allows. @throws SyncError as the last try */
export async function persist<Result>(
  options: ServerOptions,
  send: () => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send()
    } catch (error) {
      options.signal?.throwIfAborted()
      if (!(error instanceof SyncError)) throw error
      if (attempt >= attemptsFor(error) || error.retryAfter > MAX_WAIT) throw error
      // At most 100 ms times 27: there are no more attempts.
      const pause = 100 * 3 ** attempt * (0.5 + Math.random())
      await wait(error.retryAfter + pause, options.signal)
    }
  }
}

/** The URL without what it says of the user, and the token. @throws TypeError when it is none of HTTP */
export function addressOf({ url, token }: ServerOptions): {
  readonly url: string
  readonly token: string | undefined
} {
  const shown = `${url}`.replace(/\/\/[^/]*@/, '//')
  if (!/^https?:/i.test(url) || !URL.canParse(url))
    throw new TypeError(`Not the URL of a server: "${shown}", expected http:// or https://`)
  return { url: shown, token: decodeURIComponent(new URL(url).password) || token }
}

/** How often the same request may be sent when it ended like this. */
function attemptsFor({ code, status }: SyncError): number {
  if (code === 'offline') return MAX_SILENT
  return [429, 502, 503, 504].includes(status) ? MAX_ATTEMPTS : 1
}

/** Sends the request of this id, and reads the answer up to its sections. @throws SyncError when there is no such answer */
export async function sendOnce(
  options: ServerOptions,
  body: Uint8Array<ArrayBuffer>,
  id: string,
): Promise<Answer> {
  const response = await ask(options, { method: 'POST', body }, SYNC_TYPE)
  const reader = new ByteReader(streamBody(response), 'an answer to sync')
  try {
    const header = await readSyncResponse(reader, id)
    return {
      header,
      pack: readSection(reader, header.pack),
      index: readSection(reader, header.index),
      close: () => reader.cancel(),
    }
  } catch (cause) {
    await reader.cancel()
    if (!(cause instanceof MalformedError)) throw cause
    throw new SyncError('malformed', `Cannot sync with ${options.url}: ${cause.message}`, { cause })
  }
}

/**
 * One request below the door of sync, and its answer, which has a good status and the content type that is expected.
 *
 * @throws SyncError when there is no such answer
 */
export async function ask(
  options: ServerOptions,
  { path = '', ...init }: RequestInit & { readonly path?: string },
  expected: string,
): Promise<Response> {
  const { url, token, signal } = options
  const response = await (options.fetch ?? fetch)(syncUrl(url) + path, {
    ...init,
    headers: {
      'content-type': SYNC_TYPE,
      accept: SYNC_TYPE,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    cache: 'no-store',
    ...(signal && { signal }),
  }).catch((cause: unknown) => {
    signal?.throwIfAborted()
    // Node says why only behind its "fetch failed".
    const why = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : ''
    const detail = why && ` (${why})`
    throw new SyncError('offline', `Cannot sync with ${url}: no answer${detail}`, { cause })
  })
  const type = response.headers.get('content-type')?.split(';')[0]?.trim() || 'no content type'
  if (!response.ok) throw await refusal(response)
  if (type === expected) return response
  await response.body?.cancel().catch(() => undefined)
  throw new SyncError(
    'not-datakit',
    `Cannot sync with ${url}: no DataKit server answered (${type})`,
    response,
  )
}

/** `…/NAME.git/sync`, whatever of it the caller gave. */
function syncUrl(url: string): string {
  const bare = url.replace(/(\/sync)?\/*$/, '')
  return bare.endsWith('.git') ? `${bare}/sync` : `${bare}.git/sync`
}

async function refusal(response: Response): Promise<SyncError> {
  const { status } = response
  // What reads it may be out of reach as well.
  const told = await later().then(
    ({ readProblem }) => readProblem(response),
    () => undefined,
  )
  const code =
    told?.code ?? (status === 401 ? 'unauthorised' : status >= 500 ? 'unavailable' : 'not-datakit')
  const message = told?.message ?? `no DataKit server answered (${status})`
  const retryAfter = retryAfterOf(response.headers)
  return new SyncError(code, `Cannot sync: ${message}`, { status, retryAfter })
}

/** `Retry-After` in milliseconds, a day at most: timers cannot wait for longer than 24. A moment counts from the server's own clock: ours may be wrong by years. */
export function retryAfterOf(headers: Headers): number {
  const told = headers.get('retry-after') ?? ''
  const moment = Date.parse(told) - Date.parse(headers.get('date') ?? '')
  return Math.min(864e5, Math.max(0, Number(told) * 1000 || moment || 0))
}

/** The body as it comes. Not every runtime can iterate over a stream of a response. */
async function* streamBody(response: Response): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = response.body?.getReader()
  try {
    while (reader) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw new SyncError('cut-off', 'Cannot sync: the answer was cut off', { cause })
      })
      if (done) return
      yield value
    }
  } finally {
    await reader?.cancel().catch(() => undefined)
  }
}
