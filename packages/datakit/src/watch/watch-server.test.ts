/** The client of the watch stream, against the real app in one process and against what may stand in its place. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import { next } from '../../test/watch-contract.ts'
import { setChoice } from '../sync/choice.ts'
import { liveSync } from '../sync/sync-live.ts'
import { sync } from '../sync/sync.ts'
import { watchServer, type WatchState } from './watch-server.ts'

const url = 'http://localhost/config.git'

/** A network whose streams ask to come again soon, and are cut behind their first event while `cuts` is more than 0. */
function impatient(network: Network): { cuts: number } {
  const control = { cuts: 0 }
  network.onAnswer = (answer) => {
    if (answer.headers.get('content-type') !== 'text/event-stream') return answer
    const isCut = control.cuts > 0
    control.cuts--
    const soon = new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        const text = new TextDecoder().decode(piece).replace('retry: 2000', 'retry: 10')
        controller.enqueue(new TextEncoder().encode(text))
        if (isCut && text.includes('event:')) controller.error(new Error('cut'))
      },
    })
    return new Response(answer.body?.pipeThrough(soon), answer)
  }
  return control
}

const stream = (text: string) =>
  new Response(text, { headers: { 'content-type': 'text/event-stream' } })

const event = (id: string) => `event: change\nid: ${id}\ndata: {"refs":[]}\n\n`

