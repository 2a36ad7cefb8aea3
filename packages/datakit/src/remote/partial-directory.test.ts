/**
 * Partial clones in a Git directory: stock Git works on ours, and we on its.
 */
import { MissingError, NotHereError } from '@datakit/git/error'
import { parseOid, type Oid } from '@datakit/git/oid'
import { checkGitDirectory } from '@datakit/storage/git-directory/check'
import { openGitDirectory } from '@datakit/storage/git-directory'
import { gitDirectoryRemotes } from '@datakit/storage/git-directory/remotes'
import { compact } from '@datakit/storage/maintenance'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { appendFileSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { random, seed } from '../../../git/test/seed.ts'
import { git } from '../../../../test/support/stock-git.ts'
import { open } from '../../test/bundles.ts'
import { GitServer, type GitRemote } from '../../test/git-server.ts'
import { fetchPromised, withPromised } from '../files/promised.ts'
import type { Repository } from '../repository.ts'
import { fetchRemote } from './fetch.ts'
import { pushRemote } from './push.ts'
import { findRemote, remoteOf } from './remotes.ts'

const server = new GitServer()
beforeAll(() => server.start())
afterAll(() => server.stop())

const FILTERS = ['blob:none', 'tree:0', 'blob:limit=40'] as const

/** A remote with large and small files in directories, some of which moved on. */
function source(): GitRemote {
  const remote = server.repository()
  remote.there('config', 'uploadpack.allowAnySHA1InWant', 'true')
  // More names than an index keeps rows of: what is missing must be known all the same.
  for (let i = 0; i < 400; i++) remote.commitLater(`flat/file-${i}`, `${i}\n`)
  remote.commit('a/b/deep', 'deep '.repeat(20))
  remote.commit('a/b/deep', 'deeper '.repeat(20))
  remote.commit('top', 'top\n')
  return remote
}

/** An empty bare repository that knows the remote, as `datakit remote add --filter` leaves it. */
async function ourClone(from: GitRemote, filter: string): Promise<string> {
  const directory = `${from.bare}.${filter.replaceAll(/\W/g, '-')}`
  await git(from.work, 'init', '-q', '--bare', '-b', 'main', directory)
  await gitDirectoryRemotes(directory).add(remoteOf({ name: 'origin', url: from.url, filter }))
  const repository = await openAt(directory)
  await fetchRemote(repository, await findRemote(gitDirectoryRemotes(directory), 'origin'))
  await repository.close()
  return directory
}

/** The same as stock Git makes it. */
async function stockClone(from: GitRemote, filter: string): Promise<string> {
  const directory = `${from.bare}.stock-${filter.replaceAll(/\W/g, '-')}`
  await git(from.work, 'init', '-q', '--bare', '-b', 'main', directory)
  await git(directory, 'remote', 'add', 'origin', from.url)
  await git(directory, 'fetch', '-q', `--filter=${filter}`, 'origin')
  // "git gc" of Git 2.39 fails in a bare partial clone with a commit of its own, whoever made that.
  await git(directory, 'config', 'repack.writeBitmaps', 'false')
  return directory
}

const openAt = async (directory: string): Promise<Repository> =>
  open(await openGitDirectory(directory))

const promisorOf = async (directory: string) => {
  const remote = await findRemote(gitDirectoryRemotes(directory), 'origin')
  return { remote }
}

/** What Git misses and takes for promised. Git fetches nothing for it. */
async function missing(directory: string): Promise<string[]> {
  const args = ['rev-list', '--objects', '--all', '--missing=print', '--no-object-names']
  const lines = (await git(directory, ...args)).split('\n')
  return lines.filter((line) => line.startsWith('?')).toSorted()
}

/** Everything that Git and we have to say against a directory. */
async function problems(directory: string): Promise<unknown[]> {
  const found: unknown[] = []
  try {
    await git(directory, 'fsck', '--strict', '--no-dangling', '--connectivity-only')
    await git(directory, 'fsck', '--strict', '--no-dangling')
  } catch (error) {
    found.push(error)
  }
  for await (const event of checkGitDirectory(directory))
    if (event.kind === 'finding' && event.finding.severity !== 'info') found.push(event.finding)
  return found
}

const packFiles = (directory: string, ending: string): string[] =>
  readdirSync(`${directory}/objects/pack`).filter((name) => name.endsWith(ending))

describe.each(FILTERS)('a fetch into a Git directory with the filter %s', (filter) => {
  it('leaves what stock Git takes for a partial clone of its own making', async () => {
    const from = source()
    const [ours, theirs] = [await ourClone(from, filter), await stockClone(from, filter)]
    for (const key of ['core.repositoryformatversion', 'remote.origin.promisor'])
      expect(await git(ours, 'config', key)).toBe(await git(theirs, 'config', key))
    expect(await git(ours, 'config', 'remote.origin.partialclonefilter')).toBe(filter)
    expect(packFiles(ours, '.promisor')).toHaveLength(packFiles(ours, '.pack').length)
    expect(await missing(ours)).toEqual(await missing(theirs))
    expect((await missing(ours)).length).toBeGreaterThan(0)
    expect(await problems(ours)).toEqual([])
  })

  it('lets stock Git fetch what it needs, and collect garbage', async () => {
    const from = source()
    const directory = await ourClone(from, filter)
    await git(directory, 'gc', '-q', '--prune=now')
    expect(await problems(directory)).toEqual([])
    const log = ['log', '-p', '--stat']
    expect(await git(directory, ...log, 'origin/main')).toBe(await git(from.work, ...log, 'main'))
    await git(directory, 'gc', '-q', '--prune=now')
    expect(await problems(directory)).toEqual([])
    const repository = await openAt(directory)
    const head = await repository.snapshot(from.oid('HEAD'))
    expect(await head.readText('top')).toBe('top\n')
    await repository.close()
  })
})

describe.each(FILTERS)('a partial clone of stock Git with %s', (filter) => {
  it('is read as far as it is here, and tells what was promised from what is lost', async () => {
    const from = source()
    const directory = await stockClone(from, filter)
    const repository = await openAt(directory)
    const { objects } = repository.store
    const lacks = await missing(directory)
    for (const oid of lacks.map((line) => parseOid(line.slice(1)))) {
      expect(await objects.state.promised(oid)).toBe('origin')
      await expect(objects.read(oid)).rejects.toThrow(NotHereError)
    }
    const strange = parseOid('1234567890123456789012345678901234567890')
    await expect(objects.read(strange)).rejects.toThrow(MissingError)
    await repository.close()
    expect(await problems(directory)).toEqual([])
  })

  it('takes commits, which push back, and stays sound for both through maintenance', async () => {
    const from = source()
    const directory = await stockClone(from, filter)
    await git(directory, 'branch', 'main', 'origin/main')
    const repository = await openAt(directory)
    const promisor = await promisorOf(directory)
    const online = <T>(work: () => Promise<T>) => withPromised(repository, () => promisor, work)
    for (const [path, content] of [
      ['a/b/mine', '1'],
      ['mine', '2'],
    ] as const) {
      const commit = () =>
        repository.branch('main').commit((files) => files.write(path, content), { message: 'Mine' })
      expect(await online(commit)).toMatchObject({ state: 'committed' })
      expect(await problems(directory)).toEqual([])
    }
    expect((await compact(repository.store.place, nodeRuntime)).merged).toBeGreaterThan(0)
    await repository.store.place.sweep({ grace: -1 })
    expect(await problems(directory)).toEqual([])
    // What is ours alone is not to be had from the remote, and Git must not think so.
    const own = ['rev-list', '--exclude-promisor-objects', '--count', 'main']
    expect(await git(directory, ...own)).toBe('2')
    await git(directory, 'gc', '-q', '--prune=now')
    expect(await problems(directory)).toEqual([])
    const { refs } = await online(() => pushRemote(repository, promisor.remote, { refs: ['main'] }))
    expect(refs).toMatchObject([{ state: 'updated' }])
    await repository.close()
    from.there('fsck', '--strict', '--no-dangling')
    expect(from.there('show', 'main:a/b/mine')).toBe('1')
  })
})

describe('a Git directory', () => {
  it('refuses to leave objects with a remote that Git could not ask', async () => {
    const from = source()
    const directory = `${from.bare}.nobody`
    await git(from.work, 'init', '-q', '--bare', directory)
    const repository = await openAt(directory)
    const { refs } = await fetchRemote(repository, from.remote, { filter: 'blob:none' })
    expect(refs).toMatchObject([{ state: 'refused', reason: expect.stringContaining('no URL') }])
    expect(packFiles(directory, '.pack')).toEqual([])
    await repository.close()
  })

  it('writes a filter down that a fetch names, and keeps what else is in the config', async () => {
    const from = source()
    const directory = `${from.bare}.named`
    await git(from.work, 'init', '-q', '--bare', directory)
    await git(directory, 'remote', 'add', 'origin', from.url)
    appendFileSync(`${directory}/config`, '# a comment\n[gc]\n\tauto = 0')
    const before = readFileSync(`${directory}/config`, 'utf8')
    const repository = await openAt(directory)
    const { remote } = await promisorOf(directory)
    await fetchRemote(repository, remote, { filter: 'blob:none' })
    await repository.close()
    const after = readFileSync(`${directory}/config`, 'utf8')
    const added = '\tpromisor = true\n\tpartialclonefilter = blob:none\n'
    const last = '\n[repack]\n\twriteBitmaps = false\n'
    const without = after.replace(added, '').replace(last, '')
    expect(without.replace('version = 1', 'version = 0')).toBe(before)
    expect(await git(directory, 'config', 'remote.origin.partialclonefilter')).toBe('blob:none')
    expect(await problems(directory)).toEqual([])
  })

  it('knows promises by extensions.partialClone alone, and by what was worked out anew', async () => {
    const from = source()
    const directory = await stockClone(from, 'blob:none')
    const [one = ''] = await missing(directory)
    await git(directory, 'config', '--unset', 'remote.origin.promisor')
    await git(directory, 'config', '--unset', 'remote.origin.partialclonefilter')
    const promised = async () => {
      const repository = await openAt(directory)
      const found = await repository.store.objects.state.promised(parseOid(one.slice(1)))
      await repository.close()
      return found
    }
    expect(await promised()).toBeUndefined()
    await git(directory, 'config', 'extensions.partialClone', 'origin')
    expect(await promised()).toBe('origin')
    rmSync(`${directory}/datakit`, { recursive: true })
    expect(await promised()).toBe('origin')
  })

  it('stays sound for both whatever the two do in turn', async () => {
    const next = random()
    const below = (limit: number) => Math.floor(next() * limit)
    console.log(`SEED=${seed}, 24 steps`)
    const from = source()
    const filter = FILTERS[below(FILTERS.length)] ?? 'blob:none'
    const directory = below(2) === 0 ? await ourClone(from, filter) : await stockClone(from, filter)
    await git(directory, 'branch', 'main', 'origin/main')
    const repository = await openAt(directory)
    const promisor = await promisorOf(directory)
    const online = <T>(work: () => Promise<T>) => withPromised(repository, () => promisor, work)
    const anyOf = (lacks: readonly string[]): Oid | undefined => {
      const line = lacks[below(lacks.length)]
      return line === undefined ? undefined : parseOid(line.slice(1))
    }
    const steps: Record<string, () => Promise<unknown>> = {
      'they commit': async () => from.commit(`a/${below(9)}`, `${next()}`.repeat(1 + below(9))),
      'we fetch': async () => fetchRemote(repository, promisor.remote),
      'git fetches': async () => await git(directory, 'fetch', '-q', 'origin'),
      'we commit': () =>
        online(() =>
          repository
            .branch('main')
            .commit((files) => files.write(`b/${below(9)}`, `${next()}`), { message: 'Ours' }),
        ),
      'we merge': () => online(() => mergeTheirs(repository)),
      'we read': async () => {
        const oid = anyOf(await missing(directory))
        if (oid !== undefined) await fetchPromised(repository, promisor, [oid])
      },
      'git reads': async () => {
        const oid = anyOf(await missing(directory))
        if (oid !== undefined) await git(directory, 'cat-file', '-t', oid)
      },
      'we compact': async () => {
        await compact(repository.store.place, nodeRuntime)
        await repository.store.place.sweep({ grace: -1 })
      },
      'git collects': async () => await git(directory, 'gc', '-q', '--prune=now'),
      'git repacks': async () => await git(directory, 'repack', '-q', '-d'),
    }
    const names = Object.keys(steps)
    const done: string[] = []
    for (let step = 0; step < 24; step++) {
      const name = names[below(names.length)] ?? 'we commit'
      done.push(name)
      await steps[name]?.()
      if (step % 4 === 3)
        expect({ found: await problems(directory), done }).toEqual({ found: [], done })
    }
    const { objects } = repository.store
    await objects.refresh()
    for (const line of await missing(directory))
      expect(await objects.state.promised(parseOid(line.slice(1)))).toBe('origin')
    await repository.close()
  })
})

async function mergeTheirs(repository: Repository): Promise<void> {
  const theirs = await (await repository.store.state()).ref('refs/remotes/origin/main')
  if (theirs !== undefined) await repository.branch('main').merge(theirs)
}
