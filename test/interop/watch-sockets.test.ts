/** The watch stream over WebSockets, in workerd with the Durable Object, while stock git pushes. */
import { request, type IncomingMessage } from 'node:http'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { watchServer, type ServerEvent } from '@datakit/datakit/watch-server'
import { readEventStream } from '@datakit/git/protocol/event-stream'
import { decodeWatchMessage, type WatchMessage } from '@datakit/git/protocol/watch'
import { encodeSeen, PING, PONG, watchProtocols } from '@datakit/git/protocol/watch-socket'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const token = 'open-sesame~/+=?>'
const folder = temporaryFolder('watch-sockets')
const source = join(folder.path, 'source')
const MAIN = 'refs/heads/main'
let server: TestServer
const closing: (() => void)[] = []
let commits = 0

/** A commit of stock git, pushed to `main` of a repository. */
async function push(name: string): Promise<string> {
  const ada = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org']
  await git(source, ...ada, 'commit', '--quiet', '--allow-empty', '-m', `${commits++}`)
  const url = `${server.url.replace('//', `//x:${encodeURIComponent(token)}@`)}/${name}.git`
  await git(source, 'push', '--quiet', '--force', url, 'main')
  return git(source, 'rev-parse', 'main')
}

/** A socket, with what it has said. */
class Raw {
  readonly socket: WebSocket
  readonly said: string[] = []
  readonly opened: Promise<boolean>
  readonly closed: Promise<{ code: number; reason: string }>
  #wake = (): void => {}

  constructor(path: string, protocols = watchProtocols(token), origin?: string) {
    // Node's own WebSocket takes headers, which browsers do not.
    const options = origin === undefined ? { protocols } : { protocols, headers: { origin } }
    this.socket = new WebSocket(`${server.url.replace('http', 'ws')}/${path}`, options as never)
    this.socket.addEventListener('message', ({ data }) => {
      this.said.push(String(data))
      this.#wake()
    })
    const { promise, resolve } = Promise.withResolvers<boolean>()
    this.opened = promise
    this.socket.addEventListener('open', () => resolve(true))
    this.socket.addEventListener('error', () => resolve(false))
    this.closed = new Promise((done) => this.socket.addEventListener('close', done))
    closing.push(() => this.socket.close())
  }