describe('a watch of a server', () => {
  const ended = new AbortController()
  afterEach(() => {
    vi.useRealTimers()
  })

  it('loses nothing when every connection is cut behind its first event', async () => {
    const network = new Network()
    const control = impatient(network)
    const ada = await network.client('Ada')
    let last = await write(ada, 'a', '0')
    await sync(ada, network.options)
    control.cuts = 5
    const states: WatchState[] = []
    const events = watchServer({ ...network.options, onState: (state) => states.push(state) })
    expect(await next(events)).toMatchObject({ kind: 'snapshot', refs: [{ to: last }] })
    for (let i = 1; i <= 8; i++) {
      const from = last
      const pending = next(events)
      last = await write(ada, 'a', `${i}`)
      await sync(ada, network.options)
      expect(await pending).toMatchObject({ kind: 'change', refs: [{ from, to: last }] })
    }
    expect(states.filter(({ state }) => state === 'waiting')).toHaveLength(5)
    await events.return?.()
  })

  it('brings the id of the last event, names refs and paths, and shows its token', async () => {
    const asked: { url: string; headers: Headers }[] = []
    const fetch = async (to: string, init: RequestInit) => {
      asked.push({ url: to, headers: new Headers(init.headers) })
      return stream(`retry: 1\n\n${event(`id-${asked.length}`)}`)
    }
    const events = watchServer({
      url: 'https://x:secret@example.org/config.git/sync',
      fetch,
      refs: ['refs/heads/main'],
      paths: ['a b'],
      lastEventId: 'first',
    })
    for (const id of ['id-1', 'id-2', 'id-3']) expect((await next(events)).id).toBe(id)
    await events.return?.()
    expect(asked[0]?.url).toBe(
      'https://example.org/config.git/watch?ref=refs%2Fheads%2Fmain&path=a+b',
    )
    expect(asked.map(({ headers }) => headers.get('last-event-id'))).toEqual([
      'first',
      'id-1',
      'id-2',
    ])
    expect(asked[0]?.headers.get('authorization')).toBe('Bearer secret')
  })

  it('waits as long as the server asks, and longer each time that nothing is heard', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const answers = [
      new Response('{"error":{"code":"busy","message":"full"}}', {
        status: 503,
        headers: { 'content-type': 'application/json', 'retry-after': '30' },
      }),
      new Response('<html>', { headers: { 'content-type': 'text/html' } }),
      stream('retry: 100\n\n'),
      stream('retry: 100\n\n'),
      stream(`retry: 100\n\n${event('heard')}`),
      stream(event('again')),
    ]
    const waits: number[] = []
    const codes: unknown[] = []
    const events = watchServer({
      url,
      fetch: async () => answers.shift() ?? Promise.reject(new TypeError('offline')),
      onState: (state) => {
        if (state.state !== 'waiting') return
        waits.push(state.milliseconds)
        codes.push(
          state.error instanceof Error && 'code' in state.error ? state.error.code : undefined,
        )
        void vi.advanceTimersByTimeAsync(state.milliseconds)
      },
    })
    expect((await next(events)).id).toBe('heard')
    expect((await next(events)).id).toBe('again')
    const last = events.next()
    await vi.advanceTimersByTimeAsync(1)
    await events.return?.()
    await last
    expect(codes.slice(0, 5)).toEqual(['busy', 'not-datakit', undefined, undefined, undefined])
    const [busy = 0, portal = 0, first = 0, second = 0, heard = 0] = waits
    expect(busy).toBeGreaterThanOrEqual(31_000)
    expect(busy).toBeLessThanOrEqual(32_000)
    expect(portal).toBeGreaterThanOrEqual(2000)
    // A stream in which nothing was heard does not bring its client back at once, whatever it says.
    expect(Math.min(first, second)).toBeGreaterThanOrEqual(1000)
    expect(heard).toBeLessThanOrEqual(100)
  })

  it('takes a connection for dead on which nothing comes', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const states: WatchState[] = []
    const silent = () =>
      new Response(new ReadableStream(), { headers: { 'content-type': 'text/event-stream' } })
    const events = watchServer({ url, fetch: async () => silent(), onState: (s) => states.push(s) })
    const pending = events.next()
    await vi.advanceTimersByTimeAsync(44_000)
    expect(states.map(({ state }) => state)).toEqual(['connected'])
    await vi.advanceTimersByTimeAsync(2000)
    expect(states.at(-1)).toMatchObject({ state: 'waiting', error: { code: 'cut-off' } })
    await events.return?.()
    expect(await pending).toEqual({ done: true, value: undefined })
  })

  it.each([
    [401, 'application/json', '{"error":{"code":"unauthorised","message":"no"}}', 'unauthorised'],
    [404, 'application/json', '{"error":{"code":"not-found","message":"no"}}', 'not-found'],
    [400, 'application/json', '{"error":{"code":"bad-request","message":"no"}}', 'bad-request'],
    [404, 'text/plain', 'Nothing is here', 'no-watch'],
  ])('ends with an error when the server says %d %s', async (status, type, body, code) => {
    const answer = new Response(body, { status, headers: { 'content-type': type } })
    const events = watchServer({ url, fetch: async () => answer })
    await expect(events.next()).rejects.toMatchObject({ name: 'SyncError', code, status })
  })

  it('hears the reason why a stream was ended as an answer', async () => {
    const answers = [
      stream(
        `retry: 1\n\n${event('1')}event: end\ndata: {"code":"unauthorised","message":"no"}\n\n`,
      ),
      new Response('{"error":{"code":"unauthorised","message":"no"}}', {
        status: 401,
        headers: { 'content-type': 'application/json' },
      }),
    ]
    const events = watchServer({ url, fetch: async () => answers.shift() ?? stream('') })
    await next(events)
    await expect(events.next()).rejects.toMatchObject({ code: 'unauthorised' })
  })

  it('ends by its signal while it waits, and while it listens', async () => {
    const controller = new AbortController()
    const offline = watchServer({
      url,
      fetch: () => Promise.reject(new TypeError('offline')),
      signal: controller.signal,
    })
    setTimeout(() => controller.abort(), 5)
    expect(await offline.next()).toEqual({ done: true, value: undefined })
    const network = new Network()
    const ada = await network.client('Ada')
    await write(ada, 'a', '0')
    await sync(ada, network.options)
    const listening = watchServer(network.options)
    await next(listening)
    const pending = listening.next()
    await listening.return?.()
    expect(await pending).toEqual({ done: true, value: undefined })
    expect(() => watchServer({ url: 'ftp://x', signal: ended.signal })).toThrow(TypeError)
  })
})

