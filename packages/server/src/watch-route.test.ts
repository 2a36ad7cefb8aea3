/** The watch stream over the app in memory, without a socket; `test/interop/watch.test.ts` has the real servers. */
import type { Oid } from '@datakit/git/oid'
import { readEventStream, type StreamItem } from '@datakit/git/protocol/event-stream'
import { decodeWatchMessage, type WatchMessage } from '@datakit/git/protocol/watch'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { Repository } from '@datakit/datakit/repository'
import { memoryDepot } from '@datakit/storage/memory'
import { afterEach, describe, expect, it } from 'vitest'
import { createApp, type AppOptions } from './app.ts'
import { OPEN_POLICY } from './policy.ts'

const URL_OF_WATCH = 'http://localhost/config.git/watch'
const open: (() => void)[] = []

afterEach(() => {
  for (const close of open.splice(0)) close()
})

/** A stream that a client reads. */
class Stream {
  readonly response: Response
  readonly #items: AsyncGenerator<StreamItem, void, undefined>
  readonly #cancel: () => Promise<void>
  /** The id of the last event. */
  id = ''

  constructor(response: Response) {
    this.response = response
    const reader = response.body?.getReader()
    this.#cancel = async () => void (await reader?.cancel())
    async function* pieces() {
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
        if (done || value === undefined) return
        yield value
      }
    }
    this.#items = readEventStream(pieces())
    open.push(() => void this.#cancel())
  }

  /** The next item; `undefined` at the end. */
  async item(): Promise<StreamItem | undefined> {
    const { value } = await this.#items.next()
    return value ?? undefined
  }

  /** The next message; `undefined` at the end. */
  async message(): Promise<WatchMessage | undefined> {
    for (let item = await this.item(); item !== undefined; item = await this.item()) {
      if (item.kind !== 'event') continue
      this.id = item.id
      return decodeWatchMessage(item)
    }
    return undefined
  }

  close(): Promise<void> {
    return this.#cancel()
  }
}

async function setUp(options: Partial<AppOptions> = {}) {
  const depot = memoryDepot()
  const app = createApp({
    depot,
    runtime: nodeRuntime,
    access: { kind: 'token', token: 'secret' },
    assets: () => new Response('', { status: 404 }),
    log: (error) => console.error(error),
    ...options,
  })
  const place = await depot.open('config')
  const repository = await Repository.open(place, { runtime: nodeRuntime })
  const write = async (
    path: string,
    content: string | undefined,
    branch = 'main',
  ): Promise<Oid> => {
    const outcome = await repository.branch(branch).commit(
      async (files) => {
        if (content === undefined) await files.remove(path)
        else await files.write(path, content)
      },
      { message: path },
    )
    if (outcome.state !== 'committed') throw new Error(outcome.state)
    return outcome.oid
  }
  const ask = (query = '', headers: Record<string, string> = {}, method = 'GET') =>
    app.fetch(
      new Request(`${URL_OF_WATCH}${query}`, {
        method,
        headers: { authorization: 'Bearer secret', ...headers },
      }),
    )
  const watch = async (query = '', headers: Record<string, string> = {}) =>
    new Stream(await ask(query, headers))
  return { app, place, repository, write, ask, watch }
}

