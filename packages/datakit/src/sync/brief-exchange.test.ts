import { beforeEach, describe, expect, it } from 'vitest'
import { ByteReader, streamOf } from '@datakit/git/byte-reader'
import { concat, readU32, text, utf8 } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import { readSyncRequest, type SyncRequest } from '@datakit/git/protocol/sync'
import { forceBranch, heads, read, refs, twoClients, write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import type { Repository } from '../repository.ts'
import { briefExchange } from './brief-exchange.ts'
import { setChoice } from './choice.ts'
import { sync, type SyncOptions } from './sync.ts'

const BRANCHES = 100

/** A request and the answer to it, as they went over the wire. */
interface Seen {
  readonly request: SyncRequest
  readonly sent: number
  readonly received: number
  readonly status: number
}

let network: Network
let ada: Repository
let seen: Seen[]
let options: SyncOptions

beforeEach(async () => {
  network = new Network()
  ;[ada] = await twoClients(network)
  const server = await network.server()
  for (let i = 0; i < BRANCHES; i++) await write(server, `file-${i}`, '1', `topic/${i}`)
  seen = []
  options = {
    ...network.options,
    exchange: briefExchange(),
    async fetch(url, init) {
      // What a sync sends is bytes.
      const body = init.body as Uint8Array
      const answer = await (network.options.fetch ?? fetch)(url, init)
      const received = new Uint8Array(await answer.clone().arrayBuffer())
      const request = await readSyncRequest(new ByteReader(streamOf(body)))
      const { status } = answer
      seen.push({ request, sent: body.length, received: received.length, status })
      return answer
    },
  }
  await sync(ada, options)
  seen.length = 0
})

function sizes(): { sent: number; received: number; requests: number } {
  const sum = (of: (each: Seen) => number): number => seen.reduce((all, each) => all + of(each), 0)
  return {
    sent: sum(({ sent }) => sent),
    received: sum(({ received }) => received),
    requests: seen.length,
  }
}

/** The server's refs, as a client and as the server has them. */
async function expectSame(client: Repository): Promise<void> {
  const there = await heads(await network.server())
  expect(await heads(client)).toEqual(there)
  const mirror = await refs(client, 'refs/remotes/origin/')
  expect(Object.values(mirror).sort()).toEqual(Object.values(there).sort())
}

describe('a sync with a server of many branches', () => {
  it('asks for nothing new with less than a kilobyte, both ways', async () => {
    const { branches } = await sync(ada, options)
    expect(branches).toHaveLength(BRANCHES + 1)
    const { sent, received, requests } = sizes()
    expect(requests).toBe(1)
    expect(sent + received).toBeLessThan(1024)
  })

  it('sends a commit in one request, and is told of that branch alone', async () => {
    for (let i = 0; i < 3; i++) await write(ada, 'a', `${i}`)
    await sync(ada, options)
    const { sent, received, requests } = sizes()
    expect(requests).toBe(1)
    expect(sent + received).toBeLessThan(2500)
    await expectSame(ada)
    await write(ada, 'a', 'once more')
    await sync(ada, options)
    expect(seen.every(({ request }) => request.brief === true)).toBe(true)
    await expectSame(ada)
  })

  it('asks again with all it has when the server has moved, and sends what it has once', async () => {
    await write(await network.server(), 'b', 'theirs', 'topic/7')
    await write(ada, 'a', 'ours')
    await sync(ada, options)
    expect(seen.map(({ status, request }) => [status, request.brief === true])).toEqual([
      [409, true],
      [200, false],
    ])
    expect(seen[0]?.request.id).toBe(seen[1]?.request.id)
    await expectSame(ada)
    seen.length = 0
    await sync(ada, options)
    expect(sizes().sent).toBeLessThan(1024)
  })

  it('takes branches that came and went, were forced and merged', async () => {
    const server = await network.server()
    await forceBranch(server, 'topic/3', undefined)
    await forceBranch(server, 'topic/4', (await heads(server))['topic/5'] as Oid)
    await write(server, 'new', '1', 'new')
    await write(server, 'c', 'theirs')
    await write(ada, 'a', 'ours')
    const { branches } = await sync(ada, options)
    const states = new Map(branches.map(({ branch, state }) => [branch, state]))
    expect(states.get('main')).toBe('merged')
    expect(states.get('topic/3')).toBe('gone')
    expect(await read(ada, 'c')).toBe('theirs')
    expect((await heads(ada))['topic/4']).toBe((await heads(server))['topic/5'])
    await sync(ada, { ...options, remove: ['topic/9'] })
    expect((await heads(await network.server()))['topic/9']).toBeUndefined()
    expect(seen.at(-1)?.request.brief).toBe(true)
    const mirror = await refs(ada, 'refs/remotes/origin/')
    expect(mirror['refs/remotes/origin/topic/9']).toBeUndefined()
    const before = seen.length
    await sync(ada, options)
    expect(seen.slice(before).map(({ request }) => request.brief)).toEqual([true])
  })

  it('is made once where the answer is lost', async () => {
    await write(ada, 'a', 'ours')
    let isLost = true
    network.onAnswer = (answer) => {
      if (!isLost) return answer
      isLost = false
      throw new TypeError('the network is gone')
    }
    await sync(ada, options)
    await expectSame(ada)
    expect(new Set(seen.map(({ request }) => request.id)).size).toBe(1)
  })

  it('names what it has where an answer was told and not taken', async () => {
    await write(await network.server(), 'b', 'theirs', 'topic/7')
    // The pack is cut: its refs are known, and what they lead to is not here.
    network.onAnswer = async (answer) =>
      answer.status === 200
        ? new Response((await answer.arrayBuffer()).slice(0, -30), answer)
        : answer
    await expect(sync(ada, options)).rejects.toThrow()
    network.onAnswer = (answer) => answer
    await sync(ada, options)
    expect(await read(ada, 'b', 'topic/7')).toBe('theirs')
    await expectSame(ada)
  })

  it('never leaves out what it has before a server that does not know of it', async () => {
    const plain = briefExchange()
    const old: SyncOptions = {
      ...options,
      exchange: plain,
      async fetch(url, init) {
        const answer = await (options.fetch ?? fetch)(url, init)
        return new Response(withoutBrief(new Uint8Array(await answer.arrayBuffer())), answer)
      },
    }
    for (let i = 0; i < 3; i++) {
      await write(ada, 'a', `${i}`)
      await sync(ada, old)
    }
    expect(seen.map(({ request }) => request.brief)).toEqual([undefined, undefined, undefined])
    expect(seen.every(({ request }) => request.haves.length > BRANCHES)).toBe(true)
    await expectSame(ada)
  })

  it('is none for a part', async () => {
    await setChoice(ada, { branches: ['main', 'topic/1*'] })
    await sync(ada, options)
    await sync(ada, options)
    expect(seen.map(({ request }) => request.brief)).toEqual([undefined, undefined])
  })
})

/** An answer as a server gives it that has never heard of brief requests. */
function withoutBrief(answer: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = readU32(answer.subarray(4, 8))
  const header = text(answer.subarray(8, 8 + length)).replace('"brief":[]', `"bried":[]`)
  return concat([answer.subarray(0, 8), utf8(header), answer.subarray(8 + length)])
}
