/**
 * Git over HTTP, from the client's side: requests, what comes back, and what it means when it is not Git that answers.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-http
 *
 * @module
 */
import { utf8 } from '../bytes.ts'
import { RefusedError, UnavailableError, UnsupportedError } from '../error.ts'
import { readShort } from '../short-body.ts'

/** How a remote is reached. */
export interface HttpOptions {
  /** `fetch` of the runtime when left out. */
  readonly fetch?: ((url: string, request: RequestInit) => Promise<Response>) | undefined
  /** Sent as the password of Basic authentication, which is what Git servers expect of tokens. Never part of a message. */
  readonly token?: string | undefined
  /** How the token is sent; `basic` when left out. */
  readonly scheme?: 'basic' | 'bearer' | undefined
  /**
   * URL of a server that passes requests on, for pages, which other servers do not let in: the remote's URL without its
   * scheme is put behind it, or with it where the proxy's ends with `?`. It sees everything, the token too.
   */
  readonly proxy?: string | undefined
  /** The name that goes with the token; `git` when left out. Most servers do not look at it. */
  readonly user?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** One request. */
export interface HttpRequest {
  readonly url: string
  /** Type that the answer must have: `application/x-git-…`. */
  readonly accept: string
  /** What is posted, and its type; a request without one only reads. */
  readonly body?: { readonly type: string; readonly bytes: Uint8Array } | undefined
  /** Whether version 2 of the protocol is asked for. */
  readonly asksForV2: boolean
}

/**
 * Sends a request and waits for the head of the answer.
 *
 * @throws RefusedError `unauthorised`, `forbidden` or `no-repository`
 * @throws UnavailableError when the server cannot be reached, or says that it cannot answer now
 * @throws UnsupportedError when what answers is no smart Git server
 */
export async function request(
  options: HttpOptions,
  { url, accept, body, asksForV2 }: HttpRequest,
): Promise<Response> {
  const { fetch = globalThis.fetch, signal } = options
  const headers: Record<string, string> = { accept, ...authorization(options) }
  if (asksForV2) headers['git-protocol'] = 'version=2'
  if (body !== undefined) headers['content-type'] = body.type
  const init: RequestInit = {
    method: body === undefined ? 'GET' : 'POST',
    headers,
    cache: 'no-store',
  }
  if (signal !== undefined) init.signal = signal
  // A view of shared memory cannot be sent; ours never are.
  if (body !== undefined) init.body = body.bytes as Uint8Array<ArrayBuffer>
  const response = await send(fetch, url, { ...init, proxy: options.proxy })
  await checkStatus(response, url)
  // What is behind a semicolon is a proxy's; Git does not look at it either.
  const type = response.headers.get('content-type')?.split(';')[0]?.trim()
  if (type === accept) return response
  await response.body?.cancel().catch(() => undefined)
  throw new UnsupportedError(
    `Cannot talk to ${url}: its answer is of type "${type ?? ''}", expected "${accept}"`,
  )
}

async function send(
  fetch: NonNullable<HttpOptions['fetch']>,
  url: string,
  { proxy, ...init }: RequestInit & { readonly proxy: string | undefined },
): Promise<Response> {
  try {
    return await fetch(proxy === undefined ? url : proxied(url, proxy), init)
  } catch (cause) {
    init.signal?.throwIfAborted()
    throw new UnavailableError(`Cannot reach ${url}: ${whyUnreachable(cause)}`, { cause })
  }
}

/** What the platform says of it, innermost first, and what to do. */
function whyUnreachable(cause: unknown): string {
  let inner = cause
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause
  const code = inner instanceof Error && 'code' in inner ? String(inner.code) : undefined
  const said = (inner instanceof Error ? inner.message : String(inner)) || (code ?? 'no answer')
  const next = 'check the address and the network, then try again'
  // A browser does not tell a page why.
  if (code !== undefined) return `${said}; ${next}`
  return `${said}; ${next} (a page has to be let in by the server, see CORS, or to go through a proxy)`
}

function proxied(url: string, proxy: string): string {
  if (proxy.endsWith('?')) return proxy + url
  return `${proxy.replace(/\/+$/, '')}/${url.replace(/^https?:\/\//, '')}`
}

async function checkStatus(response: Response, url: string): Promise<void> {
  if (response.ok) return
  const { status } = response
  const said = await reason(response)
  if (status === 401)
    throw new RefusedError(
      'unauthorised',
      `Cannot open ${url}: the server wants another token${said}`,
    )
  if (status === 403)
    throw new RefusedError('forbidden', `Cannot open ${url}: the server does not allow it${said}`)
  if (status === 404)
    throw new RefusedError(
      'no-repository',
      `Cannot open ${url}: there is no such repository${said}`,
    )
  if (status === 429 || status >= 500)
    throw new UnavailableError(`Cannot open ${url}: the server answers ${status}${said}`)
  throw new RefusedError('http', `Cannot open ${url}: the server answers ${status}${said}`)
}

/** What a server says in plain text; a page is for somebody else to read. */
async function reason(response: Response): Promise<string> {
  const isText = response.headers.get('content-type')?.startsWith('text/plain') === true
  // It may break off; the status has said enough.
  if (!isText) {
    await response.body?.cancel().catch(() => undefined)
    return ''
  }
  const text = (await readShort(response).catch(() => '')).trim().slice(0, 300)
  return text === '' ? '' : `: ${text}`
}

function authorization({ token, user = 'git', scheme }: HttpOptions): Record<string, string> {
  if (token === undefined) return {}
  if (scheme === 'bearer') return { authorization: `Bearer ${token}` }
  return { authorization: `Basic ${btoa(String.fromCharCode(...utf8(`${user}:${token}`)))}` }
}

/**
 * The body of an answer as it comes. Lets go of the connection when nobody reads on.
 *
 * @throws UnavailableError when the connection breaks
 */
export async function* readResponse(
  response: Response,
  options: {
    readonly signal?: AbortSignal | undefined
    readonly onBytes?: ((received: number) => void) | undefined
  } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader: BodyReader | undefined = response.body?.getReader()
  if (reader === undefined) return
  let received = 0
  try {
    for (;;) {
      const { done, value } = await next(reader, response.url, options.signal)
      if (done || value === undefined) return
      received += value.length
      options.onBytes?.(received)
      yield value
    }
  } finally {
    // After a failure this fails again, with the same.
    await reader.cancel().catch(() => undefined)
  }
}

/** What is used of a stream's reader, whichever runtime's types it comes with. */
interface BodyReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
  cancel(): Promise<void>
}

async function next(
  reader: BodyReader,
  url: string,
  signal: AbortSignal | undefined,
): ReturnType<BodyReader['read']> {
  try {
    return await reader.read()
  } catch (cause) {
    signal?.throwIfAborted()
    throw new UnavailableError(`Cannot read on from ${url}: the connection broke`, { cause })
  }
}
