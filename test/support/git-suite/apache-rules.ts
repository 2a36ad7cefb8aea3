/**
 * Apache's rules: what the configuration of Git's own HTTP tests makes of a URL, before Git sees it. Redirects, passwords,
 * scripts that answer wrongly on purpose, and the names under which the Git server is reached.
 *
 * Spec: t/lib-httpd/apache.conf in Git's source
 *
 * @module
 */

/** What the Git server behind is asked in another way than usual. */
export type GitVariant = 'plain' | 'protocol-0' | 'cookies' | 'other-committer' | 'one-time-perl'

/** What becomes of a request. */
export type Step =
  | { readonly kind: 'redirect'; readonly status: number; readonly to: string }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'password' }
  | { readonly kind: 'script'; readonly script: string; readonly pathInfo: string }
  | { readonly kind: 'git'; readonly path: string; readonly variant: GitVariant }
  | { readonly kind: 'file'; readonly path: string }

/** A request as far as the rules look at it. */
export interface RuledRequest {
  /** Path, decoded, without the query. */
  readonly path: string
  /** Query, without the question mark. */
  readonly query: string
  /** `Authorization`, when it was sent. */
  readonly authorization: string | undefined
  /** `X-Magic-One` and `X-Magic-Two`, with a blank between. */
  readonly magic: string
}

/** The one account, and its password, that the tests know. */
const ACCOUNT = `Basic ${Buffer.from('user@host:pass@host').toString('base64')}`

/** Answers the request by the rules, the first that fits. */
export function stepOf(request: RuledRequest): Step {
  return redirectOf(request) ?? answerTo({ ...request, path: innerPath(request.path) })
}

/** Rewrites that the client is not told of. */
function innerPath(path: string): string {
  return path
    .replace(/^\/intern-redir\/(.*)\/foo$/, '/smart/$1')
    .replace(/^\/redir-objects\/(.*\/info\/refs)$/, '/dumb/$1')
}

type Redirect = readonly [from: RegExp, status: number, to: string]

const redirects: readonly Redirect[] = [
  [/^\/dumb-redir\/(.*)$/, 301, '/dumb/$1'],
  [/^\/smart-redir-perm\/(.*)$/, 301, '/smart/$1'],
  [/^\/smart-redir-temp\/(.*)$/, 302, '/smart/$1'],
  [/^\/smart-redir-auth\/(.*)$/, 301, '/auth/smart/$1'],
  [/^\/smart-redir-limited\/(.*)\/info\/refs$/, 301, '/smart/$1/info/refs'],
  [/^\/ftp-redir\/(.*)$/, 302, 'ftp://localhost:1000/$1'],
  [/^\/loop-redir\/(?:x-){20}(.*)$/, 302, '/$1'],
  [/^\/loop-redir\/(.*)$/, 302, '/loop-redir/x-$1'],
  [/^\/insane-redir\/(.*)$/, 301, '/intern-redir/$1/foo'],
  [/^\/redir-objects\/(.*\/objects\/.*)$/, 301, '/dumb/$1'],
]

function redirectOf({ path, query }: RuledRequest): Step | undefined {
  const detour = /^\/redir-to\/(.*)$/.exec(path)
  if (detour !== null)
    return { kind: 'redirect', status: 302, to: `/really-redir-to?path=${detour[1]}&qs=${query}` }
  if (path === '/really-redir-to') return endOfDetour(query)
  for (const [from, status, to] of redirects) {
    if (!from.test(path)) continue
    const target = path.replace(from, to)
    return { kind: 'redirect', status, to: query === '' ? target : `${target}?${query}` }
  }
  return undefined
}

function endOfDetour(query: string): Step {
  const [, path = '', rest = ''] = /^path=(.*)&qs=(.*)$/.exec(query) ?? []
  if (path.startsWith('502/')) return { kind: 'status', status: 502 }
  return { kind: 'redirect', status: 302, to: `/${path}?${rest}` }
}

function answerTo(request: RuledRequest): Step {
  if (wantsPassword(request) && request.authorization !== ACCOUNT) return { kind: 'password' }
  return scriptOf(request.path) ?? gitOf(request) ?? fileOf(request.path)
}

function wantsPassword({ path, query }: RuledRequest): boolean {
  if (path.startsWith('/auth/')) return true
  if (/^\/auth-push\/.*\/git-receive-pack$/.test(path)) return true
  if (/^\/auth-fetch\/.*\/git-upload-pack$/.test(path)) return true
  const pushes = query.includes('service=git-receive-pack') || path.endsWith('/git-receive-pack')
  return path.startsWith('/half-auth-complete/') && pushes
}

const scripts: readonly (readonly [RegExp, string])[] = [
  [/^\/smart\/incomplete_length\/git-upload-pack/, 'incomplete-length-upload-pack-v2-http.sh'],
  [/^\/smart\/incomplete_body\/git-upload-pack/, 'incomplete-body-upload-pack-v2-http.sh'],
  [/^\/smart\/no_report\/git-receive-pack/, 'error-no-report.sh'],
  [/^\/error_git_upload_pack\/.*\/git-upload-pack/, 'error.sh'],
  [/^\/broken_smart/, 'broken-smart-http.sh'],
  [/^\/error_smart/, 'error-smart-http.sh'],
  [/^\/error(?=\/)/, 'error.sh'],
]

function scriptOf(path: string): Step | undefined {
  for (const [pattern, script] of scripts) {
    const [found] = pattern.exec(path) ?? []
    if (found !== undefined)
      return { kind: 'script', script, pathInfo: path.slice(found.length) || '/' }
  }
  return undefined
}

/** Where the tests reach the Git server: `/smart…/NAME`, behind any prefix. */
function gitOf({ path, magic }: RuledRequest): Step | undefined {
  const once = /^\/one_time_perl\/(.*)$/.exec(path)
  if (once !== null) return { kind: 'git', path: `/${once[1]}`, variant: 'one-time-perl' }
  const [, suffix = '', name] = /\/smart([^/]*)\/(.*)$/.exec(path) ?? []
  if (name === undefined) return undefined
  if (suffix === '_headers' && magic !== 'abra cadabra') return { kind: 'status', status: 403 }
  return { kind: 'git', path: `/${name}`, variant: variants[suffix] ?? 'plain' }
}

const variants: Readonly<Record<string, GitVariant>> = {
  _v0: 'protocol-0',
  _cookies: 'cookies',
  _custom_env: 'other-committer',
}

function fileOf(path: string): Step {
  return { kind: 'file', path: path.replace(/^\/dumb\//, '/') }
}
