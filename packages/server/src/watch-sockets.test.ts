/** Sockets of a watch without a network; `test/interop/watch-sockets.test.ts` has the real ones. */
import { Repository } from '@datakit/datakit/repository'
import { readEventStream } from '@datakit/git/protocol/event-stream'
import { decodeWatchMessage, type WatchMessage } from '@datakit/git/protocol/watch'
import { encodeSeen } from '@datakit/git/protocol/watch-socket'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryDepot } from '@datakit/storage/memory'
import { describe, expect, it } from 'vitest'
import { grantOf, type Access } from './access.ts'
import { OpenRepositories } from './open-repositories.ts'
import { OPEN_POLICY, type PolicyOf } from './policy.ts'
import { MAX_SOCKETS, WatchSockets, type SocketNote, type WatchSocket } from './watch-sockets.ts'

/** A socket whose note outlives whoever serves it. */
class Fake implements WatchSocket {
  readonly messages: WatchMessage[] = []
  closed: number | undefined
  #note: SocketNote
  #reading: Promise<void> = Promise.resolve()

  constructor(note: SocketNote) {
    this.#note = note
  }

  note(): SocketNote {
    return this.#note
  }

  keep(note: SocketNote): void {
    this.#note = structuredClone(note)
  }

  send(message: string): void {
    this.#reading = this.#reading.then(async () => {
      for await (const item of readEventStream(bytes(message))) {
        const decoded = item.kind === 'event' ? decodeWatchMessage(item) : undefined
        if (decoded !== undefined) this.messages.push(decoded)
      }
    })
  }

  close(code: number): void {
    this.closed = code
  }

  /** What it has been told, all of it. */
  async told(): Promise<WatchMessage[]> {
    await this.#reading
    return this.messages.splice(0)
  }
}

async function* bytes(message: string) {
  yield new TextEncoder().encode(message)
}

async function setUp() {
  const depot = memoryDepot()
  const repository = await Repository.open(await depot.open('config'), { runtime: nodeRuntime })
  const world: { access: Access; policyOf: PolicyOf; problems: unknown[] } = {
    access: { kind: 'token', token: 'secret' },
    policyOf: () => OPEN_POLICY,
    problems: [],
  }
  const sockets = new Set<Fake>()
  /** One that remembers nothing, as after a sleep. */
  const serve = () =>
    new WatchSockets({
      repositories: new OpenRepositories(depot, nodeRuntime),
      access: () => world.access,
      policyOf: (place) => world.policyOf(place),
      sockets: () => [...sockets].filter(({ closed }) => closed === undefined),
      log: (error) => world.problems.push(error),
    })
  const enter = async (served: WatchSockets, query = '', name = 'config') => {
    const socket = new Fake(await served.admit({ name, query, grant: await grantOf(world.access) }))
    sockets.add(socket)
    return socket
  }
  const write = async (path: string, content: string, branch = 'main') => {
    const words = { message: path }
    const files = (all: { write(path: string, content: string): Promise<void> }) =>
      all.write(path, content)
    const outcome = await repository.branch(branch).commit(files, words)
    if (outcome.state !== 'committed') throw new Error(outcome.state)
    return outcome.oid
  }
  return { world, serve, enter, write, sockets }
}

/** Takes what it was told, and says that it has seen it. */
async function see(served: WatchSockets, socket: Fake): Promise<WatchMessage | undefined> {
  const message = (await socket.told()).at(-1)
  const id = message !== undefined && 'id' in message ? message.id : undefined
  await served.take(socket, encodeSeen(id))
  return message
}

