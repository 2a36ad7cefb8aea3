/** Bundles of HEAD alone: `git bundle create x.bundle HEAD` names no branch. */
import { openGitDirectory } from '@datakit/storage/git-directory'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RealRepository } from '../../../git/test/real-git.ts'
import { pieces } from '../../../git/test/support/hostile.ts'
import { bundleOf, open, refLines } from '../../test/bundles.ts'
import { write } from '../../test/clients.ts'
import { exportBundle } from './bundle.ts'
import { importBundle, verifyBundle } from './bundle-import.ts'

let git: RealRepository
beforeEach(() => {
  git = new RealRepository()
  commit('One')
})
afterEach(() => git.remove())

/** Commits where HEAD is, on its branch or on none. */
function commit(message: string): void {
  const tree = git.run(['hash-object', '-t', 'tree', '-w', '--stdin'], '')
  const parents = git.run(['rev-list', '--all', '-n', '1']) === '' ? [] : ['-p', 'HEAD']
  git.run(['update-ref', 'HEAD', git.run(['commit-tree', tree, '-m', message, ...parents])])
}

const head = (): string => git.run(['rev-parse', 'HEAD'])

describe('a bundle of HEAD alone', () => {
  it('makes the branch that HEAD is on here, and moves it forward', async () => {
    const directory = `${git.folder}/taken.git`
    const repository = await open(await openGitDirectory(directory, { create: true }))
    await repository.setHead('trunk')
    const first = head()
    const bundle = bundleOf(git, 'HEAD')
    expect((await verifyBundle(repository, pieces(bundle, 100))).missing).toEqual([])
    expect((await importBundle(repository, pieces(bundle, 100))).refs).toEqual([
      { source: 'HEAD', name: 'refs/heads/trunk', oid: first, state: 'created' },
    ])
    commit('Two')
    const { refs } = await importBundle(repository, pieces(bundleOf(git, 'HEAD'), 100))
    expect(refs).toMatchObject([{ name: 'refs/heads/trunk', state: 'updated', oid: head() }])
    await repository.close()
    expect(git.run(['-C', directory, 'rev-parse', 'HEAD'])).toBe(head())
    git.run(['-C', directory, 'fsck', '--strict', '--no-dangling'])
  })

  it('drops no commit of the branch, unless it is forced', async () => {
    const repository = await open()
    const own = await write(repository, 'mine', '1')
    const bundle = bundleOf(git, 'HEAD')
    const { refs } = await importBundle(repository, pieces(bundle, 100))
    expect(refs).toMatchObject([{ name: 'refs/heads/main', state: 'refused' }])
    expect(await repository.branch('main').oid()).toBe(own)
    await importBundle(repository, pieces(bundle, 100), { force: true })
    expect(await repository.branch('main').oid()).toBe(head())
  })

  it('goes to the branches of a remote where one is named', async () => {
    const repository = await open()
    await importBundle(repository, pieces(bundleOf(git, 'HEAD'), 100), { into: 'origin' })
    expect(await refLines(repository)).toEqual([`${head()} refs/remotes/origin/main`])
  })

  it('is one also where HEAD alone is asked for, and where only tags are beside it', async () => {
    git.run(['tag', 'v1'])
    commit('Two')
    for (const [revisions, refs] of [
      [['HEAD', 'main'], ['HEAD']],
      [['HEAD', 'v1'], undefined],
    ] as const) {
      const repository = await open()
      await importBundle(repository, pieces(bundleOf(git, ...revisions), 100), { refs })
      expect(await repository.branch('main').oid()).toBe(head())
    }
  })

  it('is left alone beside branches, as it names no other commit that is meant', async () => {
    git.run(['update-ref', '--no-deref', 'HEAD', head()])
    commit('Aside')
    const repository = await open()
    const { refs } = await importBundle(repository, pieces(bundleOf(git, 'HEAD', 'main'), 100))
    expect(refs).toMatchObject([{ name: 'refs/heads/main', oid: git.run(['rev-parse', 'main']) }])
  })

  it('is refused where HEAD is on no branch', async () => {
    const directory = `${git.folder}/detached.git`
    git.run(['clone', '-q', '--bare', '.', directory])
    git.run(['-C', directory, 'update-ref', '--no-deref', 'HEAD', head()])
    commit('Two')
    const repository = await open(await openGitDirectory(directory))
    const importing = importBundle(repository, pieces(bundleOf(git, 'HEAD'), 100))
    await expect(importing).rejects.toMatchObject({ code: 'detached-head' })
    await repository.close()
  })

  it('comes of a repository of ours, too', async () => {
    const [repository, copy] = [await open(), await open()]
    const own = await write(repository, 'mine', '1')
    await importBundle(copy, exportBundle(repository, { refs: ['HEAD'] }))
    expect(await refLines(copy)).toEqual([`${own} refs/heads/main`])
  })
})
