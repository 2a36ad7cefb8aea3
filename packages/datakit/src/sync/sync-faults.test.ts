import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { OPEN_POLICY } from '@datakit/server/policy'
import { heads, read, states, twoClients, write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import type { Repository } from '../repository.ts'
import { sync, type SyncOptions } from './sync.ts'

/** Answers the first requests by somebody between the two, and lets the others through. */
function between(
  network: Network,
  answers: readonly Response[],
): SyncOptions & { times: number[] } {
  const left = [...answers]
  const times: number[] = []
  const through = network.options.fetch
  const send: SyncOptions['fetch'] = async (to, init) => {
    times.push(Date.now())
    return left.shift() ?? (await through?.(to, init)) ?? Response.error()
  }
  return { ...network.options, fetch: send, times }
}

function status(code: number, headers: Record<string, string> = {}): Response {
  return new Response('<h1>Sorry', {
    status: code,
    headers: { 'content-type': 'text/html', ...headers },
  })
}

/** Syncs, and lets all waits be over at once. */
async function syncNow(client: Repository, options: SyncOptions): Promise<unknown> {
  const ended = sync(client, options).catch((error: unknown) => error)
  await vi.runAllTimersAsync()
  return ended
}

describe('a sync that is answered by somebody else', () => {
  beforeEach(() => vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) }))
  afterEach(() => {
    vi.useRealTimers()
    vi.restoreAllMocks()
  })

  // Seen to fail when 429 is not tried again, and when 500 is.
  it.each([
    [401, 'unauthorised', 1],
    [409, 'not-datakit', 1],
    [413, 'not-datakit', 1],
    [429, 'not-datakit', 4],
    [500, 'unavailable', 1],
    [502, 'unavailable', 4],
    [503, 'unavailable', 4],
    [504, 'unavailable', 4],
  ])('keeps what is to be sent, and sends it when %i is over', async (code, name, most) => {
    const network = new Network()
    const [ada] = await twoClients(network)
    const ours = await write(ada, 'a', 'ada')
    const blocked = between(
      network,
      Array.from({ length: 9 }, () => status(code)),
    )
    expect(await syncNow(ada, blocked)).toMatchObject({ code: name, status: code })
    expect(blocked.times).toHaveLength(most)
    expect(await heads(ada)).toEqual({ main: ours })
    expect(await syncNow(ada, network.options)).toMatchObject({ branches: [{ state: 'pushed' }] })
  })

  // Seen to fail when the header is not read.
  it('waits for as long as the server asks, and a random while', async () => {
    const network = new Network()
    const [ada] = await twoClients(network)
    await write(ada, 'a', 'ada')
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    const options = between(network, [
      status(503, { 'retry-after': '3' }),
      status(429, { 'retry-after': '1' }),
      status(503),
    ])
    expect(await syncNow(ada, options)).toMatchObject({ branches: [{ state: 'pushed' }] })
    const waits = options.times.map((time, i) => time - (options.times[i - 1] ?? time))
    expect(waits).toEqual([0, 3300, 1900, 2700])
  })

  // Seen to fail when the moment is compared with the client's clock.
  it('takes a moment by the clock of the server, whatever its own says', async () => {
    const network = new Network()
    const [ada] = await twoClients(network)
    await write(ada, 'a', 'ada')
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    const date = 'Tue, 01 Dec 2020 10:00:00 GMT'
    const options = between(network, [
      status(503, { date, 'retry-after': 'Tue, 01 Dec 2020 10:00:02 GMT' }),
    ])
    await syncNow(ada, options)
    expect((options.times[1] ?? 0) - (options.times[0] ?? 0)).toBe(2300)
  })

  it('leaves a long wait to the next sync', async () => {
    const network = new Network()
    const [ada] = await twoClients(network)
    const options = between(network, [status(503, { 'retry-after': '120' })])
    expect(await syncNow(ada, options)).toMatchObject({ status: 503, retryAfter: 120_000 })
    expect(options.times).toHaveLength(1)
  })

  it('spreads those who were turned away together', async () => {
    const network = new Network()
    const [ada] = await twoClients(network)
    const waits: number[] = []
    for (const random of [0, 1]) {
      vi.spyOn(Math, 'random').mockReturnValue(random)
      const { times, ...options } = between(network, [status(503)])
      await syncNow(ada, options)
      waits.push(Math.round((times[1] ?? 0) - (times[0] ?? 0)))
    }
    expect(waits).toEqual([150, 450])
  })
})

describe('a sync of which a branch is refused', () => {
  /** What is locked while the test wants it to be. */
  const locked = new Set<string>()
  const refuse = ({ name }: { readonly name: string }): string | undefined =>
    locked.has(name) ? 'only the release team may push here' : undefined
  const policy = { ...OPEN_POLICY, push: { ...OPEN_POLICY.push, receive: { refuse } } }
  beforeEach(() => locked.clear())

  // Seen to fail when a refused update takes the others with it.
  it('keeps its commits, lets the others through, and sends them once they may', async () => {
    const network = new Network({ policyOf: () => policy })
    const [ada, grace] = await twoClients(network)
    locked.add('refs/heads/main')
    const ours = await write(ada, 'a', 'ada')
    await write(ada, 'b', '1', 'topic')
    const reason = 'only the release team may push here'
    for (let i = 0; i < 2; i++) {
      const { branches } = await sync(ada, network.options)
      expect(branches).toMatchObject([
        { branch: 'main', state: 'refused', reason },
        { branch: 'topic', state: i === 0 ? 'pushed' : 'in-step' },
      ])
    }
    expect((await heads(ada))['main']).toBe(ours)
    await sync(grace, network.options)
    expect([await read(grace, 'a'), await read(grace, 'b', 'topic')]).toEqual(['1', '1'])
    locked.clear()
    expect(states((await sync(ada, network.options)).branches)).toMatchObject({ main: 'pushed' })
  })

  it('keeps taking in what others may push, beside its own commits', async () => {
    const network = new Network({ policyOf: () => policy })
    const [ada, grace] = await twoClients(network)
    const ours = await write(ada, 'a', 'ada')
    await write(grace, 'b', 'grace')
    await sync(grace, network.options)
    locked.add('refs/heads/main')
    for (let i = 0; i < 3; i++)
      expect(states((await sync(ada, network.options)).branches)).toEqual({ main: 'refused' })
    expect(await heads(ada)).toEqual({ main: ours })
    locked.clear()
    expect(states((await sync(ada, network.options)).branches)).toEqual({ main: 'merged' })
    expect([await read(ada, 'a'), await read(ada, 'b')]).toEqual(['ada', 'grace'])
  })
})
