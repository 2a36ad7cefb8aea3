import { describe, expect, it } from 'vitest'
import { read, states, twoClients, write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import { choose, chooseSeed, seededRandom } from '../../test/random-history.ts'
import { StockGit } from '../../test/stock-git.ts'
import type { Repository } from '../repository.ts'
import { planStep } from './sync-plan.ts'
import { readKnown } from './sync-refs.ts'
import { Remote, sync, type SyncOptions } from './sync.ts'

describe('sync', () => {
  it('brings commits to the server and to others, in one round trip each', async () => {
    const network = new Network()
    const [ada, grace] = [await network.client('Ada'), await network.client('Grace')]
    await write(ada, 'config/a.json', '1')
    await write(ada, 'config/b.json', '2')
    expect(await sync(ada, network.options)).toMatchObject({
      rounds: 1,
      branches: [{ branch: 'main', state: 'pushed' }],
    })
    expect(await sync(grace, network.options)).toMatchObject({
      rounds: 1,
      branches: [{ branch: 'main' }],
    })
    expect(await read(grace, 'config/b.json')).toBe('2')
    await write(grace, 'config/a.json', '3')
    expect(states((await sync(grace, network.options)).branches)).toEqual({ main: 'pushed' })
    expect(states((await sync(ada, network.options)).branches)).toEqual({ main: 'pulled' })
    expect(await read(ada, 'config/a.json')).toBe('3')
    expect(states((await sync(ada, network.options)).branches)).toEqual({ main: 'in-step' })
    expect(network.requests).toBe(5)
  })

  it('merges what was changed on both sides, with the server as first parent', async () => {
    const network = new Network()
    const [ada, grace] = await twoClients(network)
    await write(ada, 'a', 'ada')
    await write(grace, 'b', 'grace')
    await sync(ada, network.options)
    const server = await ada.branch('main').oid()
    const own = await grace.branch('main').oid()
    const { rounds, branches } = await sync(grace, network.options)
    expect({ rounds, states: states(branches) }).toEqual({ rounds: 2, states: { main: 'merged' } })
    expect((await grace.branch('main').head())?.commit().parents).toEqual([server, own])
    expect([await read(grace, 'a'), await read(grace, 'b')]).toEqual(['ada', 'grace'])
    await sync(ada, network.options)
    expect(await ada.branch('main').oid()).toBe(await grace.branch('main').oid())
  })

  it('makes the same merge of the same two commits, whoever makes it', async () => {
    const network = new Network()
    const [ada, grace] = await twoClients(network)
    await write(ada, 'a', 'ada')
    await write(grace, 'b', 'grace')
    const [theirs, own] = [await ada.branch('main').oid(), await grace.branch('main').oid()]
    if (own === undefined) throw new Error('There is no branch main')
    for (const client of [ada, grace, ada]) await sync(client, network.options)
    const merge = await ada.branch('main').oid()
    for (const client of [ada, grace]) {
      expect(await planStep(client, { branch: 'main', own, theirs })).toMatchObject({
        kind: 'send',
        to: merge,
      })
    }
  })

  it('leaves a conflict to the person, lets other branches go on, and sends how it was resolved', async () => {
    const network = new Network()
    const [ada, grace] = await twoClients(network)
    await write(ada, 'a', 'ada')
    await write(grace, 'a', 'grace')
    await write(grace, 'x', 'other', 'other')
    await sync(ada, network.options)
    const before = await grace.branch('main').oid()
    const { branches } = await sync(grace, network.options)
    expect(states(branches)).toEqual({ main: 'conflict', other: 'pushed' })
    expect(await grace.branch('main').oid()).toBe(before)
    const conflict = branches.find(({ branch }) => branch === 'main')
    if (conflict?.state !== 'conflict') throw new Error('No conflict')
    expect(conflict.conflicts).toMatchObject([{ path: 'a', kind: 'content' }])
    const theirs = conflict.conflicts[0]?.theirs
    expect(theirs && new TextDecoder().decode(await grace.readBlob(theirs.oid))).toBe('ada')
    const resolved = await grace.resolve('main', conflict, new Map([['a', { bytes: 'both' }]]))
    expect(resolved).toMatchObject({ state: 'committed' })
    expect((await grace.branch('main').head())?.commit().parents).toEqual([
      conflict.theirs,
      conflict.ours,
    ])
    expect(states((await sync(grace, network.options)).branches)).toMatchObject({ main: 'pushed' })
    await sync(ada, network.options)
    expect(await read(ada, 'a')).toBe('both')
  })

  it('drops a merge that came too late and makes it anew from its own last commit', async () => {
    const network = new Network()
    const [ada, grace] = await twoClients(network)
    await write(grace, 'b', 'grace')
    const own = await grace.branch('main').oid()
    await write(ada, 'a', 'first')
    await sync(ada, network.options)
    let answers = 0
    const racing: SyncOptions = {
      ...network.options,
      fetch: async (to, init) => {
        // Between our first answer and our merge, somebody else is faster.
        if (++answers === 2) {
          await write(ada, 'a', 'second')
          await sync(ada, network.options)
        }
        return fetchOf(network)(to, init)
      },
    }
    expect(await sync(grace, racing)).toMatchObject({ rounds: 3, branches: [{ state: 'merged' }] })
    const head = await grace.branch('main').head()
    expect(head?.commit().parents).toEqual([await ada.branch('main').oid(), own])
    expect([await read(grace, 'a'), await read(grace, 'b')]).toEqual(['second', 'grace'])
  })

  it.each([1, 2, 3])('changes nothing twice when answer %i is lost', async (lost) => {
    const network = new Network()
    const [ada, grace] = await twoClients(network)
    await write(ada, 'a', 'ada')
    await write(grace, 'b', 'grace')
    await sync(ada, network.options)
    let answers = 0
    network.onAnswer = (answer) => {
      if (++answers === lost) throw new TypeError('fetch failed')
      return answer
    }
    expect(states((await sync(grace, network.options)).branches)).toEqual({ main: 'merged' })
    expect(states((await sync(ada, network.options)).branches)).toEqual({ main: 'pulled' })
    let commits = 0
    const head = await ada.branch('main').oid()
    if (head) for await (const _ of ada.log(head)) commits++
    expect(commits).toBe(4)
  })

  // Seen to fail when what was known at the request is not compared: the server seemed to have taken back its last commit.
  it('does not take an answer that another sync was faster than', async () => {
    const network = new Network()
    const [ada, grace] = await twoClients(network)
    await write(ada, 'a', 'first')
    await sync(ada, network.options)
    // What another tab does while the answer to this one is on its way.
    network.onAnswer = async (answer) => {
      network.onAnswer = (other) => other
      const body = await answer.arrayBuffer()
      await write(ada, 'a', 'second')
      await sync(ada, network.options)
      await sync(grace, network.options)
      await write(grace, 'b', 'grace')
      await sync(grace, network.options)
      return new Response(body, { headers: answer.headers })
    }
    expect(states((await sync(grace, network.options)).branches)).toEqual({ main: 'in-step' })
    expect([await read(grace, 'a'), await read(grace, 'b')]).toEqual(['second', 'grace'])
    expect((await readKnown(await grace.store.state())).dropped.size).toBe(0)
  })

  // Seen to fail when the server asks for the receipt only after the repository.
  it('answers the first push as before when it comes again', async () => {
    const network = new Network()
    const ada = await network.client()
    await write(ada, 'a', '1')
    const { fetch: send } = network.options
    const answers: { status: number; text: string }[] = []
    const twice: SyncOptions['fetch'] = async (to, init) => {
      const first = await send?.(to, init)
      const again = await send?.(to, init)
      for (const answer of [first, again])
        if (answer) answers.push({ status: answer.status, text: await answer.clone().text() })
      return again ?? Response.error()
    }
    const { branches } = await sync(ada, { ...network.options, fetch: twice })
    expect(states(branches)).toEqual({ main: 'pushed' })
    expect(answers[1]).toEqual(answers[0])
  })

  it('is refused with 409 where another repository is than the one that it knows', async () => {
    const [before, after] = [new Network(), new Network()]
    const [ada] = await twoClients(before)
    await twoClients(after)
    const statuses: number[] = []
    after.onAnswer = (answer) => (statuses.push(answer.status), answer)
    await sync(ada, after.options)
    expect(statuses[0]).toBe(409)
  })

  it('takes nothing of an answer that was cut off, and asks again', async () => {
    const network = new Network()
    const [ada, grace] = await twoClients(network)
    await write(ada, 'a', 'x'.repeat(1000))
    await sync(ada, network.options)
    let cuts = 0
    network.onAnswer = async (answer) => {
      if (cuts++ > 0) return answer
      const bytes = new Uint8Array(await answer.arrayBuffer())
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(bytes.subarray(0, bytes.length - 300))
          controller.error(new TypeError('terminated'))
        },
      })
      return new Response(body, { headers: answer.headers })
    }
    expect(states((await sync(grace, network.options)).branches)).toEqual({ main: 'pulled' })
  })

  // Seen to fail, for the file, when the trailer of the pack is not compared.
  it.each([
    ['a commit', 40],
    ['a file', 5000],
  ])('moves no ref when a byte of %s was changed on the way', async (_, offset) => {
    const network = new Network()
    const [ada, grace] = await twoClients(network)
    const random = seededRandom(7)
    await write(ada, 'a', Array.from({ length: 5000 }, () => `${random()}`).join('\n'))
    await sync(ada, network.options)
    const before = await grace.branch('main').oid()
    network.onAnswer = async (answer) => {
      const bytes = new Uint8Array(await answer.arrayBuffer())
      const at = Buffer.from(bytes).indexOf('PACK') + offset
      bytes[at] = (bytes[at] ?? 0) ^ 1
      return new Response(bytes, { headers: answer.headers })
    }
    await expect(sync(grace, network.options)).rejects.toMatchObject({ code: 'malformed' })
    expect(await grace.branch('main').oid()).toBe(before)
    expect((await grace.store.state()).packs).toHaveLength(1)
  })

  it('never mixes unrelated histories under one name', async () => {
    const network = new Network()
    const [ada, grace] = [await network.client('Ada'), await network.client('Grace')]
    await write(ada, 'a', 'ada')
    await write(grace, 'b', 'grace')
    await sync(ada, network.options)
    const own = await grace.branch('main').oid()
    const { branches } = await sync(grace, network.options)
    expect(branches).toMatchObject([
      { state: 'unrelated', ours: own, theirs: await ada.branch('main').oid() },
    ])
    expect(await grace.branch('main').oid()).toBe(own)
  })

  it('stops when the server has another repository than before, until it is accepted', async () => {
    const [before, after] = [new Network(), new Network()]
    const [ada] = await twoClients(before)
    const stranger = await after.client('Eve')
    await write(stranger, 'z', 'eve')
    await sync(stranger, after.options)
    expect(states((await sync(ada, after.options)).branches)).toEqual({ main: 'unrelated' })
    const heads = (await readKnown(await ada.store.state())).heads
    expect(heads.get('main')).toBe(await ada.branch('main').oid())
    const accepted = await sync(ada, { ...after.options, acceptOther: true })
    expect(accepted.branches).toMatchObject([
      { state: 'unrelated', theirs: await stranger.branch('main').oid() },
    ])
  })

  it('takes no absence for a wish', async () => {
    const network = new Network()
    const [ada, grace] = await twoClients(network)
    await write(ada, 'x', '1', 'topic')
    await sync(ada, network.options)
    await sync(grace, network.options)
    await grace.branch('topic').delete()
    expect(states((await sync(grace, network.options)).branches)).toEqual({
      main: 'in-step',
      topic: 'elsewhere',
    })
    expect(
      states((await sync(grace, { ...network.options, remove: ['topic'] })).branches),
    ).toMatchObject({ topic: 'removed' })
    expect(states((await sync(ada, network.options)).branches)).toEqual({
      main: 'in-step',
      topic: 'gone',
    })
    expect(await read(ada, 'x', 'topic')).toBe('1')
    expect(
      states((await sync(ada, { ...network.options, restore: ['topic'] })).branches),
    ).toMatchObject({ topic: 'pushed' })
    expect(states((await sync(grace, network.options)).branches)).toMatchObject({ topic: 'pulled' })
  })

  it.each([
    ['no network', () => Promise.reject(new TypeError('fetch failed')), 'offline'],
    [
      'a captive portal',
      () => new Response('<html>Sign in', { headers: { 'content-type': 'text/html' } }),
      'not-datakit',
    ],
    [
      'a foreign server',
      () => new Response('Not Found', { status: 404, headers: { 'content-type': 'text/plain' } }),
      'not-datakit',
    ],
    [
      'garbage',
      () => new Response('garbage!', { headers: { 'content-type': 'application/x-datakit-sync' } }),
      'malformed',
    ],
    [
      'the wrong token',
      () => Response.json({ error: { code: 'unauthorised', message: 'No' } }, { status: 401 }),
      'unauthorised',
    ],
  ])('says that it met %s and changes nothing', async (_, answer, code) => {
    const network = new Network()
    const ada = await network.client()
    await write(ada, 'a', '1')
    const before = (await ada.store.state()).version
    await expect(
      sync(ada, { ...network.options, fetch: async () => answer() }),
    ).rejects.toMatchObject({ code })
    expect((await ada.store.state()).version).toBe(before)
  })

  it('stops when told to', async () => {
    const network = new Network()
    const ada = await network.client()
    await write(ada, 'a', '1')
    const signal = AbortSignal.abort(new Error('Enough'))
    await expect(sync(ada, { ...network.options, signal })).rejects.toThrow('Enough')
  })

  // Two packs of the server tell two trees as differences to each other. Seen to fail when that circle is not noticed.
  it('brings a file beside which another one came and went', async () => {
    const network = new Network()
    const [, grace] = await twoClients(network)
    const server = await network.server()
    await write(server, 'dir/stays', 'stays')
    await write(server, 'dir/goes', '2')
    await server.branch('main').commit(
      async (files) => {
        await files.remove('dir/goes')
      },
      { message: 'Remove' },
    )
    await sync(grace, network.options)
    expect(await read(grace, 'dir/stays')).toBe('stays')
  })

  it('asks for refs only when they changed', async () => {
    const network = new Network()
    const [ada] = await twoClients(network)
    const remote = new Remote(ada, network.options)
    const sizes: number[] = []
    network.onAnswer = async (answer) => {
      const body = await answer.arrayBuffer()
      sizes.push(body.byteLength)
      return new Response(body, { headers: answer.headers })
    }
    await remote.sync()
    expect(states((await remote.sync()).branches)).toEqual({ main: 'in-step' })
    expect(sizes[1]).toBeLessThan(sizes[0] ?? 0)
  })

  // Seen to fail when: files that differ from a parent are left out because the parent has something of that name.
  it('brings four clients with random edits to one tree that git accepts', async () => {
    const seed = chooseSeed()
    console.log(`SEED=${seed}`)
    const random = seededRandom(seed)
    const network = new Network()
    const clients = await Promise.all(
      ['Ada', 'Grace', 'Edsger', 'Barbara'].map((name) => network.client(name)),
    )
    const [first] = clients
    if (first === undefined) throw new Error('No client')
    await write(first, 'start', '0')
    for (const client of clients) await sync(client, network.options)
    for (let step = 0; step < 60; step++) {
      const client = choose(random, clients)
      if (random() < 0.6)
        await write(
          client,
          `d${Math.floor(random() * 5)}/${Math.floor(random() * 5)}`,
          `${random()}`,
        )
      else await settle(client, network)
    }
    for (const client of [...clients, ...clients]) await settle(client, network)
    const heads = await Promise.all(clients.map((client) => client.branch('main').oid()))
    expect(new Set(heads).size, `seed ${seed}`).toBe(1)
    const git = new StockGit()
    try {
      await git.take(await network.depot.open('config'))
      expect(git.oid('refs/heads/main')).toBe(heads[0])
    } finally {
      git.close()
    }
  }, 30_000)
})

/** Syncs until nothing is left to decide; every conflict goes to the client's own version. */
async function settle(client: Repository, network: Network): Promise<void> {
  for (let i = 0; i < 10; i++) {
    const [outcome] = (await sync(client, network.options)).branches
    if (outcome?.state !== 'conflict') return
    const keep = new Map(outcome.conflicts.map(({ path }) => [path, 'ours' as const]))
    await client.resolve('main', outcome, keep)
  }
}

function fetchOf(network: Network): NonNullable<SyncOptions['fetch']> {
  if (network.options.fetch === undefined) throw new Error('No fetch')
  return network.options.fetch
}
