/**
 * Pushes from repositories that are not whole, judged by the fsck of the remote, which is stock Git's.
 */
import type { Oid } from '@datakit/git/oid'
import { openGitDirectory } from '@datakit/storage/git-directory'
import { memoryPlace } from '@datakit/storage/memory'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { git } from '../../../../test/support/stock-git.ts'
import { random, seed } from '../../../git/test/seed.ts'
import { open } from '../../test/bundles.ts'
import { GitServer, type GitRemote } from '../../test/git-server.ts'
import { fetchOnDemand, promisorsIn } from '../files/on-demand.ts'
import type { Repository } from '../repository.ts'
import { fetchRemote } from './fetch.ts'
import { pullRemote } from './pull.ts'
import { pushRemote } from './push.ts'
import { remoteOf, type NamedRemote } from './remotes.ts'

const CASES = 3

const server = new GitServer()
beforeAll(() => server.start())
afterAll(() => server.stop())

type Below = (limit: number) => number

/** A remote with some commits, in a few directories. */
function source(below: Below): GitRemote {
  const remote = server.repository()
  remote.there('config', 'uploadpack.allowAnySHA1InWant', 'true')
  for (let i = 0; i < 12; i++) remote.commitLater(`d${i % 4}/s${i % 2}/f${i}`, `${i}\n`)
  for (let i = 0; i < 2 + below(3); i++)
    remote.commit(`d${below(4)}/s0/f${below(9)}`, `v${i}\n`, false)
  remote.run('push', '-q', 'origin', 'HEAD')
  return remote
}

/** A repository that has a part of the remote: cut off, filtered, or both, in a Git directory or in memory. */
async function part(
  from: GitRemote,
  below: Below,
): Promise<{ repository: Repository; remote: NamedRemote; what: string }> {
  const filter = ['blob:none', 'tree:0', 'tree:1', undefined][below(4)]
  const depth = filter === undefined || below(2) === 0 ? 1 + below(2) : undefined
  const remote = remoteOf({ name: 'origin', url: from.url, filter })
  const isOnDisk = below(2) === 0
  const directory = `${from.bare}.part`
  if (isOnDisk) {
    await git(from.work, 'init', '-q', '--bare', '-b', 'main', directory)
    await git(directory, 'remote', 'add', 'origin', from.url)
  }
  const place = isOnDisk ? await openGitDirectory(directory) : memoryPlace()
  const repository = await open(place)
  const deepen =
    depth === undefined ? undefined : ({ kind: 'depth', depth, relative: false } as const)
  await pullRemote(repository, remote, { branch: 'main', how: 'merge', deepen })
  const list = { list: async () => [remote] }
  fetchOnDemand(repository, promisorsIn(list))
  return { repository, remote, what: `${filter} depth ${depth} ${place.traits.kind}` }
}

it('from shallow and partial repositories leave the remote whole, where we are', async () => {
  console.log(`SEED=${seed}, ${CASES} cases`)
  const next = random()
  const below: Below = (limit) => Math.floor(next() * limit)
  for (let i = 0; i < CASES; i++) {
    const from = source(below)
    const { repository, remote, what } = await part(from, below)
    const branch = repository.branch('main')
    for (let step = 0; step < 4; step++) {
      const kind = below(4)
      const path = `d${below(4)}/s${below(2)}/f${below(12)}`
      if (kind === 0) from.commit(`t/${below(3)}`, `${next()}\n`)
      else if (kind === 1) {
        await fetchRemote(repository, remote)
        const theirs = await (await repository.store.state()).ref('refs/remotes/origin/main')
        if (theirs !== undefined) await branch.merge(theirs)
      } else if (kind === 2)
        await branch.commit((files) => files.move('d1', `moved${step}`).catch(() => undefined), {
          message: 'Move',
        })
      else await branch.commit((files) => files.write(path, `${next()}`), { message: path })
    }
    await pullRemote(repository, remote, { branch: 'main', how: 'merge' })
    const { refs } = await pushRemote(repository, remote, { refs: ['main', 'main:copy'] })
    const head = (await branch.oid()) as Oid
    const states = refs.map(({ state }) => state)
    expect({ what, states }).toMatchObject({
      states: [expect.stringMatching(/updated|unchanged/), 'created'],
    })
    expect(from.oidThere('refs/heads/main')).toBe(head)
    from.there('fsck', '--strict', '--no-dangling')
    // Every commit reads the same there as here.
    const lines = from
      .there('ls-tree', '-r', '-t', '--format=%(objectname) %(path)', 'main')
      .split('\n')
    const snapshot = await repository.snapshot(head)
    for (const line of lines) {
      const stat = await snapshot.stat(line.slice(41))
      expect({ what, oid: stat?.oid }).toEqual({ what, oid: line.slice(0, 40) })
    }
    await repository.close()
  }
})

it('brings to another remote what was left with the first, as a whole clone would', async () => {
  const next = random(seed + 1)
  const below: Below = (limit) => Math.floor(next() * limit)
  console.log(`SEED=${seed}, 3 cases`)
  for (let i = 0; i < 3; i++) {
    const from = source(below)
    const remote = remoteOf({
      name: 'origin',
      url: from.url,
      filter: ['blob:none', 'tree:0', 'tree:1'][i],
    })
    const repository = await open()
    await pullRemote(repository, remote, { branch: 'main', how: 'merge' })
    const list = { list: async () => [remote] }
    fetchOnDemand(repository, promisorsIn(list))
    const write = () =>
      repository
        .branch('main')
        .commit((files) => files.write('mine', `${next()}`), { message: 'Mine' })
    await write()
    const other = server.repository()
    const second = remoteOf({ name: 'second', url: other.url })
    const first = await pushRemote(repository, second, { refs: ['main'] })
    expect(first.refs).toMatchObject([{ state: 'created' }])
    other.there('fsck', '--strict')
    await write()
    const again = await pushRemote(repository, second, { refs: ['main'] })
    expect(again.refs).toMatchObject([{ state: 'updated' }])
    other.there('fsck', '--strict')
    const objects = (git: GitRemote, name: string) =>
      git.there('rev-list', '--objects', '--no-object-names', name).split('\n')
    expect(objects(other, 'main~2').toSorted()).toEqual(objects(from, 'main').toSorted())
  }
})