describe('live sync', () => {
  it('brings what others push, and is not woken by what one pushes oneself', async () => {
    const network = new Network()
    impatient(network)
    const [ada, grace] = [await network.client('Ada'), await network.client('Grace')]
    const first = await write(ada, 'a', '0')
    await sync(ada, network.options)
    const live = liveSync(grace, network.options)
    await next(live)
    expect(await grace.branch('main').oid()).toBe(first)
    for (let i = 1; i < 5; i++) {
      const pending = next(live)
      const to = await write(ada, 'a', `${i}`)
      await sync(ada, network.options)
      expect((await pending).branches).toMatchObject([{ state: 'pulled', oid: to }])
    }
    const pending = next(live)
    await write(grace, 'b', '1')
    await sync(grace, network.options)
    const before = network.requests
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(network.requests).toBe(before)
    await write(ada, 'c', '1')
    await sync(ada, network.options)
    await pending
    expect(await (await grace.branch('main').head())?.readText('c')).toBe('1')
    await live.return?.()
  })

  // Seen to fail when news of refs that were not chosen are news.
  it('is not woken by branches that were not chosen', async () => {
    const network = new Network()
    impatient(network)
    const [ada, grace] = [await network.client('Ada'), await network.client('Grace')]
    await write(ada, 'a', '0')
    await write(ada, 'a', '0', 'other')
    await sync(ada, network.options)
    await setChoice(grace, { branches: ['main'] })
    const live = liveSync(grace, network.options)
    await next(live)
    const pending = next(live)
    await write(ada, 'a', '1', 'other')
    await sync(ada, network.options)
    const before = network.requests
    // Longer than one is in doubt whether it was pushed from here.
    await new Promise((resolve) => setTimeout(resolve, 1300))
    expect(network.requests).toBe(before)
    const to = await write(ada, 'a', '1')
    await sync(ada, network.options)
    expect((await pending).branches).toMatchObject([{ state: 'pulled', oid: to }])
    await live.return?.()
  })

  // Seen to fail when an answer that cannot be is not what passes.
  it('goes on when what stands between the two has changed an answer', async () => {
    const network = new Network()
    impatient(network)
    const [ada, grace] = [await network.client('Ada'), await network.client('Grace')]
    const to = await write(ada, 'a', '0')
    await sync(ada, network.options)
    let isChanged = true
    const errors: unknown[] = []
    const live = liveSync(grace, {
      ...network.options,
      fetch: async (to, init) => {
        const answer = (await network.options.fetch?.(to, init)) ?? Response.error()
        if (!isChanged || init.method !== 'POST') return answer
        const bytes = new Uint8Array(await answer.arrayBuffer())
        // Nobody knows the refs of an answer that has none.
        bytes.set(Buffer.from('"left":['), Buffer.from(bytes).indexOf('"refs":['))
        return new Response(bytes, answer)
      },
      onState: (state) => {
        if (state.state !== 'waiting') return
        errors.push(state.error)
        isChanged = false
      },
    })
    expect((await next(live)).branches).toMatchObject([{ state: 'pulled', oid: to }])
    expect(errors).toContainEqual(expect.objectContaining({ code: 'malformed' }))
    await live.return?.()
  })

  it('goes on when a sync finds nobody, and ends when the server says no', async () => {
    const network = new Network()
    impatient(network)
    const [ada, grace] = [await network.client('Ada'), await network.client('Grace')]
    await write(ada, 'a', '0')
    await sync(ada, network.options)
    let isDown = true
    const states: WatchState[] = []
    const live = liveSync(grace, {
      ...network.options,
      fetch: (to, init) => {
        if (isDown && init.method === 'POST') return Promise.reject(new TypeError('offline'))
        return network.options.fetch?.(to, init) ?? fetch(to, init)
      },
      onState: (state) => {
        states.push(state)
        if (state.state === 'waiting') isDown = false
      },
    })
    expect((await next(live)).branches).toMatchObject([{ state: 'pulled' }])
    expect(states).toContainEqual(
      expect.objectContaining({ error: expect.objectContaining({ code: 'offline' }) }),
    )
    await live.return?.()
    const refused = liveSync(grace, { ...network.options, token: 'wrong' })
    await expect(refused.next()).rejects.toMatchObject({ code: 'unauthorised' })
  })
})
