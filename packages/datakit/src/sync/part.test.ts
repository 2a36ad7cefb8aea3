/**
 * Syncs of a part of a repository.
 */
import { MalformedError, NotHereError } from '@datakit/git/error'
import { type Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryDepot } from '@datakit/storage/memory'
import { describe, expect, it } from 'vitest'
import { forceTag, heads, read, refs, states, write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import { filled, goOffline, headOf, LARGE, partOf } from '../../test/part-clients.ts'
import { partWire } from '../../test/part-wire.ts'
import { Repository } from '../repository.ts'
import { readChoice, setChoice, type SyncChoice } from './choice.ts'
import { sync } from './sync.ts'

/** Commits one file behind the back of all clients. */
async function writeThere(network: Network, path: string, content: string): Promise<void> {
  const ada = await network.client('Eve')
  await sync(ada, network.options)
  await write(ada, path, content)
  await sync(ada, network.options)
}

describe('a part by its path', () => {
  it('brings what is under it, and the rest when it is read', async () => {
    const network = await filled()
    const client = await partOf(network, { paths: ['a'] })
    goOffline(client)
    expect(await read(client, 'a/deep/one')).toBe('1\n')
    expect(await read(client, '.gitattributes')).toBe('*.json -merge\n')
    for (const path of ['b/deep/two', 'top']) {
      const lack = await read(client, path).catch((error: unknown) => error)
      expect(lack).toBeInstanceOf(NotHereError)
      expect(lack).toMatchObject({ code: 'not-here', remote: 'origin' })
    }
    await sync(client, network.options)
    const { requests } = network
    expect(await read(client, 'b/deep/two')).toBe('2\n')
    // The directory with all below it, then the file.
    expect(network.requests - requests).toBe(2)
    expect(await read(client, 'top')).toBe('top\n')
    goOffline(client)
    expect(await read(client, 'b/deep/two')).toBe('2\n')
  })

  it('commits, shows and merges what is inside without a network', async () => {
    const network = await filled()
    const client = await partOf(network, { paths: ['a'] })
    await writeThere(network, 'b/deep/two', 'theirs\n')
    await writeThere(network, 'a/deep/one', '1\ntheirs\n')
    await sync(client, { ...network.options, pull: true })
    goOffline(client)
    const before = await headOf(client)
    const after = await write(client, 'a/new', 'mine')
    const changes: string[] = []
    for await (const { path } of client.diff(before, after)) changes.push(path)
    expect(changes).toEqual(['a/new'])
    const logged: string[] = []
    for await (const { commit } of client.log(after, { path: 'a/deep' }))
      logged.push(commit.message.trim())
    expect(logged).toEqual(['Write a/deep/one', 'Write a/deep/one'])
    const side = client.branch('side')
    await side.create(before)
    await write(client, 'a/deep/one', 'side\n1\ntheirs\n', 'side')
    await write(client, 'a/deep/one', '1\ntheirs\nmain\n')
    expect(await client.branch('main').merge(await headOf(client, 'side'))).toMatchObject({
      state: 'committed',
    })
    expect(await read(client, 'a/deep/one')).toBe('side\n1\ntheirs\nmain\n')
    await sync(client, network.options)
    const whole = await network.client()
    await sync(whole, network.options)
    expect(await heads(whole)).toEqual(await heads(client))
    expect(await read(whole, 'b/deep/two')).toBe('theirs\n')
  })

  it('is merged with what is outside once that can be fetched, and changes nothing before', async () => {
    const network = await filled()
    const client = await partOf(network, { paths: ['a'] })
    const ada = await network.client()
    await sync(ada, network.options)
    await write(ada, 'b/deep/two', '2\nada\n')
    await sync(ada, network.options)
    // Another branch for it, so that nothing is merged yet.
    const side = client.branch('side')
    await side.create(await headOf(client))
    await sync(client, { ...network.options, pull: true })
    await write(client, 'b/deep/two', 'grace\n2\n', 'side')
    goOffline(client)
    const own = await headOf(client, 'side')
    const theirs = await headOf(client)
    await expect(side.merge(theirs)).rejects.toThrow(NotHereError)
    expect(await side.oid()).toBe(own)
    await client.branch('main').delete()
    await client.branch('main').create(own)
    expect(states((await sync(client, network.options)).branches)).toMatchObject({ main: 'merged' })
    expect(await read(client, 'b/deep/two')).toBe('grace\n2\nada\n')
  })

  it('sends no more than the server lacks', async () => {
    const network = await filled()
    const client = await partOf(network, { paths: ['a/deep'] })
    goOffline(client)
    await write(client, 'a/deep/one', 'mine')
    await client.branch('main').commit((files) => files.move('b', 'a/deep/b'), { message: 'Move' })
    const wire = partWire(network.options)
    await sync(client, wire)
    expect(wire.asked).toHaveLength(1)
    expect(wire.sent).toBeLessThan(2500)
    const whole = await network.client()
    await sync(whole, network.options)
    expect(await read(whole, 'a/deep/b/large')).toBe(LARGE)
  })

  it('has what was all of the repository before, once that is moved to where it was asked for', async () => {
    const network = new Network()
    const ada = await network.client()
    await write(ada, 'b/two', '2\n')
    await write(ada, 'top', 'top\n')
    await sync(ada, network.options)
    const client = await partOf(network, { paths: ['a'] })
    const root = (await ada.branch('main').head())?.tree
    await ada.branch('main').commit(
      async (files) => {
        await files.move('b', 'a/all/b')
        await files.move('top', 'a/all/top')
      },
      { message: 'Move' },
    )
    expect((await (await ada.branch('main').head())?.stat('a/all'))?.oid).toBe(root)
    await sync(ada, network.options)
    await sync(client, network.options)
    goOffline(client)
    expect(await read(client, 'a/all/b/two')).toBe('2\n')
    expect(await read(client, 'a/all/top')).toBe('top\n')
  })
})

describe('a part by branches', () => {
  it('takes no others, and tags that lead to what comes', async () => {
    const network = await filled()
    const server = await network.server()
    const there = await heads(server)
    await forceTag(server, 'v1', there['main'] as Oid)
    await forceTag(server, 'dev-1', there['dev'] as Oid)
    const client = await partOf(network, { branches: ['team/*'] })
    expect(Object.keys(await heads(client))).toEqual(['team/x', 'team/y'])
    expect(Object.keys(await refs(client, 'refs/tags/'))).toEqual(['refs/tags/v1'])
    // HEAD of the server is at a branch that is not here.
    expect(await client.head()).toEqual({ ref: 'refs/heads/team/x' })
    await write(client, 'mine', 'mine', 'team/x')
    await client.branch('new').create(there['main'] as Oid)
    await write(client, 'mine', 'mine', 'new')
    expect(states((await sync(client, network.options)).branches)).toEqual({
      new: 'pushed',
      'team/x': 'pushed',
      'team/y': 'in-step',
    })
    expect(Object.keys(await heads(await network.server()))).toEqual([
      'dev',
      'main',
      'new',
      'team/x',
      'team/y',
    ])
  })

  it('is told of its refs, though nothing has changed since another choice was answered', async () => {
    const network = await filled()
    const client = await network.client('Grace')
    const answers: Record<string, unknown>[] = []
    const listen = async (url: string, init: RequestInit): Promise<Response> => {
      const answer = (await network.options.fetch?.(url, init)) ?? Response.error()
      const bytes = Buffer.from(await answer.clone().arrayBuffer())
      answers.push(JSON.parse(String(bytes.subarray(8, 8 + bytes.readUInt32BE(4)))))
      return answer
    }
    const options = { ...network.options, fetch: listen }
    await sync(client, options)
    const known = { refs: answers[0]?.['version'] }
    const ask = (choice: SyncChoice) =>
      sync(
        client,
        partWire(options, (header) => ({ ...header, known, choice })),
      )
    // This client knows no refs that could be left out.
    await expect(ask({})).rejects.toThrow('leaves out refs')
    expect(answers[1]).not.toHaveProperty('refs')
    await ask({ branches: ['main'] })
    expect(answers[2]).toMatchObject({ refs: [{ name: 'refs/heads/main' }] })
  })

  it('leaves those alone that were here before it was chosen', async () => {
    const network = await filled()
    const client = await network.client('Grace')
    await sync(client, network.options)
    const before = await heads(client)
    await setChoice(client, { branches: ['main'] })
    const ada = await network.client()
    await sync(ada, network.options)
    for (const branch of ['main', 'dev', 'team/x']) await write(ada, 'more', branch, branch)
    await sync(ada, { ...network.options, remove: ['team/y'] })
    await sync(client, network.options)
    const now = await heads(await network.server())
    expect(await heads(client)).toEqual({ ...before, main: now['main'] })
    // What is worked on is sent, and what it is merged with comes.
    await write(client, 'mine', 'mine', 'dev')
    expect(states((await sync(client, network.options)).branches)).toMatchObject({ dev: 'merged' })
    await setChoice(client, undefined)
    expect(states((await sync(client, network.options)).branches)).toMatchObject({
      'team/x': 'pulled',
      'team/y': 'gone',
    })
    expect(await refs(client, 'refs/datakit/choice/')).toEqual({})
  })
})

describe('a part by the size of files', () => {
  it.each([
    [0, 0],
    [1000, 3],
  ])('leaves out what has %i bytes or more', async (blobLimit, here) => {
    const network = await filled()
    const client = await partOf(network, { blobLimit })
    goOffline(client)
    const paths = ['a/deep/one', 'b/deep/two', 'top', 'a/large', 'b/large']
    const found = await Promise.all(paths.map((path) => read(client, path).catch(() => 'not here')))
    expect(found.filter((text) => text !== 'not here')).toHaveLength(here)
    await sync(client, network.options)
    const files: string[] = []
    const { requests } = network
    const head = await client.branch('main').head()
    for await (const { path } of head?.readAll() ?? []) files.push(path)
    expect(files).toHaveLength(6)
    // All that is lacking comes in one request.
    expect(network.requests - requests).toBe(1)
  })
})

describe('the choice of a part', () => {
  it('is kept with the repository, for whoever syncs it', async () => {
    const network = await filled()
    const depot = memoryDepot()
    const tab = await Repository.open(await depot.open('config'), { runtime: nodeRuntime })
    await setChoice(tab, { paths: ['b/deep', 'a', 'b'], blobLimit: 1000, branches: ['main'] })
    const worker = await Repository.open(await depot.open('config'), { runtime: nodeRuntime })
    expect(await readChoice(worker)).toEqual({
      branches: ['main'],
      paths: ['a', 'b'],
      blobLimit: 1000,
    })
    await sync(worker, network.options)
    goOffline(worker)
    expect(Object.keys(await heads(tab))).toEqual(['main'])
    expect(await read(tab, 'b/deep/two')).toBe('2\n')
    await expect(read(tab, 'top')).rejects.toThrow(NotHereError)
    await expect(read(tab, 'b/large')).rejects.toThrow(NotHereError)
  })

  it.each([{ paths: ['/a'] }, { paths: ['a/../b'] }, { paths: [] }, { blobLimit: -1 }])(
    'is refused where it is none: %j',
    async (choice) => {
      const client = await new Network().client()
      await expect(setChoice(client, choice)).rejects.toThrow(MalformedError)
      expect(await readChoice(client)).toBeUndefined()
    },
  )

  it('brings the rest when it is widened, and throws nothing away when it is narrowed', async () => {
    const network = await filled()
    const client = await partOf(network, { paths: ['a'] })
    const wire = partWire(network.options)
    await setChoice(client, { paths: ['a', 'b/deep'] })
    await sync(client, wire)
    goOffline(client)
    expect(await read(client, 'b/deep/two')).toBe('2\n')
    await expect(read(client, 'top')).rejects.toThrow(NotHereError)
    // What was there did not come again.
    expect(wire.received).toBeLessThan(4000)
    await setChoice(client, { paths: ['b'] })
    await sync(client, network.options)
    goOffline(client)
    expect(await read(client, 'b/large')).toBe(LARGE)
    expect(await read(client, 'a/deep/one')).toBe('1\n')
    await setChoice(client, undefined)
    await sync(client, network.options)
    goOffline(client)
    for (const path of ['a/deep/one', 'a/large', 'b/large', 'top'])
      expect(await read(client, path)).toBeDefined()
    expect(await refs(client, 'refs/datakit/choice/')).toEqual({})
  })

  it('takes nothing for granted of a branch that was left alone while it was widened', async () => {
    const network = await filled()
    const client = await partOf(network, { paths: ['a'] })
    await setChoice(client, { paths: ['a', 'team'], branches: ['main'] })
    await sync(client, network.options)
    expect(Object.keys(await refs(client, 'refs/datakit/choice/stale/'))).toHaveLength(3)
    await setChoice(client, { paths: ['a', 'team'] })
    await sync(client, network.options)
    goOffline(client)
    expect(await read(client, 'team/x/own', 'team/x')).toBe('team/x')
    expect(await refs(client, 'refs/datakit/choice/stale/')).toEqual({})
  })
})

describe('a branch that was left alone while a part was widened', () => {
  it('is brought in full when something that was made on it is sent', async () => {
    const network = await filled()
    const client = await partOf(network, { paths: ['a'] })
    await setChoice(client, { paths: ['a', 'team'], branches: ['main'] })
    await sync(client, network.options)
    goOffline(client)
    await write(client, 'a/mine', 'mine', 'team/x')
    const more = client.branch('more')
    await more.create(await headOf(client, 'team/y'))
    await write(client, 'a/mine', 'mine', 'more')
    expect(states((await sync(client, network.options)).branches)).toMatchObject({
      'team/x': 'pushed',
      more: 'pushed',
    })
    goOffline(client)
    expect(await read(client, 'team/x/own', 'team/x')).toBe('team/x')
    expect(await read(client, 'team/y/own', 'more')).toBe('team/y')
    // Of the others nothing is known yet.
    expect(Object.keys(await refs(client, 'refs/datakit/choice/stale/'))).toEqual([
      'refs/datakit/choice/stale/heads/dev',
      'refs/datakit/choice/stale/heads/team/y',
    ])
  })
})
