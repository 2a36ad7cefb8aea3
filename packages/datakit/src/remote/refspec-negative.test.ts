/** Negative refspecs, `^refs/heads/wip/*`: what Git leaves out is left out here. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { gitText } from '../../../git/test/support/example.ts'
import { open, refLines } from '../../test/bundles.ts'
import { GitServer } from '../../test/git-server.ts'
import { fetchRemote } from './fetch.ts'
import { pushRemote } from './push.ts'
import { remoteOf } from './remotes.ts'

const server = new GitServer()
beforeAll(() => server.start())
afterAll(() => server.stop())

const SPECS = [
  '+refs/heads/*:refs/remotes/origin/*',
  '^refs/heads/wip/*',
  '^refs/heads/gone',
  '^refs/tags/old*',
]

describe('a negative refspec', () => {
  it('leaves out what it means of a fetch, of its tags and of a prune, as in Git', async () => {
    const git = server.repository()
    git.commit('a', '1')
    git.run('tag', 'old')
    git.run('tag', 'v1')
    git.run('checkout', '-q', '-b', 'aside')
    git.commit('b', '1', false)
    git.run('tag', 'old-aside')
    git.run('tag', 'aside')
    git.run('push', '-q', 'origin', 'main:wip/a', 'main:topic', 'main:gone', '--tags')
    const judge = `${git.bare}.judge`
    gitText(git.work, ['init', '-q', '--bare', judge])
    gitText(judge, ['remote', 'add', 'origin', git.bare])
    gitText(judge, ['config', '--unset-all', 'remote.origin.fetch'])
    for (const spec of SPECS) gitText(judge, ['config', '--add', 'remote.origin.fetch', spec])
    const repository = await open()
    const remote = remoteOf({ name: 'origin', url: git.url, fetch: SPECS })
    const isAlike = async (): Promise<void> => {
      const lines = gitText(judge, ['for-each-ref', '--format=%(objectname) %(refname)'])
      expect(await refLines(repository)).toEqual(lines.split('\n'))
    }

    // Tags that lead to what comes are followed all the same.
    gitText(judge, ['fetch', '-q', 'origin'])
    await fetchRemote(repository, remote)
    await isAlike()
    // What was fetched before it was left out stays, and what is gone does not.
    const all = ['+refs/heads/*:refs/remotes/origin/*']
    gitText(judge, ['fetch', '-q', 'origin', ...all])
    await fetchRemote(repository, remote, { refspecs: all })
    git.there('update-ref', '-d', 'refs/heads/topic')
    git.there('update-ref', '-d', 'refs/heads/gone')
    gitText(judge, ['fetch', '-q', '--prune', 'origin'])
    await fetchRemote(repository, remote, { prune: true })
    await isAlike()
    gitText(judge, ['fetch', '-q', '--tags', 'origin'])
    await fetchRemote(repository, remote, { tags: 'all' })
    await isAlike()
  })

  it('leaves out what it means of a push', async () => {
    const git = server.repository()
    const head = git.commit('a', '1')
    const repository = await open()
    await fetchRemote(repository, git.remote)
    for (const name of ['one', 'two', 'wip/a']) await repository.branch(name).create(head)
    const refs = ['refs/heads/*', '^refs/heads/wip/*', '^refs/heads/two']
    const outcome = await pushRemote(repository, git.remote, { refs })
    expect(outcome.refs.map(({ name, state }) => `${state} ${name}`)).toEqual([
      'created refs/heads/one',
    ])
    expect(git.there('for-each-ref', '--format=%(refname)')).toBe('refs/heads/main\nrefs/heads/one')
  })
})
