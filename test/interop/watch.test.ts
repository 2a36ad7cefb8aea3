/** The watch stream of both real servers, read off the socket, while stock git pushes. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { serve } from '@hono/node-server'
import { randomId } from '@datakit/git/bytes'
import { watchServer } from '@datakit/datakit/watch-server'
import { parseOid, type Oid } from '@datakit/git/oid'
import { readEventStream, type StreamItem } from '@datakit/git/protocol/event-stream'
import { decodeWatchMessage, type RefMove, type WatchMessage } from '@datakit/git/protocol/watch'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { createApp } from '@datakit/server/app'
import { memoryDepot } from '@datakit/storage/memory'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const token = 'open-sesame'
const folder = temporaryFolder('watch')
const source = join(folder.path, 'source')
const folderOf = (kind: string): string => join(folder.path, `data-${kind}`)
const streams: RawStream[] = []
const CORS = ['https://editor.example']

beforeAll(async () => {
  await git(folder.path, 'init', '--quiet', '--initial-branch=main', source)
  const ada = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org']
  for (const message of ['one', 'two'])
    await git(source, ...ada, 'commit', '--quiet', '--allow-empty', '-m', message)
})
afterEach(() => {
  for (const stream of streams.splice(0)) stream.cut()
})
afterAll(() => folder.remove())

/** A request on a socket of its own, and what comes back on it. */
class RawStream {
  readonly #request: ClientRequest
  readonly #response: Promise<IncomingMessage>
  #items: AsyncGenerator<StreamItem, void, undefined> | undefined
  id = ''

  constructor(url: string, headers: Record<string, string> = {}, method = 'GET') {
    const all = { authorization: `Bearer ${token}`, ...headers }
    this.#request = request(url, { headers: all, method, agent: false })
    this.#request.on('error', () => {})
    this.#response = new Promise((resolve, reject) => {
      this.#request.on('response', resolve)
      this.#request.on('error', reject)
    })
    this.#response.catch(() => undefined)
    this.#request.end()
    streams.push(this)
  }

  response(): Promise<IncomingMessage> {
    return this.#response
  }

  /** The next message; `undefined` when the stream has ended. */
  async message(): Promise<WatchMessage | undefined> {
    this.#items ??= readEventStream(await this.#response)
    for (;;) {
      const { value } = await this.#items.next()
      if (value === undefined) return undefined
      if (value.kind !== 'event') continue
      this.id = value.id
      return decodeWatchMessage(value)
    }
  }

  /** The refs of the next message, which must have some. */
  async refs(): Promise<readonly RefMove[]> {
    const message = await this.message()
    if (message === undefined || !('refs' in message))
      throw new Error(`No refs: ${JSON.stringify(message)}`)
    return [...message.refs]
  }

  cut(): void {
    this.#request.destroy()
  }
}

