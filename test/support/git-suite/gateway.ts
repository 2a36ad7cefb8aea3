/**
 * The gateway: what stands where Git's own HTTP tests expect Apache. It follows Apache's rules and leaves everything that
 * is Git to the server behind it: ours, or `git http-backend`, so that one can be held against the other.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import {
  createServer,
  request as send,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { join } from 'node:path'
import { answerByCgi, cgiEnvironment } from '../cgi.ts'
import { stepOf, type GitVariant, type Step } from './apache-rules.ts'

/** Where the tests put things, and who answers. */
export interface GatewayOptions {
  /** Apache's folder: logs, scripts, and the repositories in `www`. */
  readonly folder: string
  /** Our servers; none for `git http-backend`. */
  readonly ours: OurServers | undefined
}

/** Origins of our servers. */
export interface OurServers {
  readonly plain: string
  /** One that was started with another committer. */
  readonly otherCommitter: () => Promise<string>
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly options: GatewayOptions
}

/** The committer that the tests set for one of the names. */
export const OTHER_COMMITTER = {
  GIT_COMMITTER_NAME: 'Custom User',
  GIT_COMMITTER_EMAIL: 'custom@example.com',
}

/** A server that is not listening yet. */
export function gateway(options: GatewayOptions): Server {
  return createServer((request, response) => {
    // Without it Node adds a header of its own that says for how long.
    response.setHeader('connection', 'keep-alive')
    const url = new URL(request.url ?? '/', 'http://localhost')
    const { headers } = request
    const step = stepOf({
      path: decodeURIComponent(url.pathname),
      query: url.search.slice(1),
      authorization: headers.authorization,
      magic: `${headers['x-magic-one']?.toString()} ${headers['x-magic-two']?.toString()}`,
    })
    take(step, { request, response, options })
  })
}

function take(step: Step, exchange: Exchange): void {
  const { request, response, options } = exchange
  if (step.kind === 'git') return askGit(step, exchange)
  if (step.kind === 'file') return sendFile(join(options.folder, 'www', step.path), exchange)
  if (step.kind === 'script') {
    const environment = { ...inherited(), ...cgiEnvironment(request), PATH_INFO: step.pathInfo }
    const command: [string] = [`./${step.script}`]
    return answerByCgi(
      { command, environment, folder: options.folder },
      request,
      response,
      (status) => log(status, exchange),
    )
  }
  if (step.kind === 'redirect') response.setHeader('location', absolute(step.to, request))
  if (step.kind === 'password') response.setHeader('www-authenticate', 'Basic realm="git-auth"')
  const status = step.kind === 'password' ? 401 : step.status
  log(status, exchange)
  request.resume()
  response
    .writeHead(status, { 'content-type': 'text/html; charset=iso-8859-1' })
    .end('<html></html>\n')
}

function absolute(to: string, request: IncomingMessage): string {
  return to.startsWith('/') ? `http://${request.headers.host}${to}` : to
}

/** A line as Apache's common log has it, before the client can know of the answer. */
function log(status: number, { request, options }: Exchange): void {
  const { method, url, httpVersion } = request
  const line = `127.0.0.1 - - [-] "${method} ${url} HTTP/${httpVersion}" ${status} ${status === 404 ? '-' : 1}\n`
  appendFileSync(join(options.folder, 'access.log'), line)
}

function sendFile(path: string, exchange: Exchange): void {
  const { request, response } = exchange
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true
  const status = isFile ? 200 : 404
  log(status, exchange)
  request.resume()
  response.writeHead(status, { 'content-type': isFile ? 'application/octet-stream' : 'text/html' })
  response.end(isFile ? readFileSync(path) : '<html></html>\n')
}

interface GitRequest {
  readonly path: string
  readonly variant: GitVariant
}

function askGit(step: GitRequest, exchange: Exchange): void {
  if (step.variant === 'cookies') exchange.response.setHeader('set-cookie', 'name=value')
  if (exchange.options.ours === undefined) askBackend(step, exchange)
  else void askOurs(exchange.options.ours, step, exchange)
}