describe('sockets', () => {
  it('are told changes by one that has slept, when it sees what is there before it moves', async () => {
    const { serve, enter, write } = await setUp()
    const first = await write('a', '1')
    const before = serve()
    const socket = await enter(before)
    await see(before, socket)
    expect(await see(before, socket)).toMatchObject({ kind: 'snapshot', refs: [{ to: first }] })
    const woken = serve()
    await woken.prepare()
    const second = await write('a', '2')
    await woken.look()
    expect(await see(woken, socket)).toMatchObject({
      kind: 'change',
      refs: [{ from: first, to: second }],
    })
    await write('a', '3')
    const late = serve()
    await late.look()
    expect(await see(late, socket)).toMatchObject({ kind: 'snapshot' })
  })

  it('that have not seen the last event are told nothing, then all of it at once', async () => {
    const { serve, enter, write } = await setUp()
    const first = await write('a', '0')
    const served = serve()
    const socket = await enter(served)
    await served.take(socket, encodeSeen(undefined))
    for (let i = 1; i < 5; i++) {
      await write('a', `${i}`)
      await served.look()
    }
    const last = await write('a', 'last')
    await served.look()
    const snapshot = await see(served, socket)
    expect(snapshot).toMatchObject({ kind: 'snapshot', refs: [{ to: first }] })
    expect(await socket.told()).toMatchObject([
      { kind: 'change', refs: [{ from: first, to: last }] },
    ])
  })

  it.each(['another token', 'none at all'])('end when the server wants %s', async (what) => {
    const { world, serve, enter, write } = await setUp()
    await write('a', '1')
    const served = serve()
    const socket = await enter(served)
    await see(served, socket)
    await see(served, socket)
    const token = { kind: 'token', token: 'another' } as const
    world.access = what === 'another token' ? token : { kind: 'closed', message: 'closed' }
    await write('a', '2')
    await served.look()
    expect(await socket.told()).toMatchObject([{ kind: 'end', code: 'unauthorised' }])
    expect(socket.closed).toBe(1000)
  })

  it('of who came in by a token that holds no more are not opened', async () => {
    const { world, serve, write } = await setUp()
    await write('a', '1')
    const grant = await grantOf(world.access)
    world.access = { kind: 'token', token: 'another' }
    await expect(serve().admit({ name: 'config', query: '', grant })).rejects.toMatchObject({
      code: 'unauthorised',
    })
  })

  it('hear nothing of hidden refs, also when what is hidden changes', async () => {
    const { world, serve, enter, write } = await setUp()
    let hidden = 'refs/heads/secret'
    world.policyOf = () => {
      const readable = { key: `not ${hidden}`, includes: (name: string) => name !== hidden }
      return { ...OPEN_POLICY, fetch: { ...OPEN_POLICY.fetch, readable } }
    }
    await write('a', '1')
    const served = serve()
    const socket = await enter(served)
    await see(served, socket)
    await see(served, socket)
    await write('a', '1', 'secret')
    await served.look()
    expect(await socket.told()).toEqual([])
    hidden = 'refs/heads/main'
    await served.look()
    expect(await socket.told()).toMatchObject([{ refs: [{ name: 'refs/heads/secret' }] }])
  })

  it('end when nothing may be read any more, and when it is only a moment they wait', async () => {
    const { world, serve, enter, write } = await setUp()
    await write('a', '1')
    const served = serve()
    const socket = await enter(served)
    await see(served, socket)
    await see(served, socket)
    world.policyOf = () => {
      throw new Error('for a moment')
    }
    await served.look()
    expect(socket.closed).toBeUndefined()
    expect(world.problems).toHaveLength(1)
    const fetch = { ...OPEN_POLICY.fetch, refusal: 'closed for now' }
    world.policyOf = () => ({ ...OPEN_POLICY, fetch })
    await served.look()
    expect(await socket.told()).toMatchObject([{ kind: 'end', code: 'forbidden' }])
  })

  it('are limited, in number and in filters', async () => {
    const { serve, enter, write, sockets } = await setUp()
    await write('a', '1')
    const served = serve()
    for (let i = 0; i < 32; i++) await enter(served, `?ref=refs/heads/${i}`)
    await expect(enter(served, '?ref=refs/heads/more')).rejects.toMatchObject({ code: 'busy' })
    for (let i = sockets.size; i < MAX_SOCKETS; i++) await enter(served, '?ref=refs/heads/1')
    await expect(enter(served, '?ref=refs/heads/1')).rejects.toMatchObject({ code: 'busy' })
    for (const socket of sockets) socket.close(1000)
    expect(await enter(served)).toBeDefined()
  })
})