describe.each(SERVER_KINDS)('the watch stream of the %s server', (kind) => {
  let server: TestServer
  let count = 0
  beforeAll(async () => {
    server = await startTestServer(kind, { token, cors: CORS, data: folderOf(kind) })
  })
  afterAll(() => server.stop())

  /** Pushes a new commit to `branch` by stock git; gives the commit. */
  async function push(name: string, branch = 'main', file = 'file'): Promise<string> {
    const content = `${kind} ${++count}\n`
    const script = `mkdir -p "$(dirname "$1")" && printf %s "$2" > "$1" && git add -A && git -c user.name=Ada -c user.email=ada@example.org commit -qm x`
    execFileSync('sh', ['-c', script, 'sh', file, content], { cwd: source })
    const url = server.url.replace('//', `//x:${token}@`)
    await git(source, 'push', '--quiet', '--force', `${url}/${name}.git`, `HEAD:${branch}`)
    return git(source, 'rev-parse', 'HEAD')
  }

  const listen = (name: string, query = '', headers: Record<string, string> = {}) =>
    new RawStream(`${server.url}/${name}.git/watch${query}`, headers)

  it('tells of a push by stock git within two seconds', async () => {
    const first = await push('one')
    const stream = listen('one')
    const response = await stream.response()
    expect(response.statusCode).toBe(200)
    expect(response.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    })
    expect(await stream.refs()).toMatchObject([{ name: 'refs/heads/main', to: first }])
    const pending = stream.refs().then((refs) => ({ refs, at: Date.now() }))
    const second = await push('one')
    const pushed = Date.now()
    const { refs, at } = await pending
    expect(refs).toMatchObject([{ from: first, to: second }])
    expect(at - pushed).toBeLessThan(2000)
  })

  it('loses nothing when it is cut and taken up again', async () => {
    const first = await push('two')
    const stream = listen('two', '?ref=refs/heads/main')
    await stream.refs()
    stream.cut()
    await push('two')
    await push('two', 'other')
    const last = await push('two')
    const again = listen('two', '?ref=refs/heads/main', { 'last-event-id': stream.id })
    expect(await again.message()).toMatchObject({ kind: 'change' })
    const third = listen('two', '?ref=refs/heads/main', { 'last-event-id': stream.id })
    expect(await third.refs()).toMatchObject([{ name: 'refs/heads/main', from: first, to: last }])
    const pending = third.refs()
    const newest = await push('two')
    expect(await pending).toMatchObject([{ from: last, to: newest }])
  })

  it('tells of a path alone', async () => {
    await push('three', 'main', 'config/limits')
    const stream = listen('three', '?ref=refs/heads/main&path=config')
    const [snapshot] = await stream.refs()
    expect(snapshot?.paths[0]?.to?.mode).toBe(0o40000)
    const pending = stream.refs()
    await push('three', 'main', 'elsewhere')
    const last = await push('three', 'main', 'config/limits')
    expect(await pending).toMatchObject([
      { to: last, paths: [{ path: 'config', from: snapshot?.paths[0]?.to }] },
    ])
  })

  it('goes on for those who stay when others are cut off', async () => {
    await push('four')
    const all = Array.from({ length: 20 }, () => listen('four'))
    for (const stream of all) await stream.refs()
    for (const [i, stream] of all.entries()) if (i % 3 !== 2) stream.cut()
    for (let round = 0; round < 3; round++) {
      const pending = all.filter((_, i) => i % 3 === 2).map((stream) => stream.refs())
      const last = await push('four')
      for (const refs of await Promise.all(pending)) expect(refs).toMatchObject([{ to: last }])
    }
  })

  it('makes room when listeners go away', async () => {
    await push('full')
    const most = kind === 'node' ? 500 : 100
    const all = Array.from({ length: most }, () => listen('full', '?ref=refs/heads/main'))
    for (const stream of all) expect((await stream.response()).statusCode).toBe(200)
    const refused = await listen('full').response()
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '30'])
    for (const stream of all) stream.cut()
    const before = Date.now()
    for (let status = 503; status !== 200;) {
      status = (await listen('full').response()).statusCode ?? 0
      if (status !== 200) await new Promise((resolve) => setTimeout(resolve, 250))
      if (Date.now() - before > 30_000) throw new Error('No room')
    }
    console.log(`watch: room in the ${kind} server after ${Date.now() - before} ms`)
  })

  it('is followed by the client, which loses nothing when the server is another one', async () => {
    const first = await push('client')
    const states: string[] = []
    const events = watchServer({
      url: `${server.url}/client.git`,
      token,
      refs: ['refs/heads/main'],
      onState: ({ state }) => states.push(state),
    })
    const next = async () => [...((await events.next()).value?.refs ?? [])]
    expect(await next()).toMatchObject([{ to: first }])
    const second = await push('client')
    expect(await next()).toMatchObject([{ from: first, to: second }])
    const port = Number(new URL(server.url).port)
    const pending = next()
    await server.stop()
    server = await startTestServer(kind, { token, cors: CORS, data: folderOf(kind), port })
    const third = await push('client')
    // An isolate that has never seen the id tells everything.
    expect((await pending).map(({ to }) => to)).toEqual([third])
    expect(states).toContain('waiting')
    await events.return?.()
  })

  it('answers other methods, pages of other origins and strangers as other routes do', async () => {
    await push('five')
    const url = `${server.url}/five.git/watch`
    const status = async (stream: RawStream) => (await stream.response()).statusCode
    expect(await status(new RawStream(url, {}, 'HEAD'))).toBe(200)
    expect(await status(new RawStream(url, {}, 'POST'))).toBe(405)
    expect(await status(new RawStream(url, { authorization: 'Bearer no' }))).toBe(401)
    expect(await status(listen('nowhere'))).toBe(404)
    expect(await status(listen('five', '?ref=main'))).toBe(400)
    const preflight = new RawStream(
      url,
      {
        origin: 'https://editor.example',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization,last-event-id',
      },
      'OPTIONS',
    )
    expect((await preflight.response()).headers).toMatchObject({
      'access-control-allow-headers': 'authorization,last-event-id',
      'access-control-allow-methods': 'GET, HEAD',
    })
    const page = listen('five', '', { origin: 'https://editor.example' })
    expect((await page.response()).headers['access-control-allow-origin']).toBe(
      'https://editor.example',
    )
  })
})