describe('a watch stream', () => {
  it('begins with everything that is watched, then tells what moves', async () => {
    const { write, watch, place, repository } = await setUp()
    const first = await write('a', '1')
    const stream = await watch()
    expect(stream.response.status).toBe(200)
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream')
    expect(await stream.item()).toEqual({ kind: 'retry', milliseconds: 2000 })
    const { repository: id } = await place.read()
    const main = { name: 'refs/heads/main', paths: [] }
    expect(await stream.message()).toEqual({
      kind: 'snapshot',
      id: expect.stringMatching(new RegExp(`^${id}:[0-9a-f]{40}$`)),
      repository: id,
      refs: [{ ...main, from: undefined, to: first }],
    })
    const second = await write('a', '2')
    expect(await stream.message()).toMatchObject({
      kind: 'change',
      refs: [{ ...main, from: first, to: second }],
    })
    await repository.branch('main').delete()
    expect(await stream.message()).toMatchObject({
      refs: [{ ...main, from: second, to: undefined }],
    })
  })

  it('goes on behind the id that the client brings, as one change', async () => {
    const { write, watch } = await setUp()
    const first = await write('a', '1')
    const stream = await watch()
    await stream.message()
    await stream.close()
    await write('a', '2')
    await write('b', '1', 'topic')
    const third = await write('a', '3')
    const again = await watch('', { 'last-event-id': stream.id })
    expect(await again.message()).toMatchObject({
      kind: 'change',
      refs: [
        { name: 'refs/heads/main', from: first, to: third },
        { name: 'refs/heads/topic', from: undefined },
      ],
    })
    const upToDate = await watch('', { 'last-event-id': again.id })
    expect(await upToDate.item()).toMatchObject({ kind: 'retry' })
    const pending = upToDate.message()
    const fourth = await write('a', '4')
    expect(await pending).toMatchObject({ kind: 'change', refs: [{ from: third, to: fourth }] })
  })

  it.each(['unknown', 'x:0000', ''])('gives a snapshot to who brings "%s"', async (id) => {
    const { write, watch } = await setUp()
    await write('a', '1')
    const stream = await watch('', { 'last-event-id': id })
    expect(await stream.message()).toMatchObject({ kind: 'snapshot' })
  })

  it('knows the current id in an isolate that has never seen it', async () => {
    const depot = memoryDepot()
    const one = await setUp({ depot })
    // Not the depot of `setUp`: both apps have this one.
    const repository = await Repository.open(await depot.open('config'), { runtime: nodeRuntime })
    const commit = (content: string) =>
      repository.branch('main').commit((files) => files.write('a', content), { message: 'a' })
    await commit('1')
    const stream = await one.watch()
    await stream.message()
    const other = await setUp({ depot })
    const again = await other.watch('', { 'last-event-id': stream.id })
    expect(await again.item()).toMatchObject({ kind: 'retry' })
    await commit('2')
    expect(await again.message()).toMatchObject({ kind: 'change' })
  })

  it('tells of the refs that were asked for, and of no others', async () => {
    const { write, watch } = await setUp()
    await write('a', '1')
    const exact = await watch('?ref=refs/heads/main&ref=refs/heads/none')
    const below = await watch('?ref=refs/heads/team/*')
    expect(await exact.message()).toMatchObject({ refs: [{ name: 'refs/heads/main' }] })
    expect(await below.message()).toMatchObject({ kind: 'snapshot', refs: [] })
    await write('a', '1', 'team/x')
    expect(await below.message()).toMatchObject({ refs: [{ name: 'refs/heads/team/x' }] })
    await write('a', '2')
    expect(await exact.message()).toMatchObject({ refs: [{ name: 'refs/heads/main' }] })
    await write('a', '1', 'none')
    expect(await exact.message()).toMatchObject({ refs: [{ name: 'refs/heads/none' }] })
  })

  it('tells of paths only when what is there differs', async () => {
    const { write, watch } = await setUp()
    await write('config/a', '1')
    const stream = await watch('?ref=refs/heads/main&path=config/a&path=other&path=')
    const snapshot = await stream.message()
    expect(snapshot).toMatchObject({
      refs: [
        {
          paths: [
            { path: '', to: { mode: 0o40000 } },
            { path: 'config/a', to: { mode: 0o100644 } },
            { path: 'other', to: undefined },
          ],
        },
      ],
    })
    const narrow = await watch('?ref=refs/heads/main&path=config')
    await narrow.message()
    await write('elsewhere', '1')
    const last = await write('config/a', '2')
    expect(await narrow.message()).toMatchObject({
      kind: 'change',
      refs: [
        { to: last, paths: [{ path: 'config', from: { mode: 0o40000 }, to: { mode: 0o40000 } }] },
      ],
    })
    await write('elsewhere', '2')
    const again = await watch('?ref=refs/heads/main&path=config', { 'last-event-id': narrow.id })
    expect(await again.item()).toMatchObject({ kind: 'retry' })
    const pending = again.message()
    await write('config/b', '1')
    expect(await pending).toMatchObject({ refs: [{ paths: [{ path: 'config' }] }] })
  })

  it('says something now and then', async () => {
    const { write, watch } = await setUp({ limits: { listenerSilence: 20 } })
    await write('a', '1')
    const stream = await watch()
    await stream.message()
    for (let i = 0; i < 3; i++) expect(await stream.item()).toEqual({ kind: 'comment' })
  })

  it('asks its client to come again before its share is used up', async () => {
    const { write, watch } = await setUp({ limits: { listenerReads: 4 } })
    await write('a', '0')
    const stream = await watch()
    await stream.message()
    let last: StreamItem | undefined
    let events = 0
    for (let i = 1; ; i++) {
      await write('a', `${i}`)
      const item = await stream.item()
      if (item === undefined) break
      if (item.kind === 'event') events++
      last = item
    }
    expect(events).toBeGreaterThan(0)
    expect(last).toEqual({ kind: 'retry', milliseconds: 100 })
  })
})

