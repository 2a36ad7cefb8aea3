/**
 * CORS: which pages of other origins a browser lets read the answers. None, unless the operator names them.
 *
 * A page that is let in still has to bring what everybody brings: the token goes in its Authorization header, and no
 * cookies are ever looked at.
 *
 * Spec: https://fetch.spec.whatwg.org/#http-cors-protocol
 *
 * @module
 */

/** Origins whose pages are let in, as `https://editor.example`; `*` for every one. */
export type CorsOrigins = readonly string[]

/** Seconds for which a browser need not ask again what it may send. */
const MAX_AGE = 86_400

/** The origins in a setting: separated by commas or blanks. @throws TypeError for what is no origin */
export function parseOrigins(setting: string): CorsOrigins {
  const words = setting.split(/[\s,]+/).filter((word) => word !== '')
  return words.map((word) => {
    if (word === '*') return word
    const origin = URL.canParse(word) ? new URL(word).origin : 'null'
    if (origin !== 'null' && word.replace(/\/$/, '') === origin) return origin
    throw new TypeError(`Not an origin: "${word}" (expected "*", or as "https://editor.example")`)
  })
}

/** Whether pages of this origin are let in. */
export function isLetIn(origin: string, origins: CorsOrigins): boolean {
  return origins.includes('*') || origins.includes(origin)
}

/** What is said to the browser along with an answer; nothing where no page of another origin is let in. */
export function corsHeaders(request: Request, origins: CorsOrigins): Record<string, string> {
  if (origins.length === 0) return {}
  const origin = request.headers.get('origin')
  // What one origin was told must not be told to another one out of a cache.
  const vary = { vary: 'Origin' }
  if (origin === null || !isLetIn(origin, origins)) return vary
  return {
    ...vary,
    'access-control-allow-origin': origins.includes('*') ? '*' : origin,
    'access-control-expose-headers': 'WWW-Authenticate, Retry-After, Allow',
  }
}

/** What is said to a browser that asks beforehand what it may send. It brings no token then, and gets no data. */
export function preflightHeaders(
  request: Request,
  methods: string,
  origins: CorsOrigins,
): Record<string, string> {
  const origin = request.headers.get('origin')
  const isPreflight = origin !== null && request.headers.has('access-control-request-method')
  if (!isPreflight || !isLetIn(origin, origins)) return {}
  const wanted = request.headers.get('access-control-request-headers') ?? ''
  const isLocal = request.headers.get('access-control-request-private-network') === 'true'
  return {
    'access-control-allow-methods': methods,
    // Names of headers and nothing else are said back.
    ...(/^[\w\s,-]+$/.test(wanted) ? { 'access-control-allow-headers': wanted } : {}),
    ...(isLocal ? { 'access-control-allow-private-network': 'true' } : {}),
    'access-control-max-age': String(MAX_AGE),
  }
}