describe('the watch stream of the Node server', () => {
  it('tells of what stock git does in the directory, and ends with it', async () => {
    const server = await startTestServer('node', { token })
    try {
      const directory = join(server.data, 'config.git')
      await git(folder.path, 'init', '--quiet', '--bare', directory)
      const tree = await git(directory, 'hash-object', '-t', 'tree', '-w', '/dev/null')
      const commit = (message: string) =>
        git(
          directory,
          '-c',
          'user.name=Ada',
          '-c',
          'user.email=ada@example.org',
          'commit-tree',
          tree,
          '-m',
          message,
        )
      const one = await commit('one')
      await git(directory, 'update-ref', 'refs/heads/main', one)
      const stream = new RawStream(`${server.url}/config.git/watch`)
      await stream.refs()
      for (let i = 0; i < 3; i++) {
        const next = await commit(`${i}`)
        const pending = stream.refs()
        await git(directory, 'update-ref', 'refs/heads/main', next)
        const before = Date.now()
        expect(await pending).toMatchObject([{ to: next }])
        expect(Date.now() - before).toBeLessThan(1500)
      }
      const end = stream.message()
      rmSync(directory, { recursive: true })
      expect(await end).toMatchObject({ kind: 'end', code: 'not-found' })
      expect(await stream.message()).toBeUndefined()
    } finally {
      await server.stop()
    }
  })

  it('ends at once when the server is stopped', async () => {
    const server = await startTestServer('node', { token })
    const url = server.url.replace('//', `//x:${token}@`)
    await git(source, 'push', '--quiet', `${url}/config.git`, 'HEAD:main')
    const stream = new RawStream(`${server.url}/config.git/watch`)
    await stream.refs()
    const before = Date.now()
    await server.stop()
    expect(Date.now() - before).toBeLessThan(3000)
    expect(await stream.message()).toBeUndefined()
  })

  it('keeps nothing for a client that does not read', async () => {
    const depot = memoryDepot()
    const place = await depot.open('config')
    const access = { kind: 'token', token } as const
    const app = createApp({ depot, runtime: nodeRuntime, access, assets: () => new Response() })
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
    await once(server, 'listening')
    const oids = ['a', 'b'].map((digit) => parseOid(digit.repeat(40)))
    const names = Array.from({ length: 1000 }, (_, i) => `refs/heads/${'long/'.repeat(40)}${i}`)
    let at: Oid | undefined
    const move = async (to: Oid | undefined) => {
      const refs = names.map((name) => ({ name, from: at, to }))
      const log = { who: 'Ada <ada@example.org>', why: 'move' }
      const { state } = await place.update({ id: randomId(), refs, log })
      expect(state).toBe('done')
      at = to
    }
    try {
      await move(oids[0])
      const { port } = server.address() as AddressInfo
      const url = `http://127.0.0.1:${port}/config.git/watch`
      const [slow, quick] = [new RawStream(url), new RawStream(url)]
      await quick.refs()
      const response = await slow.response()
      response.pause()
      const rounds = 100
      for (let i = 1; i <= rounds; i++) {
        await move(oids[i % 2])
        await quick.refs()
      }
      const last = at
      // What the sockets hold is read first; what comes then is as new as can be.
      let messages = 1
      for (let refs = await slow.refs(); refs[0]?.to !== last; refs = await slow.refs()) messages++
      // Some 35 MB were told to the one, and as much to the other as fits into two sockets.
      expect(messages).toBeLessThan(rounds / 2)
    } finally {
      for (const stream of streams.splice(0)) stream.cut()
      server.close()
    }
  })
})