  /** The next message of the server. */
  async next(): Promise<string> {
    while (this.said.length === 0) await new Promise<void>((wake) => (this.#wake = wake))
    return this.said.shift() ?? ''
  }

  /** The next event. */
  async event(): Promise<WatchMessage> {
    for (;;) {
      const said = await this.next()
      for await (const item of readEventStream(bytes(said))) {
        const message = item.kind === 'event' ? decodeWatchMessage(item) : undefined
        if (message !== undefined) return message
      }
    }
  }

  seen(id?: string): void {
    this.socket.send(encodeSeen(id))
  }
}

async function* bytes(said: string) {
  yield new TextEncoder().encode(said)
}

function idOf(message: WatchMessage): string {
  return 'id' in message ? message.id : ''
}

/** A proxy that lets requests through and cuts the connections of sockets when told to. */
async function startProxy(lets: { sockets: boolean }) {
  const upgraded = new Set<Socket>()
  const proxy = createServer((client) => {
    const upstream = connect(Number(new URL(server.url).port), '127.0.0.1')
    client.once('data', (head) => {
      const isUpgrade = /^upgrade: websocket/im.test(head.toString('latin1'))
      if (isUpgrade && !lets.sockets) {
        client.end('HTTP/1.1 400 Bad Request\r\n\r\n')
        return
      }
      if (isUpgrade) upgraded.add(client)
      upstream.write(head)
      client.pipe(upstream)
      upstream.pipe(client)
    })
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
    client.on('close', () => upgraded.delete(client))
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  closing.push(() => proxy.close())
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    upgraded,
    cut: () => upgraded.forEach((socket) => socket.destroy()),
  }
}

beforeAll(async () => {
  await git(folder.path, 'init', '--quiet', '--initial-branch=main', source)
  server = await startTestServer('worker', { coordinated: true, token })
})
afterEach(() => {
  for (const close of closing.splice(0)) close()
})
afterAll(async () => {
  await server.stop()
  folder.remove()
})

describe('a watch over WebSockets', () => {
  it('tells a snapshot, then changes, one for each time that the client has seen the last', async () => {
    const first = await push('plain')
    const raw = new Raw('plain.git/watch')
    expect(await raw.opened).toBe(true)
    expect(raw.socket.protocol).toBe('datakit-watch.1')
    expect(await raw.next()).toBe('retry: 2000\n\n')
    raw.seen()
    const snapshot = await raw.event()
    expect(snapshot).toMatchObject({ kind: 'snapshot', refs: [{ name: MAIN, to: first }] })
    // Nothing comes until it is seen: two pushes are one change.
    await push('plain')
    const third = await push('plain')
    raw.socket.send(PING)
    expect(await raw.next()).toBe(PONG)
    expect(raw.said).toEqual([])
    raw.seen(idOf(snapshot))
    const change = await raw.event()
    expect(change).toMatchObject({ kind: 'change', refs: [{ name: MAIN, from: first, to: third }] })
    raw.seen(idOf(change))
    const fourth = await push('plain')
    expect(await raw.event()).toMatchObject({ refs: [{ from: third, to: fourth }] })
  })

  it('goes on behind the id of a stream of events, and of another socket', async () => {
    const first = await push('resumed')
    const one = new Raw('resumed.git/watch?ref=refs/heads/main')
    await one.opened
    one.seen()
    const id = idOf(await one.event())
    one.socket.close()
    const response = await fetch(`${server.url}/resumed.git/watch?ref=refs/heads/main`, {
      headers: {
        authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}`,
        'last-event-id': id,
      },
    })
    const reader = response.body?.getReader()
    const text = new TextDecoder().decode((await reader?.read())?.value)
    // It is up to date, and told of nothing but sockets: in one piece with what goes before it, or in another.
    const rest = text.includes('event:') ? undefined : await reader?.read()
    expect(text + new TextDecoder().decode(rest?.value)).toBe(
      'retry: 2000\n\nevent: socket\ndata: {"protocol":"datakit-watch.1"}\n\n',
    )
    await reader?.cancel()
    const other = new Raw('resumed.git/watch?ref=refs/heads/main')
    await other.opened
    other.seen(id)
    const second = await push('resumed')
    expect(await other.event()).toMatchObject({
      kind: 'change',
      refs: [{ from: first, to: second }],
    })
  })

  it.each([
    ['no token', [] as string[], undefined],
    ['another token', watchProtocols('other').slice(1), undefined],
    ['a page of another origin', watchProtocols(token).slice(1), 'https://evil.example'],
  ])('is refused with %s', async (_, protocols, origin) => {
    await push('closed')
    const raw = new Raw('closed.git/watch', [...watchProtocols(undefined), ...protocols], origin)
    expect(await raw.opened).toBe(false)
  })

  it('is refused where there is no repository, and for what cannot be watched', async () => {
    await push('bad')
    const paths = [
      'none.git/watch',
      'bad.git/watch?ref=main',
      `bad.git/watch?ref=refs/heads/${'a'.repeat(4100)}`,
    ]
    for (const path of paths) expect(await new Raw(path).opened).toBe(false)
  })

  it.each([
    ['something else', 'hello'],
    ['another id', 'seen of something else'],
    ['too much', `seen ${'x'.repeat(300)}`],
  ])('is closed when the client says %s where it should say what it has seen', async (_, words) => {
    await push('rude')
    const raw = new Raw('rude.git/watch')
    await raw.opened
    raw.seen()
    await raw.event()
    raw.socket.send(words)
    expect((await raw.closed).code).toBe(1008)
  })

  it('hears nothing of other repositories', async () => {
    await push('mine')
    await push('yours')
    const raw = new Raw('mine.git/watch')
    await raw.opened
    raw.seen()
    raw.seen(idOf(await raw.event()))
    await push('yours')
    const last = await push('mine')
    expect(await raw.event()).toMatchObject({ refs: [{ to: last }] })
  })

  it('is told to two hundred at once, some of refs alone and some of a path', async () => {
    const first = await push('many')
    const queries = ['', '?ref=refs/heads/main', '?ref=refs/heads/*', '?ref=refs/heads/main&path=']
    const all = Array.from({ length: 200 }, (_, i) => new Raw(`many.git/watch${queries[i % 4]}`))
    for (const raw of all) expect(await raw.opened).toBe(true)
    for (const raw of all) raw.seen()
    for (const raw of all) raw.seen(idOf(await raw.event()))
    // The tree stays as it is, which those who watch the root do not hear of.
    const heard = all.filter((_, i) => i % 4 < 3).map((raw) => raw.event())
    const start = Date.now()
    const last = await push('many')
    for (const message of await Promise.all(heard))
      expect(message).toMatchObject({ kind: 'change', refs: [{ from: first, to: last }] })
    console.log(`From before a push of git to the last of 150 listeners: ${Date.now() - start} ms`)
    expect(all.filter((_, i) => i % 4 === 3).flatMap((raw) => raw.said)).not.toContainEqual(
      expect.stringContaining('event: change'),
    )
  })

  it('outlives the memory of the object, and is told changes by the next', async () => {
    const first = await push('asleep')
    const raw = new Raw('asleep.git/watch')
    await raw.opened
    raw.seen()
    const snapshot = await raw.event()
    raw.seen(idOf(snapshot))
    const starts = async (): Promise<unknown> =>
      (await fetch(`${server.url}/test-starts/asleep`)).json()
    const before = await starts()
    // workerd evicts an object that nothing happens to after ten seconds.
    await new Promise((resolve) => setTimeout(resolve, 12_000))
    raw.socket.send(PING)
    expect(await raw.next()).toBe(PONG)
    const second = await push('asleep')
    expect(await raw.event()).toMatchObject({ kind: 'change', refs: [{ from: first, to: second }] })
    expect(await starts()).toBe(Number(before) + 1)
  })
})

describe('the client', () => {
  function watch(url: string, sockets = true) {
    const events: ServerEvent[] = []
    const stop = new AbortController()
    closing.push(() => stop.abort())
    const watching = watchServer({ url, token, sockets, signal: stop.signal })
    void (async () => {
      for await (const event of watching) events.push(event)
    })()
    const heads = (): unknown[] =>
      events.map(({ refs }) => refs.find(({ name }) => name === MAIN)?.to)
    return { events, heads }
  }

  it('goes over to a socket, and misses nothing when it is cut', async () => {
    const lets = { sockets: true }
    const proxy = await startProxy(lets)
    await push('cut')
    const { heads, events } = watch(`${proxy.url}/cut.git`)
    await expect.poll(() => proxy.upgraded.size, { timeout: 10_000 }).toBe(1)
    for (let round = 0; round < 3; round++) {
      const told = await push('cut')
      await expect.poll(() => heads().at(-1), { timeout: 10_000 }).toBe(told)
      proxy.cut()
      const missed = await push('cut')
      await expect.poll(() => heads().at(-1), { timeout: 20_000 }).toBe(missed)
    }
    // Each goes on from where the one before it ended.
    const moves = events.slice(1).flatMap(({ refs }) => refs)
    for (const [i, { from }] of moves.slice(1).entries()) expect(from).toBe(moves[i]?.to)
  })

  it('stays with the stream of events where a proxy lets no sockets through', async () => {
    const proxy = await startProxy({ sockets: false })
    await push('proxied')
    const { heads } = watch(`${proxy.url}/proxied.git`)
    for (let i = 0; i < 3; i++) {
      const told = await push('proxied')
      await expect.poll(() => heads().at(-1), { timeout: 10_000 }).toBe(told)
    }
    expect(proxy.upgraded.size).toBe(0)
  })

  it('hears of a push as soon over a socket as over a stream', async () => {
    await push('latency')
    const both = [watch(`${server.url}/latency.git`), watch(`${server.url}/latency.git`, false)]
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const times: number[][] = [[], []]
    for (let i = 0; i < 10; i++) {
      const heard = both.map(async ({ heads, events }, which) => {
        const before = events.length
        await expect
          .poll(() => events.length, { interval: 2, timeout: 10_000 })
          .toBeGreaterThan(before)
        times[which]?.push(Date.now())
        return heads().at(-1)
      })
      const told = await push('latency')
      const pushed = Date.now()
      expect(await Promise.all(heard)).toEqual([told, told])
      for (const list of times) list.push((list.pop() ?? 0) - pushed)
    }
    const [socket = [], stream = []] = times.map((list) => list.toSorted((a, b) => a - b))
    console.log(
      `From the end of a push of git: socket ${socket.join(' ')}, stream ${stream.join(' ')} ms`,
    )
  })

  it('is told by no socket of a server that has none', async () => {
    const plain = await startTestServer('node', { token })
    try {
      const asked = request(`${plain.url}/x.git/watch`, {
        headers: { authorization: `Bearer ${token}`, connection: 'Upgrade', upgrade: 'websocket' },
      }).end()
      const [response] = (await once(asked, 'response')) as [IncomingMessage]
      response.resume()
      expect(response.statusCode).toBe(501)
    } finally {
      await plain.stop()
    }
  })
})
