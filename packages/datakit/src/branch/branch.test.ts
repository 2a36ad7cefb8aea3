import { nodeRuntime } from '@datakit/git/runtime/node'
import type { Place } from '@datakit/git/place'
import { compact } from '@datakit/storage/maintenance'
import { memoryPlace } from '@datakit/storage/memory'
import { describe, expect, it } from 'vitest'
import { Repository } from '../repository.ts'

async function open(): Promise<Repository> {
  return Repository.open(memoryPlace(), { runtime: nodeRuntime })
}

async function write(repository: Repository, content: string, branch = 'main'): Promise<void> {
  await repository
    .branch(branch)
    .commit((transaction) => transaction.write('a', content), { message: content })
}

describe('a branch', () => {
  it.each(['', 'a..b', '/a', 'a/', 'a.lock', '-a', 'a//b', 'HEAD'])(
    'cannot be called "%s"',
    async (name) => {
      const repository = await open()
      expect(() => repository.branch(name)).toThrow(RangeError)
    },
  )

  it('is listed once it has a commit, by the bytes of its name', async () => {
    const repository = await open()
    for (const name of ['topic/b', 'main', 'topic/a']) await write(repository, name, name)
    expect((await repository.branches()).map(({ name }) => name)).toEqual([
      'main',
      'topic/a',
      'topic/b',
    ])
  })

  it('is created where nothing is, and deleted', async () => {
    const repository = await open()
    await write(repository, '1')
    const oid = await repository.branch('main').oid()
    if (oid === undefined) throw new Error('No head')
    expect(await repository.branch('topic').create(oid)).toBe(true)
    expect(await repository.branch('topic').create(oid)).toBe(false)
    expect(await repository.branch('topic').delete()).toBe(true)
    expect(await repository.branch('topic').delete()).toBe(false)
  })

  it('is not created at a commit that is thrown away in the same moment, and is at one that only moves', async () => {
    const place = memoryPlace()
    let before: () => Promise<unknown> = async () => {}
    const ambushed: Place = {
      ...place,
      async update(request) {
        const first = before
        before = async () => {}
        await first()
        return place.update(request)
      },
    }
    const repository = await Repository.open(ambushed, { runtime: nodeRuntime })
    await write(repository, '1')
    await write(repository, '2')
    const oid = await repository.branch('main').oid()
    if (oid === undefined) throw new Error('No head')
    before = () => compact(place, nodeRuntime)
    expect(await repository.branch('moved').create(oid)).toBe(true)
    before = async () => {
      const removePacks = (await place.read()).packs.map(({ id }) => id)
      const log = { who: '', why: 'throw away' }
      const deleted = ['main', 'moved'].map((name) => ({
        name: `refs/heads/${name}`,
        from: oid,
        to: undefined,
      }))
      await place.update({ id: '1'.repeat(32), refs: deleted, removePacks, log })
    }
    await expect(repository.branch('late').create(oid)).rejects.toMatchObject({ code: 'missing' })
    expect(await repository.branches()).toEqual([])
  })

  it('goes forward to what has all that it has, and nowhere else', async () => {
    const repository = await open()
    const [main, topic] = [repository.branch('main'), repository.branch('topic')]
    await write(repository, '1')
    const first = await main.oid()
    if (first === undefined) throw new Error('No head')
    await topic.create(first)
    await write(repository, '2', 'topic')
    const second = await topic.oid()
    if (second === undefined) throw new Error('No head')
    expect(await main.fastForward(second)).toEqual({ state: 'done', oid: second })
    expect(await main.fastForward(second)).toEqual({ state: 'unchanged', oid: second })
    expect(await main.fastForward(first)).toEqual({ state: 'not-fast-forward', head: second })
  })

  it('can be where HEAD points before it has a commit', async () => {
    const repository = await open()
    await repository.setHead('trunk')
    expect(await repository.head()).toEqual({ ref: 'refs/heads/trunk' })
  })
})

describe('a watch', () => {
  it('gives what is there first, then the newest, and nothing twice', async () => {
    const repository = await open()
    const stop = new AbortController()
    const seen: (string | undefined)[] = []
    for await (const head of repository.branch('main').watch({ signal: stop.signal })) {
      seen.push(await head?.readText('a'))
      if (seen.length === 1) await write(repository, '1')
      if (seen.length === 2) {
        // Another branch is no news, and of two commits the first may be skipped.
        await write(repository, 'elsewhere', 'other')
        await write(repository, '2')
        await write(repository, '3')
      }
      if (seen.at(-1) === '3') stop.abort()
    }
    expect([seen[0], seen[1], seen.at(-1)]).toEqual([undefined, '1', '3'])
    expect(new Set(seen).size).toBe(seen.length)
  })

  it('ends when it is told to while nothing happens', async () => {
    const repository = await open()
    const stop = new AbortController()
    const watching = (async () => {
      for await (const _ of repository.branch('main').watch({ signal: stop.signal }));
      return 'ended'
    })()
    stop.abort()
    expect(await watching).toBe('ended')
  })
})
