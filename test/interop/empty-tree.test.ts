/**
 * Repositories whose commits have the empty tree, which nobody wrote: to Git it is there all the same.
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { PreparedServer } from '../support/prepared-server.ts'
import { git, refsOf } from '../support/stock-git.ts'

const EMPTY = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'
const prepared = new PreparedServer()

beforeAll(() => prepared.start())
afterAll(() => prepared.stop())

it.each(['loose', 'packed'])('serves a commit of the empty tree that is %s', async (kind) => {
  const { directory, url } = await prepared.prepare({}, '--object-format=sha1')
  const first = await git(directory, 'commit-tree', '-m', 'First', EMPTY)
  const second = await git(directory, 'commit-tree', '-m', 'Second', '-p', first, EMPTY)
  await git(directory, 'update-ref', 'refs/heads/main', second)
  if (kind === 'packed') {
    // `git repack` would write it.
    const pack = join(directory, 'objects', 'pack', 'pack')
    const run = ['-C', directory, 'pack-objects', '-q', pack]
    execFileSync('git', run, { input: `${first}\n${second}\n` })
    await git(directory, 'prune-packed')
  }
  expect(existsSync(join(directory, 'objects', EMPTY.slice(0, 2), EMPTY.slice(2)))).toBe(false)
  for (const version of ['0', '2']) {
    for (const depth of [[], ['--depth=1']]) {
      const path = join(prepared.folder.path, `clone-${prepared.nextNumber()}`)
      const options = ['-c', `protocol.version=${version}`]
      await git('.', ...options, 'clone', '--quiet', ...depth, '--bare', url, path)
      await git(path, 'fsck', '--strict')
      expect(await refsOf(path)).toBe(`${second} refs/heads/main`)
    }
  }
  const clone = join(prepared.folder.path, `work-${prepared.nextNumber()}`)
  await git('.', 'clone', '--quiet', url, clone)
  await git(clone, 'commit', '--quiet', '--allow-empty', '-m', 'Third')
  await git(clone, 'push', '--quiet', 'origin', 'HEAD:main')
  // One loose object more makes another copy, in which the empty tree must stay.
  const fourth = await git(directory, 'commit-tree', '-m', 'Fourth', '-p', 'main', EMPTY)
  await git(directory, 'update-ref', 'refs/heads/main', fourth)
  await git(clone, 'fetch', '--quiet', 'origin')
  expect(await git(clone, 'rev-parse', 'origin/main')).toBe(fourth)
})