describe('who may watch', () => {
  it('is who may read, and hears of it as everywhere', async () => {
    const { write, ask } = await setUp()
    expect((await ask()).status).toBe(404)
    await write('a', '1')
    expect((await ask('', { authorization: 'Bearer wrong' })).status).toBe(401)
    const post = await ask('', {}, 'POST')
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS'])
    const head = await ask('', {}, 'HEAD')
    expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
      200,
      'text/event-stream',
      '',
    ])
    const options = await ask('', { authorization: '' }, 'OPTIONS')
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS'])
  })

  it.each([
    '?ref=main',
    '?ref=refs/heads/a..b',
    '?ref=HEAD',
    '?path=a',
    '?ref=refs/heads/*&path=a',
    '?ref=refs/heads/main&path=../a',
    '?ref=refs/heads/main&path=/a',
    `?${Array.from({ length: 33 }, (_, i) => `ref=refs/heads/${i}`).join('&')}`,
    `?ref=refs/heads/main&path=${'a'.repeat(5000)}`,
  ])('is refused to ask for %s', async (query) => {
    const { write, ask } = await setUp()
    await write('a', '1')
    const response = await ask(query)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { code: 'bad-request' } })
  })

  it('is asked again before each event: a token that was taken away ends the stream', async () => {
    let token = 'secret'
    const { write, watch } = await setUp({ access: () => ({ kind: 'token', token }) })
    await write('a', '1')
    const stream = await watch()
    await stream.message()
    token = 'another'
    await write('a', '2')
    expect(await stream.message()).toMatchObject({ kind: 'end', code: 'unauthorised' })
    expect(await stream.message()).toBeUndefined()
  })

  it('is asked again while nothing happens', async () => {
    let token = 'secret'
    const limits = { listenerSilence: 20 }
    const { write, watch } = await setUp({ access: () => ({ kind: 'token', token }), limits })
    await write('a', '1')
    const stream = await watch()
    await stream.message()
    token = 'another'
    expect(await stream.message()).toMatchObject({ kind: 'end', code: 'unauthorised' })
  })

  it('hears nothing of hidden refs, not even by ids, also when what is hidden changes', async () => {
    let hidden = 'refs/heads/secret'
    const policyOf = () => {
      const readable = { key: `not ${hidden}`, includes: (name: string) => name !== hidden }
      return { ...OPEN_POLICY, fetch: { ...OPEN_POLICY.fetch, readable } }
    }
    const { write, watch } = await setUp({ policyOf })
    const first = await write('a', '1')
    const stream = await watch()
    expect(await stream.message()).toMatchObject({ refs: [{ name: 'refs/heads/main' }] })
    const before = stream.id
    await write('a', '1', 'secret')
    await write('a', '2', 'secret')
    const again = await watch('', { 'last-event-id': before })
    expect(await again.item()).toMatchObject({ kind: 'retry' })
    const pending = again.message()
    const second = await write('a', '3')
    expect(await pending).toMatchObject({ kind: 'change', refs: [{ from: first, to: second }] })
    expect(await stream.message()).toMatchObject({ refs: [{ from: first, to: second }] })
    expect(stream.id).toBe(again.id)
    const named = await watch('?ref=refs/heads/secret')
    expect(await named.message()).toMatchObject({ kind: 'snapshot', refs: [] })
    hidden = 'refs/heads/main'
    await write('a', '4')
    const seen = await stream.message()
    expect(seen).toMatchObject({ kind: 'snapshot', refs: [{ name: 'refs/heads/secret' }] })
  })

  it('is told to come again when the server stops', async () => {
    const stopping = new AbortController()
    const { write, watch } = await setUp({ signal: stopping.signal })
    await write('a', '1')
    const stream = await watch()
    await stream.message()
    stopping.abort()
    expect(await stream.item()).toEqual({ kind: 'retry', milliseconds: 100 })
    expect(await stream.item()).toBeUndefined()
  })
})

