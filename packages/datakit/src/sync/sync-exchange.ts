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
  // Others say something of the user, or are none of HTTP.
  const isPlain = /^https?:\/\/[\w.-]+(:\d+)?\//.test(server.url)
  const options = isPlain ? server : { ...server, ...(await later()).addressOf(server) }
  const body = concat(
    pack.length > LARGE
      ? await (await later()).sendParts(options, request, pack)
      : [encodeSyncRequest(request), pack],
  )
  const send = () => sendOnce(options, body, request.id)
  const answer = await send().catch(async (error: unknown) => {
    const { sendAgain } = await later().catch(() => {
      throw error
    })
    return sendAgain(options, send, error)
  })
  return answer.header.resume ? (await later()).goingOn(options, request, answer) : answer
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
      ...(token && { authorization: `Bearer ${token}` }),
    },
    cache: 'no-store',
    ...(signal && { signal }),
  }).catch((cause: unknown) => {
    signal?.throwIfAborted()
    throw new SyncError('offline', `Cannot sync with ${url}: no answer`, { cause })
  })
  const type = response.headers.get('content-type')?.split(';')[0]?.trim()
  if (response.ok && type === expected) return response
  // What reads why may be out of reach as well.
  throw await later().then(
    ({ refusal }) => refusal(url, response, type),
    () => new SyncError('unavailable', `Cannot sync with ${url}: it says no`, response),
  )
}

/** `…/NAME.git/sync`, whatever of it the caller gave. */
function syncUrl(url: string): string {
  const bare = url.replace(/(\/sync)?\/*$/, '')
  return bare.endsWith('.git') ? `${bare}/sync` : `${bare}.git/sync`
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
