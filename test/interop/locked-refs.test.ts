/** Locks that a program left in a Git directory when it died: a push fails where `git http-backend` fails, and nowhere else. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { BesideBackend } from '../support/beside-backend.ts'
import { git, refsOf, tryGit } from '../support/stock-git.ts'

const beside = new BesideBackend('locked')

beforeAll(() => beside.start())
afterAll(() => beside.stop())

const BRANCHES = ['a', 'b', 'c', 'gone']

/** What a push to a repository with these locks says of each ref, how it ends, and what the refs are then. */
async function pushTo(url: string, locks: readonly string[], push: readonly string[]) {
  const { source } = beside
  const { name, directory } = await beside.create()
  for (const key of ['core.filesRefLockTimeout', 'core.packedRefsTimeout'])
    await git(directory, 'config', key, '50')
  const first = BRANCHES.map((name) => `main~1:refs/heads/${name}`)
  await git(source, 'push', '--quiet', directory, ...first)
  for (const lock of locks) {
    const path = join(directory, `${lock}.lock`)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, '')
  }
  const { code, out } = await tryGit(source, 'push', '--porcelain', `${url}/${name}`, ...push)
  for (const lock of locks) rmSync(join(directory, `${lock}.lock`))
  await git(directory, 'fsck', '--strict')
  // The first line is where to.
  return { code, said: out.split('\n').slice(1), refs: await refsOf(directory) }
}

const MANY = ['main:a', 'main:b', 'main:new', ':gone', 'main:refs/tags/v1']

it.each([
  { what: 'one that is moved', locks: ['refs/heads/b'], push: MANY },
  { what: 'one that is created', locks: ['refs/heads/new'], push: MANY },
  { what: 'one that is deleted', locks: ['refs/heads/gone'], push: MANY },
  { what: 'several', locks: ['refs/heads/a', 'refs/heads/gone', 'refs/tags/v1'], push: MANY },
  { what: 'all', locks: ['a', 'b', 'new', 'gone'].map((name) => `refs/heads/${name}`), push: MANY },
  { what: 'one of a push of one', locks: ['refs/heads/a'], push: ['main:a'] },
  { what: 'one of an atomic push', locks: ['refs/heads/b'], push: ['--atomic', ...MANY] },
  { what: 'one that is not pushed', locks: ['refs/heads/c'], push: MANY },
  { what: 'packed-refs', locks: ['packed-refs'], push: MANY },
  { what: 'packed-refs and one', locks: ['packed-refs', 'refs/heads/b'], push: MANY },
  { what: 'packed-refs in an atomic push', locks: ['packed-refs'], push: ['--atomic', ...MANY] },
])('with a lock on $what, ends as with git http-backend', async ({ locks, push }) => {
  const { ours, theirs } = beside.urls
  expect(await pushTo(ours, locks, push)).toEqual(await pushTo(theirs, locks, push))
})
