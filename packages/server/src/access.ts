/**
 * Access: who may see and change the data. Closed unless somebody opened it.
 *
 * - `token`: every request for data carries it, as Bearer or as the password of Basic (what Git sends).
 * - `loopback`: no token; for a server that only this machine reaches. A browser on this machine may be made to send
 *   requests by any page that it visits, so requests with a foreign Host (DNS rebinding) or Origin (CSRF) are refused.
 * - `closed`: nothing but how to set it up.
 *
 * @module
 */
import { toHex, utf8 } from '@datakit/git/bytes'
import { tokenOf } from '@datakit/git/protocol/watch-socket'
import { isLetIn, type CorsOrigins } from './cors.ts'
import { ProblemError } from './problem.ts'

/** Who may use a server. */
export type Access =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'loopback'; readonly hosts: readonly string[] }
  | { readonly kind: 'closed'; readonly message: string }

/** The host names by which a machine calls itself. */
export const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]'] as const

/**
 * Lets a request for data pass. `origins`: those whose pages are let in beside the server's own.
 *
 * @throws ProblemError `unauthorised`, `foreign-host`, `foreign-origin` or `not-set-up`
 */
export function checkAccess(request: Request, access: Access, origins: CorsOrigins = []): void {
  if (access.kind === 'closed') throw new ProblemError('not-set-up', access.message)
  if (access.kind === 'token') return checkToken(request, access.token)
  checkHost(request, access.hosts)
  checkOrigin(request, origins)
}

/**
 * Lets a WebSocket pass, once {@link checkAccess} has. Browsers let every page open one and read what it brings, so the
 * origin is looked at whatever the access.
 *
 * @throws ProblemError `foreign-origin`
 */
export function checkSocketOrigin(request: Request, origins: CorsOrigins): void {
  if (isForeign(request, origins))
    throw new ProblemError(
      'foreign-origin',
      `Refused: pages of "${request.headers.get('origin')}" are not let in here; the operator can name them`,
    )
}

/**
 * Names an access without telling it: two are the same as long as the same may come in by the same token. 64 hex digits.
 */
export async function grantOf(access: Access): Promise<string> {
  const bytes = utf8(JSON.stringify(access))
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
}

/** Whether the request asks for a WebSocket. */
export function isForSocket({ headers }: Request): boolean {
  return headers.get('upgrade')?.toLowerCase() === 'websocket'
}

function checkToken(request: Request, token: string): void {
  const { headers } = request
  const offered = isForSocket(request)
    ? tokenOf(headers.get('sec-websocket-protocol') ?? '')
    : undefined
  const given = credentials(headers.get('authorization') ?? '') ?? offered
  if (given !== undefined && sameText(given, token)) return
  throw new ProblemError(
    'unauthorised',
    given === undefined
      ? 'This server wants a token: as Bearer, or as the password with any user name'
      : 'The token is not the one that this server wants',
    { 'www-authenticate': 'Basic realm="DataKit", charset="UTF-8"' },
  )
}

/** The token in an Authorization header: what follows Bearer, or the password of Basic. */
function credentials(header: string): string | undefined {
  const [scheme = '', value = ''] = header.split(/ +/, 2)
  if (scheme.toLowerCase() === 'bearer') return value === '' ? undefined : value
  if (scheme.toLowerCase() !== 'basic') return undefined
  try {
    const pair = new TextDecoder().decode(Uint8Array.from(atob(value), (c) => c.charCodeAt(0)))
    const colon = pair.indexOf(':')
    return colon < 0 || colon === pair.length - 1 ? undefined : pair.slice(colon + 1)
  } catch {
    return undefined
  }
}

/** Compares without telling by the time it takes where two texts differ. */
function sameText(a: string, b: string): boolean {
  const left = new TextEncoder().encode(a)
  const right = new TextEncoder().encode(b)
  let difference = left.length ^ right.length
  for (let i = 0; i < left.length; i++)
    difference |= (left[i] ?? 0) ^ (right[i % right.length] ?? 0)
  return difference === 0
}

function checkHost(request: Request, hosts: readonly string[]): void {
  const url = new URL(request.url)
  const host = hostName(request.headers.get('host') ?? url.host)
  if (!hosts.includes(host)) {
    throw new ProblemError(
      'foreign-host',
      `Refused: without a token this server answers only to ${hosts.join(', ')}, not to "${host}"`,
    )
  }
}

function checkOrigin(request: Request, origins: CorsOrigins): void {
  if (isForeign(request, origins))
    throw new ProblemError(
      'foreign-origin',
      `Refused: without a token this server takes no requests from pages of "${request.headers.get('origin')}"`,
    )
}

/** Whether a page of another origin asks that is not let in. */
function isForeign(request: Request, origins: CorsOrigins): boolean {
  const url = new URL(request.url)
  const origin = request.headers.get('origin')
  const own = `${url.protocol}//${request.headers.get('host') ?? url.host}`
  return origin !== null && origin !== own && !isLetIn(origin, origins)
}

/** The name in a Host header, without its port. */
function hostName(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase()
}
