/**
 * Git's own smart HTTP server: `git http-backend` behind a Node server that speaks CGI with it. The judge of our client,
 * and the peer of our server in the benchmark.
 *
 * Spec: https://git-scm.com/docs/git-http-backend
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answerByCgi, cgiEnvironment } from './cgi.ts'

/** What came in, for tests that look at the wire. */
export interface RecordedRequest {
  readonly method: string
  readonly url: string
  readonly protocol: string | undefined
  readonly body: Buffer
}

/** A running server. */
export interface HttpBackend {
  /** `http://127.0.0.1:PORT`, to which `/NAME.git` is added. */
  readonly url: string
  /** Every request so far, where `record` was asked for. */
  readonly requests: readonly RecordedRequest[]
  close(): Promise<void>
}

/**
 * Serves the bare repositories under `root`, for reading and pushing, on a free port of the loopback.
 *
 * With `token` it asks for it, as Basic password or Bearer; with `record` it keeps the requests.
 */
export async function httpBackend(
  root: string,
  options: { readonly token?: string; readonly record?: boolean } = {},
): Promise<HttpBackend> {
  const requests: RecordedRequest[] = []
  const server = createServer((request, response) => {
    if (options.token !== undefined && !knows(request, options.token)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end('Who is there?')
      return
    }
    if (options.record === true) record(request, requests)
    run(root, request, response)
  })
  // A test that runs Git for seconds stops this loop, too: a client must not find a connection that was just given up.
  server.keepAliveTimeout = 120_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A server that listens on TCP has such an address.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function knows(request: IncomingMessage, token: string): boolean {
  const [scheme, value = ''] = (request.headers.authorization ?? '').split(' ')
  if (scheme === 'Bearer') return value === token
  return (
    scheme === 'Basic' &&
    Buffer.from(value, 'base64').toString().split(':').slice(1).join(':') === token
  )
}

function record(request: IncomingMessage, requests: RecordedRequest[]): void {
  const pieces: Buffer[] = []
  request.on('data', (piece: Buffer) => pieces.push(piece))
  request.on('end', () => {
    const { method = '', url = '', headers } = request
    requests.push({
      method,
      url,
      protocol: headers['git-protocol']?.toString(),
      body: Buffer.concat(pieces),
    })
  })
}

function run(root: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  const environment = {
    ...process.env,
    ...cgiEnvironment(request),
    GIT_PROJECT_ROOT: root,
    GIT_HTTP_EXPORT_ALL: '1',
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'http.receivepack',
    GIT_CONFIG_VALUE_0: 'true',
    PATH_INFO: decodeURIComponent(pathname),
    REMOTE_USER: 'ada',
  }
  answerByCgi({ command: ['git', 'http-backend'], environment }, request, response)
}
