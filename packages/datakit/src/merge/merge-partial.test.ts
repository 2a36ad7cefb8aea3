/** Merges where files were left with a remote that is out of reach. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open } from '../../test/bundles.ts'
import { write } from '../../test/clients.ts'
import { GitServer } from '../../test/git-server.ts'
import { fetchOnDemand, promisorsIn } from '../files/on-demand.ts'
import type { FetchOptions } from '../remote/fetch.ts'
import { pullRemote } from '../remote/pull.ts'
import { findRemote, remoteOf, storedRemotes } from '../remote/remotes.ts'
import type { Repository } from '../repository.ts'

const server = new GitServer()
beforeAll(() => server.start())
afterAll(() => server.stop())

/** A repository that left all files with Git's, has read `paths` of its head, and is cut off from it; if it fetches at all. */
async function cutOff(
  files: Readonly<Record<string, string>>,
  paths: readonly string[],
  isOnDemand: boolean,
): Promise<Repository> {
  const git = server.repository()
  git.there('config', 'uploadpack.allowAnySHA1InWant', 'true')
  for (const [path, content] of Object.entries(files)) git.commitLater(path, content)
  git.commit('last', '1')
  let isDown = false
  const fetching: FetchOptions['fetch'] = async (url, init) => {
    if (isDown) throw new TypeError('no network')
    return fetch(url, init)
  }
  const repository = await open()
  const remotes = storedRemotes(repository)
  await remotes.add(remoteOf({ name: 'origin', url: git.url, filter: 'blob:none' }))
  const origin = await findRemote(remotes, 'origin')
  await pullRemote(repository, origin, { branch: 'main', how: 'set', fetch: fetching })
  fetchOnDemand(
    repository,
    promisorsIn(remotes, () => ({ fetch: fetching })),
  )
  const head = await repository.branch('main').head()
  for (const path of paths) await head?.read(path)
  isDown = true
  if (!isOnDemand) repository.store.onDemand = undefined
  await repository.branch('main').fork('topic')
  return repository
}

const LINES = 'a\nb\nc\nd\n'

describe.each([true, false])('a merge without the remote, fetching on demand: %s', (isOnDemand) => {
  it('says which attributes are not here, since they say how to merge', async () => {
    const files = { '.gitattributes': '*.txt merge=union\n', 'd/f.txt': LINES }
    const repository = await cutOff(files, ['d/f.txt'], isOnDemand)
    const theirs = await write(repository, 'd/f.txt', `A\nb\nc\nd\n`, 'topic')
    const head = await write(repository, 'd/f.txt', `a\nb\nc\nD\n`)
    const merging = repository.branch('main').merge(theirs)
    await expect(merging).rejects.toMatchObject({
      code: 'not-here',
      path: '.gitattributes',
      remote: 'origin',
      message: expect.stringContaining('".gitattributes"'),
    })
    expect(await repository.branch('main').oid()).toBe(head)
  })

  it('says which file is not here', async () => {
    const repository = await cutOff({ 'd/f.txt': LINES }, [], isOnDemand)
    const theirs = await write(repository, 'd/f.txt', `A\nb\nc\nd\n`, 'topic')
    await write(repository, 'd/f.txt', `a\nb\nc\nD\n`)
    const merging = repository.branch('main').merge(theirs)
    await expect(merging).rejects.toMatchObject({ code: 'not-here', path: 'd/f.txt' })
  })

  it('does without what does not govern what is merged', async () => {
    const files = {
      'd/.gitattributes': '*.txt merge=union\n',
      'd/x': '1',
      'd/y': '1',
      'f.txt': LINES,
    }
    const repository = await cutOff(files, ['f.txt'], isOnDemand)
    await write(repository, 'd/x', '2', 'topic')
    const theirs = await write(repository, 'f.txt', `A\nb\nc\nd\n`, 'topic')
    await write(repository, 'd/y', '2')
    await write(repository, 'f.txt', `a\nb\nc\nD\n`)
    const merged = await repository.branch('main').merge(theirs)
    expect(merged).toMatchObject({ state: 'committed', how: 'fast-forward' })
    const head = await repository.branch('main').head()
    expect(await head?.readText('f.txt')).toBe('A\nb\nc\nD\n')
  })
})
