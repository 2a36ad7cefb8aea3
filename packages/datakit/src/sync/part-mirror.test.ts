/**
 * The mirror of a server of which some branches are wanted, beside that of stock Git with the same refspecs and `fetch --prune`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { gitDirectoryDepot } from '@datakit/storage/git-directory'
import { git } from '../../../../test/support/stock-git.ts'
import { forceTag, refs, write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import { setChoice } from './choice.ts'
import { sync } from './sync.ts'

const folder = mkdtempSync(join(tmpdir(), 'datakit-mirror-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Deletes refs on the server, as stock Git does. */
async function remove(server: string, ...names: readonly string[]): Promise<void> {
  for (const name of names) await git(server, 'update-ref', '-d', name)
}

/** The branches and tags of ours that mirror the server's, under the names that Git gives them. */
async function mirrored(client: Parameters<typeof refs>[0]): Promise<Record<string, string>> {
  const branches = await refs(client, 'refs/remotes/origin/')
  const tags = Object.entries(await refs(client, 'refs/datakit/origin/tags/'))
  return {
    ...branches,
    ...Object.fromEntries(tags.map(([name, oid]) => [name.replace('datakit/origin/', ''), oid])),
  }
}

const CASES: readonly [string, readonly string[], readonly string[]][] = [
  [
    'branches by their names and a pattern',
    ['main', 'team/*'],
    ['+refs/heads/main:refs/remotes/origin/main', '+refs/heads/team/*:refs/remotes/origin/team/*'],
  ],
  [
    'branches and all tags',
    ['main', 'refs/tags/*'],
    ['+refs/heads/main:refs/remotes/origin/main', '+refs/tags/*:refs/tags/*'],
  ],
  ['all branches', ['*'], ['+refs/heads/*:refs/remotes/origin/*']],
]

describe('a tag that is new on the server', () => {
  it('comes though nothing else is new, where it leads to what is wanted', async () => {
    const network = new Network()
    const ada = await network.client()
    const oid = await write(ada, 'file', 'main\n')
    await sync(ada, network.options)
    const part = await network.client('Grace')
    await setChoice(part, { branches: ['main'] })
    for (const tag of ['v1', 'v2']) {
      await sync(part, network.options)
      await forceTag(await network.server(), tag, oid)
    }
    await sync(part, network.options)
    expect(await refs(part, 'refs/tags/')).toEqual({ 'refs/tags/v1': oid, 'refs/tags/v2': oid })
  })
})

describe('what was deleted on the server', () => {
  it.each(CASES)('leaves the mirror as in Git, with %s', async (name, branches, refspecs) => {
    const home = join(folder, name.replaceAll(' ', '-'))
    const depot = gitDirectoryDepot(home, { create: true })
    const network = new Network({ depot })
    const ada = await network.client()
    await write(ada, 'file', 'main\n')
    for (const branch of ['dev', 'team/x', 'team/y']) {
      await ada.branch('main').fork(branch)
      await write(ada, 'file', `${branch}\n`, branch)
    }
    await sync(ada, network.options)
    const server = await network.server()
    for (const branch of ['main', 'dev', 'team/x']) {
      const oid = await server.branch(branch).oid()
      if (oid !== undefined) await forceTag(server, `of-${branch.replace('/', '-')}`, oid)
    }
    const served = join(home, 'config.git')
    const clone = join(home, 'clone')
    await git(home, 'init', '-q', '--bare', clone)
    await git(clone, 'remote', 'add', 'origin', served)
    await git(clone, 'config', '--unset-all', 'remote.origin.fetch')
    for (const refspec of refspecs)
      await git(clone, 'config', '--add', 'remote.origin.fetch', refspec)
    const part = await network.client('Grace')
    const both = async (): Promise<void> => {
      await sync(part, network.options)
      await git(clone, 'fetch', '-q', '--prune', 'origin')
      const lines = (await git(clone, 'for-each-ref', '--format=%(refname) %(objectname)')).split(
        '\n',
      )
      const theirs = Object.fromEntries(lines.map((line) => line.split(' ')))
      expect(await mirrored(part)).toEqual(theirs)
    }
    // What is here of all before is here of a part, and nobody says that it is to go.
    await git(clone, 'fetch', '-q', 'origin', '+refs/heads/*:refs/remotes/origin/*')
    await sync(part, network.options)
    await setChoice(part, { branches })
    await git(clone, 'fetch', '-q', 'origin', '+refs/tags/*:refs/tags/*')
    await both()
    await remove(served, 'refs/heads/dev', 'refs/heads/team/x')
    await both()
    await remove(served, 'refs/tags/of-main', 'refs/tags/of-dev', 'refs/tags/of-team-x')
    await both()
    await write(part, 'file', 'newer\n')
    await both()
    await depot.close()
  })
})
