import { GitError, NotHereError, UnavailableError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { checkPlace } from '@datakit/storage/fsck/check-place'
import { compact } from '@datakit/storage/maintenance'
import { memoryPlace } from '@datakit/storage/memory'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { randomHistory } from '../../../git/test/history.ts'
import { random, seed } from '../../../git/test/seed.ts'
import { gitText } from '../../../git/test/support/example.ts'
import { collect } from '../../../git/test/support/hostile.ts'
import { open } from '../../test/bundles.ts'
import { read, write } from '../../test/clients.ts'
import { GitServer, oldFetch, type GitRemote } from '../../test/git-server.ts'
import { Network } from '../../test/network.ts'
import { exportBundle } from '../bundle/bundle.ts'
import type { FetchOptions } from '../remote/fetch.ts'
import { fetchMissing, fetchPromised, withPromised, type Promisor } from './promised.ts'
import { pullRemote } from '../remote/pull.ts'
import { pushRemote } from '../remote/push.ts'
import { remoteOf, storedRemotes, findRemote } from '../remote/remotes.ts'
import type { Repository } from '../repository.ts'

const server = new GitServer()
beforeAll(() => server.start())
afterAll(() => server.stop())

const offline: FetchOptions['fetch'] = () => Promise.reject(new TypeError('offline'))

/** Git's repository with some directories, and a repository that left files with it; both have `main`. */
async function partial(filter: string): Promise<{
  git: GitRemote
  repository: Repository
  promisor: Promisor
}> {
  const git = server.repository()
  git.there('config', 'uploadpack.allowAnySHA1InWant', 'true')
  git.commit('a/b/deep', 'deep\n')
  git.commit('a/other', 'other\n')
  git.commit('top', 'top\n')
  const remote = remoteOf({ name: 'origin', url: git.url, filter })
  const repository = await open()
  await pullRemote(repository, remote, { branch: 'main', how: 'merge' })
  return { git, repository, promisor: { remote } }
}

/** `promisor` for work; without the network where `fetch` says so. */
const from =
  (promisor: Promisor, fetch?: FetchOptions['fetch']) =>
  (name: string): Promisor => {
    expect(name).toBe('origin')
    return { ...promisor, fetch }
  }

describe.each(['blob:none', 'tree:0', 'blob:limit=5'])('a fetch with the filter %s', (filter) => {
  it('leaves objects with the remote, which come when they are wanted', async () => {
    const { repository, promisor } = await partial(filter)
    await expect(read(repository, 'a/b/deep'))
      .resolves.toBeDefined()
      .catch(() => undefined)
    const work = () => read(repository, 'a/other')
    expect(await withPromised(repository, from(promisor), work)).toBe('other\n')
    expect(await withPromised(repository, from(promisor, offline), work)).toBe('other\n')
  })

  it('is an error of its own without the remote, and not one of a corrupt store', async () => {
    const { repository, promisor } = await partial(filter)
    const wanted = read(repository, 'a/other')
    await expect(wanted).rejects.toThrow(NotHereError)
    await expect(wanted).rejects.toMatchObject({ code: 'not-here', remote: 'origin' })
    const work = withPromised(repository, from(promisor, offline), () =>
      read(repository, 'a/other'),
    )
    const error = await work.catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(NotHereError)
    expect((error as Error).cause).toBeInstanceOf(UnavailableError)
  })

  it('goes on from there, by fetches and pulls', async () => {
    const { git, repository, promisor } = await partial(filter)
    git.commit('a/b/deep', 'deeper\n')
    git.commit('new', 'x\n')
    const options = { branch: 'main', how: 'merge' } as const
    expect((await pullRemote(repository, promisor.remote, options)).branch.state).toBe(
      'fast-forward',
    )
    const work = () => read(repository, 'a/b/deep')
    expect(await withPromised(repository, from(promisor), work)).toBe('deeper\n')
    expect(await withPromised(repository, from(promisor), () => read(repository, 'top'))).toBe(
      'top\n',
    )
  })

  it('takes commits, merges and pushes from a store that lacks objects', async () => {
    // Seen to fail when what was left out was not taken note of.
    const { git, repository, promisor } = await partial(filter)
    const online = <T>(work: () => Promise<T>) => withPromised(repository, from(promisor), work)
    await online(() => write(repository, 'a/mine', 'mine\n'))
    git.commit('a/b/deep', 'theirs\n')
    const pull = { branch: 'main', how: 'merge' } as const
    const { branch } = await online(() => pullRemote(repository, promisor.remote, pull))
    expect(branch.state).toBe('merged')
    const { refs } = await online(() => pushRemote(repository, promisor.remote, { refs: ['main'] }))
    expect(refs).toMatchObject([{ state: 'updated' }])
    git.there('fsck', '--strict', '--no-dangling')
    expect(git.there('show', 'main:a/mine')).toBe('mine')
    expect(git.there('show', 'main:a/b/deep')).toBe('theirs')
  })

  it('makes no bundle that lacks objects, and a whole one when they have come', async () => {
    const { git, repository, promisor } = await partial(filter)
    let given = 0
    const cut = async () => {
      for await (const piece of exportBundle(repository)) given += piece.length
    }
    await expect(cut()).rejects.toThrow(NotHereError)
    expect(given).toBe(0)
    const tips = (await repository.branches()).map(({ head }) => head)
    expect(await fetchMissing(repository, promisor, { tips, history: true })).toBeGreaterThan(1)
    expect(await fetchMissing(repository, promisor, { tips, history: true })).toBe(0)
    const { writeFileSync } = await import('node:fs')
    writeFileSync(`${git.bare}.bundle`, await collect(exportBundle(repository)))
    gitText(git.work, ['clone', '-q', `${git.bare}.bundle`, `${git.bare}.clone`])
    gitText(`${git.bare}.clone`, ['fsck', '--strict'])
  })
})

describe('promised objects', () => {
  it('come for whole snapshots in a few requests', async () => {
    const { repository, promisor } = await partial('blob:none')
    const before = server.requests
    const tips = [(await repository.branch('main').oid()) as Oid]
    expect(await fetchMissing(repository, promisor, { tips })).toBe(3)
    expect(server.requests - before).toBe(2)
    for (const path of ['a/b/deep', 'a/other', 'top']) await read(repository, path)
  })

  it('of a random history come level by level, and all can be read then', async () => {
    console.log(`SEED=${seed}, 1 case`)
    const history = randomHistory({ files: 60, commits: 30, random: random() })
    const git = server.repository()
    git.there('config', 'uploadpack.allowAnySHA1InWant', 'true')
    history.run(['push', '-q', git.bare, 'main'])
    for (const filter of ['blob:none', 'tree:0']) {
      const remote = remoteOf({ name: 'origin', url: git.url, filter })
      const repository = await open()
      await pullRemote(repository, remote, { branch: 'main', how: 'merge' })
      const tips = [(await repository.branch('main').oid()) as Oid]
      await fetchMissing(repository, { remote }, { tips, history: true })
      const all = history.run(['rev-list', '--objects', '--no-object-names', 'main']).split('\n')
      for (const oid of all) await repository.store.objects.read(oid as Oid)
    }
    history.remove()
  })

  it('are no base of what comes', async () => {
    // Seen to fail when deltas were asked for whose bases only we have.
    const git = server.repository()
    const lines = Array.from({ length: 400 }, (_, i) => `${(i * 7919) % 10_007} ${i}`)
    git.commit('file', lines.join('\n'))
    const remote = remoteOf({ name: 'origin', url: git.url, filter: 'blob:limit=3000' })
    const repository = await open()
    const options = { branch: 'main', how: 'merge' } as const
    await pullRemote(repository, remote, options)
    await expect(read(repository, 'file')).rejects.toThrow(NotHereError)
    const shorter = lines.slice(0, 250).join('\n')
    git.commit('file', shorter)
    await pullRemote(repository, remote, options)
    expect(await read(repository, 'file')).toBe(shorter)
  })

  it('are remembered, with the filter of the remote, by whoever opens the repository', async () => {
    const place = memoryPlace()
    const git = server.repository()
    git.commit('a', 'content\n')
    const first = await open(place)
    await storedRemotes(first).add(remoteOf({ name: 'origin', url: git.url, filter: 'blob:none' }))
    const remote = await findRemote(storedRemotes(first), 'origin')
    await pullRemote(first, remote, { branch: 'main', how: 'merge' })
    const again = await open(place)
    await expect(read(again, 'a')).rejects.toThrow(NotHereError)
    const known = await findRemote(storedRemotes(again), 'origin')
    expect(
      await withPromised(
        again,
        () => ({ remote: known }),
        () => read(again, 'a'),
      ),
    ).toBe('content\n')
  })

  it('come from a server of version 0 that gives them, and from a DataKit server', async () => {
    const { repository, promisor } = await partial('blob:none')
    const work = () => read(repository, 'top')
    expect(await withPromised(repository, from(promisor, oldFetch), work)).toBe('top\n')
    const network = new Network()
    const { url, token = '', fetch } = network.options
    const ada = await open()
    await write(ada, 'a', 'from ada')
    await pushRemote(ada, remoteOf({ name: 'origin', url }), { refs: ['main'], token, fetch })
    const remote = remoteOf({ name: 'origin', url, filter: 'tree:0' })
    const copy = await open()
    await pullRemote(copy, remote, { branch: 'main', how: 'merge', token, fetch })
    await expect(read(copy, 'a')).rejects.toThrow(NotHereError)
    const online = withPromised(
      copy,
      () => ({ remote, token, fetch }),
      () => read(copy, 'a'),
    )
    expect(await online).toBe('from ada')
  })

  it('change nothing when the remote does not give what it was asked for', async () => {
    const { repository, promisor } = await partial('blob:none')
    const other = await partial('blob:none')
    const tips = [(await repository.branch('main').oid()) as Oid]
    const packs = async () => (await repository.store.state()).packs.length
    const before = await packs()
    const strange = '1234567890123456789012345678901234567890' as Oid
    await expect(fetchPromised(repository, promisor, [strange])).rejects.toThrow(GitError)
    // Another repository under the URL: it has the same commits, and answers with another file.
    other.git.commit('top', 'elsewhere\n')
    const swap: FetchOptions['fetch'] = async (url, init) => {
      const body = Buffer.from((init.body as Uint8Array | undefined) ?? [])
      const blob = other.git.oid('HEAD:top')
      const asked = body.toString('latin1').replaceAll(/want [0-9a-f]{40}/g, `want ${blob}`)
      return fetch(url.replace(promisor.remote.url, other.git.url), {
        ...init,
        ...(init.body ? { body: Buffer.from(asked, 'latin1') } : {}),
      })
    }
    const lied = fetchMissing(repository, { ...promisor, fetch: swap }, { tips })
    await expect(lied).rejects.toMatchObject({ code: 'missing' })
    expect(await packs()).toBe(before)
  })

  it('are missed by neither fsck nor upkeep', async () => {
    for (const filter of ['blob:none', 'tree:0']) {
      const { repository, promisor } = await partial(filter)
      await withPromised(repository, from(promisor), () => write(repository, 'a/mine', '1'))
      const { place } = repository.store
      for (const round of ['before', 'after']) {
        const errors: unknown[] = []
        for await (const event of checkPlace(place, nodeRuntime))
          if (event.kind === 'finding' && event.finding.severity !== 'info')
            errors.push(round, event)
        expect(errors).toEqual([])
        await compact(place, nodeRuntime)
      }
      await expect(read(repository, 'top')).rejects.toThrow(NotHereError)
      expect(await read(repository, 'a/mine')).toBe('1')
    }
  })
})
