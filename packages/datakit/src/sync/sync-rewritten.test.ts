import { describe, expect, it } from 'vitest'
import type { Oid } from '@datakit/git/oid'
import { forceBranch, heads, read, states, twoClients, write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import { choose, chooseSeed, seededRandom } from '../../test/random-history.ts'
import type { Repository } from '../repository.ts'
import { takeTheirs } from './take-theirs.ts'
import { readKnown } from './sync-refs.ts'
import { sync } from './sync.ts'

/** Two clients and a server whose last commit is to be dropped. */
async function secretOnServer(
  network: Network,
): Promise<{ clients: [Repository, Repository]; server: Repository; kept: Oid; dropped: Oid }> {
  const clients = await twoClients(network)
  const server = await network.server()
  const kept = await clients[0].branch('main').oid()
  const dropped = await write(server, 'secret', 'oops')
  for (const client of clients) await sync(client, network.options)
  if (kept === undefined) throw new Error('No commit')
  return { clients, server, kept, dropped }
}

/** Replaces the last commit of the server's branch. */
async function amend(server: Repository, kept: Oid): Promise<Oid> {
  await forceBranch(server, 'main', kept)
  return write(server, 'other', 'amended')
}

async function marks(repository: Repository): Promise<number> {
  return (await readKnown(await repository.store.state())).dropped.size
}

describe('sync with a branch that was rewritten on the server', () => {
  it.each(['rewound', 'amended'])(
    'follows one that was %s where nothing was added',
    async (how) => {
      const network = new Network()
      const { clients, server, kept } = await secretOnServer(network)
      const [ada] = clients
      if (how === 'rewound') await forceBranch(server, 'main', kept)
      else await amend(server, kept)
      const head = (await heads(server))['main']
      const { rounds, branches } = await sync(ada, network.options)
      expect({ rounds, states: states(branches) }).toEqual({
        rounds: 1,
        states: { main: 'pulled' },
      })
      expect([await heads(ada), await heads(server)]).toEqual([{ main: head }, { main: head }])
      expect(await marks(ada)).toBe(0)
    },
  )

  it.each(['rewound', 'amended'])(
    'asks a person where one that was %s has new commits here',
    async (how) => {
      const network = new Network()
      const { clients, server, kept } = await secretOnServer(network)
      const [ada] = clients
      const ours = await write(ada, 'b', 'ada')
      if (how === 'rewound') await forceBranch(server, 'main', kept)
      else await amend(server, kept)
      const theirs = (await heads(server))['main']
      // The second sync knows it only from what the first wrote down.
      for (let i = 0; i < 2; i++) {
        const { branches } = await sync(ada, network.options)
        expect(branches).toEqual([{ branch: 'main', state: 'rewritten', ours, theirs }])
        expect([await heads(ada), await heads(server)]).toEqual([{ main: ours }, { main: theirs }])
      }
    },
  )

  it('asks also when the answer was lost, and when it is rewritten again', async () => {
    const network = new Network()
    const { clients, server, kept } = await secretOnServer(network)
    const [ada] = clients
    const ours = await write(ada, 'b', 'ada')
    const theirs = await amend(server, kept)
    const failing = {
      ...network.options,
      fetch: () => Promise.reject(new TypeError('fetch failed')),
    }
    await expect(sync(ada, failing)).rejects.toMatchObject({ code: 'offline' })
    expect((await sync(ada, network.options)).branches).toMatchObject([
      { state: 'rewritten', theirs },
    ])
    await forceBranch(server, 'main', kept)
    expect((await sync(ada, network.options)).branches).toMatchObject([
      { state: 'rewritten', ours, theirs: kept },
    ])
  })

  it('merges commits that do not bring back what was dropped', async () => {
    const network = new Network()
    const [ada] = await twoClients(network)
    const server = await network.server()
    const kept = await write(ada, 'b', 'ada')
    await write(server, 'secret', 'oops')
    // A conflict keeps Ada from taking it in.
    await write(ada, 'secret', 'mine')
    expect(states((await sync(ada, network.options)).branches)).toEqual({ main: 'conflict' })
    const base = await ada.mergeBases(kept, (await heads(server))['main'] as Oid)
    await forceBranch(server, 'main', base[0])
    expect(states((await sync(ada, network.options)).branches)).toEqual({ main: 'pushed' })
    expect(await read(server, 'secret')).toBe('mine')
    expect(await marks(ada)).toBe(0)
  })

  it('does not push a merge with what was dropped before it was sent', async () => {
    const network = new Network()
    const [ada] = await twoClients(network)
    const server = await network.server()
    const kept = (await heads(server))['main'] as Oid
    await write(ada, 'secret', 'mine')
    const dropped = await write(server, 'secret', 'oops')
    const [conflict] = (await sync(ada, network.options)).branches
    if (conflict?.state !== 'conflict') throw new Error('No conflict')
    await ada.resolve('main', conflict, new Map([['secret', 'ours']]))
    expect(await ada.isAncestor(dropped, (await heads(ada))['main'] as Oid)).toBe(true)
    await forceBranch(server, 'main', kept)
    expect(states((await sync(ada, network.options)).branches)).toEqual({ main: 'rewritten' })
    expect(await heads(server)).toEqual({ main: kept })
  })

  it('sends what was dropped when a person restores it', async () => {
    const network = new Network()
    const { clients, server, kept, dropped } = await secretOnServer(network)
    const [ada] = clients
    await write(ada, 'b', 'ada')
    await amend(server, kept)
    await sync(ada, network.options)
    const { branches } = await sync(ada, { ...network.options, restore: ['main'] })
    expect(states(branches)).toEqual({ main: 'merged' })
    expect(await server.isAncestor(dropped, (await heads(server))['main'] as Oid)).toBe(true)
    expect([await heads(ada), await marks(ada)]).toEqual([await heads(server), 0])
  })

  it('goes on when mine went to another branch and the server’s took its place', async () => {
    const network = new Network()
    const { clients, server, kept } = await secretOnServer(network)
    const [ada] = clients
    const ours = await write(ada, 'b', 'ada')
    const theirs = await amend(server, kept)
    const [outcome] = (await sync(ada, network.options)).branches
    if (outcome?.state !== 'rewritten') throw new Error('Not rewritten')
    await takeTheirs(ada, outcome, { keepMineAs: 'mine' })
    expect(states((await sync(ada, network.options)).branches)).toEqual({
      main: 'in-step',
      mine: 'pushed',
    })
    expect(await heads(server)).toEqual({ main: theirs, mine: ours })
    expect(await marks(ada)).toBe(0)
  })

  it('goes on when mine was given up', async () => {
    const network = new Network()
    const { clients, server, kept } = await secretOnServer(network)
    const [ada] = clients
    await write(ada, 'b', 'ada')
    const theirs = await amend(server, kept)
    const [outcome] = (await sync(ada, network.options)).branches
    if (outcome?.state !== 'rewritten') throw new Error('Not rewritten')
    const taken = { keepMineAs: 'main' }
    await expect(takeTheirs(ada, outcome, taken)).rejects.toMatchObject({ code: 'exists' })
    await takeTheirs(ada, outcome, { keepMineAs: undefined })
    await expect(takeTheirs(ada, outcome, { keepMineAs: 'mine' })).rejects.toMatchObject({
      code: 'moved',
    })
    await sync(ada, network.options)
    expect([await heads(ada), await heads(server)]).toEqual([{ main: theirs }, { main: theirs }])
    expect(await marks(ada)).toBe(0)
  })

  it('only takes when told to pull', async () => {
    const network = new Network()
    const [ada, grace] = await twoClients(network)
    const server = await network.server()
    await write(grace, 'b', 'grace')
    await write(server, 'c', 'server')
    const before = [await heads(server), await heads(grace)]
    const pull = { ...network.options, pull: true }
    expect(states((await sync(grace, pull)).branches)).toEqual({ main: 'waiting' })
    expect([await heads(server), await heads(grace)]).toEqual(before)
    expect(states((await sync(ada, pull)).branches)).toEqual({ main: 'pulled' })
    expect(await read(ada, 'c')).toBe('server')
    expect(states((await sync(grace, network.options)).branches)).toEqual({ main: 'merged' })
  })

  // Seen to fail when: a head that the server had is forgotten before the local branch is in step.
  it('brings back nothing that was dropped, whatever happens in between', async () => {
    const seed = chooseSeed()
    console.log(`SEED=${seed} steps=120`)
    const random = seededRandom(seed)
    const network = new Network()
    const clients = await twoClients(network)
    const server = await network.server()
    const dropped = new Set<Oid>()
    for (let step = 0; step < 120; step++) {
      const client = choose(random, clients)
      const path = `f${Math.floor(random() * 3)}`
      const act = random()
      if (act < 0.35) await write(client, path, `${step}`)
      else if (act < 0.45) await write(server, path, `${step}`)
      else if (act < 0.6) for (const oid of await rewind(server)) dropped.add(oid)
      else if (act < 0.7) await sync(client, { ...network.options, pull: true })
      else await syncOnce(client, network, `mine-${step}`)
      const head = await server.branch('main').oid()
      if (head)
        for await (const { oid } of server.log(head))
          if (dropped.has(oid)) throw new Error(`${oid} is back, seed ${seed}`)
    }
    for (let i = 0; i < 3; i++)
      for (const client of clients)
        await syncOnce(client, network, `last-${i}-${client === clients[0]}`)
    for (const client of clients)
      expect((await heads(client))['main'], `seed ${seed}`).toBe((await heads(server))['main'])
  }, 60_000)
})

/** Takes up to two commits off the server's branch, and gives them. */
async function rewind(server: Repository): Promise<Oid[]> {
  const taken: Oid[] = []
  for (let i = 0; i < 2; i++) {
    const head = await server.branch('main').head()
    const [parent] = head?.commit().parents ?? []
    if (head === undefined || parent === undefined) break
    taken.push(head.oid)
    // What came in by a merge is dropped with it.
    for await (const { oid } of server.log(head.oid))
      if (!(await server.isAncestor(oid, parent))) taken.push(oid)
    await forceBranch(server, 'main', parent)
  }
  return taken
}

/** Syncs, and decides: in a conflict for one's own version, else for the server's with mine under another name. */
async function syncOnce(client: Repository, network: Network, name: string): Promise<void> {
  const { branches } = await sync(client, network.options)
  const main = branches.find(({ branch }) => branch === 'main')
  if (main?.state === 'rewritten') await takeTheirs(client, main, { keepMineAs: name })
  if (main?.state !== 'conflict') return
  await client.resolve('main', main, new Map(main.conflicts.map(({ path }) => [path, 'ours'])))
}
