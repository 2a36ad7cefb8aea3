/**
 * Sync from a repository that left files with a remote of Git's: to a DataKit server and back.
 */
import { NotHereError } from '@datakit/git/error'
import { openGitDirectory } from '@datakit/storage/git-directory'
import { memoryPlace } from '@datakit/storage/memory'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { git } from '../../../../test/support/stock-git.ts'
import { open } from '../../test/bundles.ts'
import { read, write } from '../../test/clients.ts'
import { GitServer } from '../../test/git-server.ts'
import { Network } from '../../test/network.ts'
import { fetchOnDemand, promisorsIn } from '../files/on-demand.ts'
import { pullRemote } from '../remote/pull.ts'
import { remoteOf } from '../remote/remotes.ts'
import { sync } from './sync.ts'

const server = new GitServer()
beforeAll(() => server.start())
afterAll(() => server.stop())

const LINES = Array.from({ length: 400 }, (_, i) => `${(i * 7919) % 10_007} ${i}`)

describe.each(['memory', 'git-directory'])('a partial repository in a place of kind %s', (kind) => {
  it.each(['blob:none', 'tree:0'])(
    'syncs whole, and takes what others made, with %s',
    async (filter) => {
      const from = server.repository()
      from.there('config', 'uploadpack.allowAnySHA1InWant', 'true')
      for (let i = 0; i < 300; i++) from.commitLater(`flat/file-${i}`, `${i}\n`)
      from.commitLater('a/deep/large', LINES.join('\n'))
      from.commit('top', 'top\n')
      const directory = `${from.bare}.partial`
      await git(from.work, 'init', '-q', '--bare', '-b', 'main', directory)
      await git(directory, 'remote', 'add', 'upstream', from.url)
      const place = kind === 'memory' ? memoryPlace() : await openGitDirectory(directory)
      const repository = await open(place)
      const remote = remoteOf({ name: 'upstream', url: from.url, filter })
      await pullRemote(repository, remote, { branch: 'main', how: 'merge' })
      const network = new Network()
      await expect(sync(repository, network.options)).rejects.toThrow(NotHereError)
      const list = { list: async () => [remote] }
      fetchOnDemand(repository, promisorsIn(list))
      expect((await sync(repository, network.options)).branches).toMatchObject([
        { state: 'pushed' },
      ])
      const other = await network.client()
      await sync(other, network.options)
      expect(await read(other, 'top')).toBe('top\n')

      // What the other makes is told by deltas to what was left with the remote.
      const again = await open(kind === 'memory' ? memoryPlace() : place)
      if (kind === 'memory') {
        await pullRemote(again, remote, { branch: 'main', how: 'merge' })
        fetchOnDemand(again, promisorsIn(list))
      }
      await write(other, 'a/deep/large', `${LINES.join('\n')}\nand more`)
      await write(other, 'flat/file-7', 'theirs\n')
      await write(again, 'flat/file-8', 'ours\n')
      await sync(other, network.options)
      expect((await sync(again, network.options)).branches).toMatchObject([{ state: 'merged' }])
      expect(await read(again, 'flat/file-7')).toBe('theirs\n')
      expect(await read(again, 'a/deep/large')).toContain('and more')
      expect(await read(again, 'flat/file-9')).toBe('9\n')
      await sync(other, network.options)
      expect(await read(other, 'flat/file-8')).toBe('ours\n')
      await repository.close()
      if (kind === 'git-directory') await git(directory, 'fsck', '--strict')
    },
  )
})