describe('many who watch', () => {
  it('are limited, and who leaves makes room', async () => {
    const { write, watch, ask } = await setUp({ limits: { listenersOfOne: 2 } })
    await write('a', '1')
    const streams = [await watch(), await watch('?ref=refs/heads/main')]
    const refused = await ask()
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('30')
    expect((await ask('', {}, 'HEAD')).status).toBe(200)
    await streams[0]?.close()
    expect((await watch()).response.status).toBe(200)
  })

  it('share the looks at a place that hears of nobody', async () => {
    const depot = memoryDepot()
    let reads = 0
    const deafDepot = {
      ...depot,
      async open(name: string) {
        const place = await depot.open(name)
        const read: typeof place.read = (options) => {
          reads++
          return place.read(options)
        }
        const traits = { ...place.traits, hearsOthers: false }
        return { ...place, traits, read, subscribe: () => () => {} }
      },
    }
    const { watch } = await setUp({ depot: deafDepot, limits: { listenerPoll: 50 } })
    const repository = await Repository.open(await depot.open('config'), { runtime: nodeRuntime })
    const write = (content: string) =>
      repository.branch('main').commit((files) => files.write('a', content), { message: 'a' })
    await write('1')
    const streams = await Promise.all(Array.from({ length: 20 }, () => watch()))
    for (const stream of streams) await stream.message()
    const [before, start] = [reads, Date.now()]
    const pending = streams.map((stream) => stream.message())
    await new Promise((resolve) => setTimeout(resolve, 300))
    await write('2')
    const heard = await Promise.all(pending)
    const looks = (Date.now() - start) / 50
    expect(new Set(heard.map((message) => JSON.stringify(message))).size).toBe(1)
    expect(reads - before).toBeLessThanOrEqual(looks + 2)
    expect(reads - before).toBeGreaterThan(1)
  })

  it('are each given what is new to them: who does not read gets one change for many', async () => {
    const { write, watch } = await setUp()
    const first = await write('a', '0')
    const [slow, quick] = [await watch(), await watch()]
    await slow.message()
    await quick.message()
    let last = first
    for (let i = 1; i <= 300; i++) {
      const pending = quick.message()
      last = await write('a', `${i}`)
      expect(await pending).toMatchObject({ refs: [{ to: last }] })
    }
    // One or two changes were made ready before it stopped reading; the rest is one.
    const seen: (Oid | undefined)[] = []
    for (let to: Oid | undefined; to !== last; seen.push(to)) {
      const message = await slow.message()
      if (message?.kind !== 'change' && message?.kind !== 'snapshot') throw new Error('No change')
      to = [...message.refs][0]?.to
    }
    expect(seen.length).toBeLessThanOrEqual(3)
  })

  it('may not all want different patterns of many refs', async () => {
    const { write, watch, ask } = await setUp()
    await write('a', '1')
    for (let i = 0; i < 8; i++)
      expect((await watch(`?ref=refs/heads/${i}/*`)).response.status).toBe(200)
    expect((await ask('?ref=refs/tags/*')).status).toBe(503)
    expect((await watch('?ref=refs/heads/main')).response.status).toBe(200)
    expect((await watch('?ref=refs/heads/0/*')).response.status).toBe(200)
  })
})