function askBackend({ path, variant }: GitRequest, exchange: Exchange): void {
  const { request, response, options } = exchange
  const { authorization } = request.headers
  const environment = {
    ...inherited(),
    ...cgiEnvironment(request),
    ...(variant === 'protocol-0' ? { GIT_PROTOCOL: '' } : {}),
    ...(variant === 'other-committer' ? OTHER_COMMITTER : {}),
    ...(authorization === undefined ? {} : { REMOTE_USER: 'user@host' }),
    ...(request.url?.includes('/smart_namespace/') === true ? { GIT_NAMESPACE: 'ns' } : {}),
    GIT_PROJECT_ROOT: join(options.folder, 'www'),
    ...(request.url?.includes('/smart_noexport/') === true ? {} : { GIT_HTTP_EXPORT_ALL: '1' }),
    PATH_INFO: path,
  }
  const isOnce = variant === 'one-time-perl'
  const command: [string, ...string[]] = isOnce
    ? ['./apply-one-time-perl.sh']
    : ['git', 'http-backend']
  answerByCgi({ command, environment, folder: options.folder }, request, response, (status) =>
    log(status, exchange),
  )
}

/** What Apache passes on of its own environment. */
export function inherited(): Record<string, string> {
  const passed = [
    'PATH',
    'GIT_EXEC_PATH',
    'GIT_TRACE',
    'GIT_CONFIG_NOSYSTEM',
    'GNUPGHOME',
    'GIT_TEST_SIDEBAND_ALL',
    'LANG',
    'LC_ALL',
  ]
  return Object.fromEntries(
    passed.flatMap((name) => {
      const value = process.env[name]
      return value === undefined || value === '' ? [] : [[name, value]]
    }),
  )
}

async function askOurs(
  ours: OurServers,
  { path, variant }: GitRequest,
  exchange: Exchange,
): Promise<void> {
  const { request, response } = exchange
  const origin = new URL(variant === 'other-committer' ? await ours.otherCommitter() : ours.plain)
  // Apache keeps the password to itself.
  const { authorization: _, 'git-protocol': protocol, ...headers } = request.headers
  const { search } = new URL(request.url ?? '/', origin)
  const sent = send(origin, {
    method: request.method,
    path: encodeURI(path) + search,
    headers: {
      ...headers,
      host: origin.host,
      ...(variant === 'protocol-0' || protocol === undefined ? {} : { 'git-protocol': protocol }),
    },
  })
  sent.on('response', (answer) => passOn(answer, variant, exchange))
  sent.on('error', () => response.destroy())
  response.on('close', () => sent.destroy())
  request.pipe(sent)
}

/** Headers that belong to one connection. */
const HOP_BY_HOP: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding'])

function passOn(answer: IncomingMessage, variant: GitVariant, exchange: Exchange): void {
  const { response } = exchange
  const status = answer.statusCode ?? 502
  log(status, exchange)
  const code = variant === 'one-time-perl' ? oneTimePerl(exchange.options.folder) : undefined
  for (let at = 0; at + 1 < answer.rawHeaders.length; at += 2) {
    const [name = '', value = ''] = answer.rawHeaders.slice(at, at + 2)
    const isLength = name.toLowerCase() === 'content-length' && code !== undefined
    if (!HOP_BY_HOP.has(name.toLowerCase()) && !isLength) response.appendHeader(name, value)
  }
  response.writeHead(status)
  answer.on('error', () => response.destroy())
  if (code === undefined) answer.pipe(response)
  else void changeOnce(answer, code, exchange)
}

/** Code that a test left to change the next answer with. */
function oneTimePerl(folder: string): string | undefined {
  const path = join(folder, 'one-time-perl')
  return existsSync(path) ? readFileSync(path, 'utf8').trimEnd() : undefined
}

async function changeOnce(
  answer: IncomingMessage,
  code: string,
  { response, options: { folder } }: Exchange,
): Promise<void> {
  const pieces: Buffer[] = []
  for await (const piece of answer) pieces.push(piece as Buffer)
  const input = Buffer.concat(pieces)
  const env = { ...process.env, LC_ALL: 'C' }
  const output = execFileSync('perl', ['-pe', code], {
    input,
    cwd: folder,
    env,
    maxBuffer: 1 << 28,
  })
  if (!output.equals(input)) rmSync(join(folder, 'one-time-perl'))
  response.end(output)
}
