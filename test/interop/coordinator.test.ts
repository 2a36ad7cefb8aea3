/**
 * Pushes that come together, to a Worker whose bucket takes one write a second to a key: with a Durable Object that gathers
 * them and without.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startTestServer, temporaryFolder } from '../support/servers.ts'
import { git, tryGit } from '../support/stock-git.ts'

const PUSHES = 6

describe.each([
  ['with a Durable Object', true],
  ['without', false],
])('pushes that come together, %s', (_, coordinated) => {
  it('all arrive, each with its objects, and one of two on a branch is told', async () => {
    const folder = temporaryFolder('coordinated')
    const server = await startTestServer('worker', { coordinated })
    const url = `${server.url}/config.git`
    const source = join(folder.path, 'source')
    try {
      await git(folder.path, 'init', '--quiet', '--initial-branch=main', source)
      const tree = await git(source, 'mktree')
      const commit = (message: string, ...parents: string[]) =>
        git(source, 'commit-tree', '-m', message, ...parents.flatMap((p) => ['-p', p]), tree)
      const first = await commit('First')
      await git(source, 'push', '--quiet', url, `${first}:refs/heads/main`)
      const pushes = await Promise.all(
        Array.from({ length: PUSHES }, async (_unused, i) => {
          const oid = await commit(`Of ${i}`, first)
          return { oid, run: await tryGit(source, 'push', url, `${oid}:refs/heads/b${i}`) }
        }),
      )
      const rivals = await Promise.all(
        ['one', 'other'].map(async (message) =>
          tryGit(source, 'push', url, `${await commit(message, first)}:refs/heads/main`),
        ),
      )
      expect(pushes.map(({ run }) => run.err).join('')).not.toContain('error')
      expect(rivals.map(({ code }) => code === 0).toSorted()).toEqual([false, true])
      const mirror = join(folder.path, 'mirror.git')
      await git(folder.path, 'clone', '--quiet', '--mirror', url, mirror)
      for (const [i, { oid, run }] of pushes.entries()) {
        expect(run.code).toBe(0)
        expect(await git(mirror, 'rev-parse', `refs/heads/b${i}`)).toBe(oid)
      }
      execFileSync('git', ['-C', mirror, 'fsck', '--strict'], { stdio: 'pipe' })
    } finally {
      await server.stop()
      folder.remove()
    }
  }, 120_000)
})
