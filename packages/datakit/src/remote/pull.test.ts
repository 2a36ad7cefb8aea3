import type { Oid } from '@datakit/git/oid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open } from '../../test/bundles.ts'
import { read, write } from '../../test/clients.ts'
import { GitServer, oldFetch, type GitRemote } from '../../test/git-server.ts'
import { CutHistoryError } from './cut-history.ts'
import { pullRemote, type PullOptions, type PullResult } from './pull.ts'
import { pushRemote } from './push.ts'
import type { Repository } from '../repository.ts'

const server = new GitServer()
beforeAll(() => server.start())
afterAll(() => server.stop())

async function pull(
  repository: Repository,
  git: GitRemote,
  options: Partial<PullOptions> = {},
): Promise<PullResult> {
  const all = { branch: 'main', how: 'merge', ...options } as const
  return (await pullRemote(repository, git.remote, all)).branch
}

/** Both sides have a commit of their own. */
async function split(path = 'b'): Promise<{
  git: GitRemote
  repository: Repository
  ours: Oid
  theirs: Oid
}> {
  const git = server.repository()
  git.commit('a', '1\n')
  const repository = await open()
  await pull(repository, git)
  const theirs = git.commit('a', 'theirs\n')
  return { git, repository, ours: await write(repository, path, 'ours\n'), theirs }
}

describe('a pull', () => {
  it('makes the branch, then moves it forward', async () => {
    const git = server.repository()
    const first = git.commit('a', '1')
    const repository = await open()
    expect(await pull(repository, git)).toEqual({ state: 'created', oid: first })
    expect(await pull(repository, git)).toEqual({ state: 'unchanged', oid: first })
    const second = git.commit('a', '2')
    expect(await pull(repository, git)).toEqual({ state: 'fast-forward', oid: second })
    expect(await read(repository, 'a')).toBe('2')
    await write(repository, 'b', '3')
    expect(await pull(repository, git)).toMatchObject({ state: 'unchanged' })
  })

  it('merges, own branch first, and the merge can be pushed', async () => {
    const { git, repository, ours, theirs } = await split()
    const outcome = await pull(repository, git)
    expect(outcome).toMatchObject({ state: 'merged' })
    const head = await repository.branch('main').head()
    expect(head?.commit().parents).toEqual([ours, theirs])
    expect(head?.commit().message).toBe("Merge branch 'main' of origin\n")
    await pushRemote(repository, git.remote, { refs: ['main'] })
    expect(git.there('show', 'main:a')).toBe('theirs')
    git.there('fsck', '--strict', '--no-dangling')
  })

  it('gives conflicts as data, and they are resolved', async () => {
    const { git, repository, ours, theirs } = await split('a')
    const outcome = await pull(repository, git)
    expect(outcome).toMatchObject({ state: 'conflict', ours, theirs, conflicts: [{ path: 'a' }] })
    expect(await repository.branch('main').oid()).toBe(ours)
    if (outcome.state !== 'conflict') throw new Error('It is one')
    await repository.resolve('main', outcome, new Map([['a', 'theirs']]))
    expect(await read(repository, 'a')).toBe('theirs\n')
    expect(await pull(repository, git)).toMatchObject({ state: 'unchanged' })
  })

  it('moves only forward where that is asked for', async () => {
    const { git, repository, ours, theirs } = await split()
    expect(await pull(repository, git, { how: 'fast-forward' })).toEqual({
      state: 'not-fast-forward',
      ours,
      theirs,
    })
    expect(await repository.branch('main').oid()).toBe(ours)
  })

  it('sets the branch whatever it has, and says what it had', async () => {
    const { git, repository, ours, theirs } = await split()
    expect(await pull(repository, git, { how: 'set' })).toEqual({
      state: 'set',
      oid: theirs,
      before: ours,
    })
    expect(await read(repository, 'b')).toBeUndefined()
  })

  it('takes another branch than its own, and says where there is none', async () => {
    const git = server.repository()
    const first = git.commit('a', '1')
    const repository = await open()
    const options = { branch: 'local', from: 'main' }
    expect(await pull(repository, git, options)).toEqual({ state: 'created', oid: first })
    expect(await pull(repository, git, { branch: 'none' })).toEqual({ state: 'not-found' })
    await expect(pull(repository, git, { branch: 'a..b' })).rejects.toThrow(RangeError)
  })

  it('does not mix histories that have nothing in common, unless that is accepted', async () => {
    const git = server.repository()
    const theirs = git.commit('a', '1')
    const repository = await open()
    const ours = await write(repository, 'b', '2')
    expect(await pull(repository, git)).toEqual({ state: 'unrelated', ours, theirs })
    expect(await pull(repository, git, { acceptUnrelated: true })).toMatchObject({
      state: 'merged',
    })
    expect(await read(repository, 'a')).toBe('1')
  })

  it.each([{}, { fetch: oldFetch }])(
    'fetches more of a history that is cut off too near to merge: %o',
    async (options) => {
      // Seen to fail when what is cut off was taken for a root: then there was nothing in common, or all was in conflict.
      const git = server.repository()
      git.commit('a', '1\n')
      for (let i = 0; i < 4; i++) git.commit('b', `${i}\n`)
      git.run('checkout', '-q', '-b', 'side', 'main~3')
      git.commit('c', 'side\n')
      const repository = await open()
      const depth = { kind: 'depth', depth: 1, relative: false } as const
      await pullRemote(repository, git.remote, {
        branch: 'main',
        how: 'merge',
        deepen: depth,
        ...options,
      })
      const { shallow } = repository.store
      expect(shallow.size).toBe(2)
      const wish = { from: 'side', ...options }
      await expect(pull(repository, git, { ...wish, deepens: false })).rejects.toMatchObject({
        code: 'history-cut',
        shallow: [git.oid('main'), git.oid('side')],
      })
      const [main, theirs] = [repository.branch('main'), git.oid('side')]
      await expect(main.merge(theirs)).rejects.toThrow(CutHistoryError)
      expect(await main.oid()).toBe(git.oid('main'))
      expect(await pull(repository, git, wish)).toMatchObject({ state: 'merged' })
      expect(await read(repository, 'b')).toBe('3\n')
      expect(await read(repository, 'c')).toBe('side\n')
    },
  )

  it('needs no more of a history that is cut off behind what both have', async () => {
    const git = server.repository()
    for (const content of ['1', '2', '3']) git.commit('a', content)
    const repository = await open()
    const deepen = { kind: 'depth', depth: 1, relative: false } as const
    await pullRemote(repository, git.remote, { branch: 'main', how: 'merge', deepen })
    await write(repository, 'b', 'ours')
    git.commit('c', 'theirs')
    expect(await pull(repository, git, { deepens: false })).toMatchObject({ state: 'merged' })
    expect(repository.store.shallow.size).toBe(1)
  })
})
