/**
 * A clone of the command-line tool, while stock Git does to the server what it may.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runDatakit, type Run } from '../support/programs.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const folder = temporaryFolder('clones')
let server: TestServer
let url: string
let work: string
let clone: string
let counter = 0

beforeAll(async () => {
  server = await startTestServer('node', { token: 'secret' })
})
afterAll(async () => {
  await server.stop()
  folder.remove()
})

/** A repository with one commit on two branches, its work tree, and a clone of the tool. */
beforeEach(async () => {
  const name = `r${++counter}`
  url = `${server.url.replace('//', '//ada:secret@')}/${name}.git`
  work = join(folder.path, `${name}-work`)
  clone = join(folder.path, `${name}.git`)
  await git(folder.path, 'init', '--quiet', '-b', 'main', work)
  await commit('k', '1\n')
  await git(work, 'branch', 'dev')
  await git(work, 'push', '--quiet', url, 'main', 'dev')
  await datakit('clone', url, clone)
})

const datakit = (...args: readonly string[]): Promise<Run> => runDatakit(folder.path, ...args)
const inClone = (...args: readonly string[]): Promise<Run> => datakit(...args, '-C', clone)

async function commit(path: string, content: string): Promise<string> {
  writeFileSync(join(work, path), content)
  await git(work, 'add', path)
  await git(work, 'commit', '--quiet', '-m', `Set ${path}`)
  return git(work, 'rev-parse', 'HEAD')
}

/** Where the server's branches are. */
async function heads(): Promise<Record<string, string>> {
  const lines = (await git(work, 'ls-remote', '--heads', url)).split('\n')
  return Object.fromEntries(
    lines.map((line) => [line.slice('refs/heads/'.length + 41), line.slice(0, 40)]),
  )
}

/** A commit that was pushed, seen by the clone, and taken off the server's branch again. */
async function dropCommit(): Promise<string> {
  await commit('s', 'oops\n')
  await git(work, 'push', '--quiet', url, 'main')
  expect((await inClone('get', 's')).out).toBe('oops\n')
  await git(work, 'reset', '--quiet', '--hard', 'HEAD~1')
  const amended = await commit('other', '2\n')
  await git(work, 'push', '--quiet', '--force', url, 'main')
  return amended
}

describe('a clone of the tool', () => {
  it.each(['get', 'log'])('%s takes what is on the server and sends nothing', async (command) => {
    const before = await heads()
    await inClone('set', 'mine', '1', '--offline')
    const run = await inClone(command, 'mine')
    expect(run.code).toBe(0)
    expect(run.err).toContain('"datakit sync" sends them')
    expect(await heads()).toEqual(before)
    expect((await inClone('sync')).code).toBe(0)
    expect((await heads())['main']).toBe(await git(clone, 'rev-parse', 'main'))
  })

  it('follows a branch that was rewritten, when it only reads', async () => {
    const amended = await dropCommit()
    expect(await inClone('get', 's')).toMatchObject({ code: 3 })
    expect(await inClone('get', 'other')).toMatchObject({ code: 0, out: '2\n' })
    expect((await heads())['main']).toBe(amended)
    await git(clone, 'fsck', '--strict')
  })

  it('brings back nothing that was dropped, and says how to go on', async () => {
    await inClone('set', 'mine', '1', '--offline')
    await git(clone, 'fsck')
    await commit('s', 'oops\n')
    await git(work, 'push', '--quiet', url, 'main')
    expect((await inClone('sync')).code).toBe(0)
    await inClone('set', 'mine', '2', '--offline')
    const mine = await git(clone, 'rev-parse', 'main')
    await git(work, 'push', '--quiet', '--force', url, 'dev:main')
    const dev = (await heads())['dev']

    const run = await inClone('set', 'mine', '3')
    expect(run.code).toBe(4)
    expect(run.err).toContain('--keep-mine-as')
    expect((await heads())['main']).toBe(dev)
    expect((await inClone('sync', '--keep-mine-as', 'main')).code).toBe(1)
    const kept = await inClone('sync', '--keep-mine-as', 'kept', '--json')
    expect(kept.code).toBe(0)
    expect(await heads()).toMatchObject({ main: dev, dev })
    expect(await git(clone, 'merge-base', mine, (await heads())['kept'] ?? '')).toBe(mine)
    expect((await inClone('sync', '--keep-mine-as', 'again')).err).toContain('nothing to decide')
  })

  it('sends what was dropped when told to', async () => {
    await inClone('set', 'mine', '1')
    await git(work, 'push', '--quiet', '--force', url, 'dev:main')
    await inClone('set', 'mine', '2', '--offline')
    expect((await inClone('sync')).code).toBe(4)
    expect((await inClone('sync', '--restore')).code).toBe(0)
    expect((await heads())['main']).toBe(await git(clone, 'rev-parse', 'main'))
  })

  it('says that the server has the branch no more, keeps the commit, and makes it again', async () => {
    await git(clone, 'symbolic-ref', 'HEAD', 'refs/heads/dev')
    await git(work, 'push', '--quiet', url, ':dev')
    const run = await inClone('set', 'q', '1')
    expect(run.code).toBe(6)
    expect(run.err).toContain('datakit sync --restore')
    expect(await inClone('get', 'q', '--offline')).toMatchObject({ code: 0, out: '1\n' })
    expect((await inClone('get', 'q')).code).toBe(6)
    expect(Object.keys(await heads())).toEqual(['main'])
    expect((await inClone('sync', '--restore')).code).toBe(0)
    expect((await heads())['dev']).toBe(await git(clone, 'rev-parse', 'dev'))
    // A branch that nobody is on may go.
    await git(work, 'push', '--quiet', url, ':dev')
    await git(clone, 'symbolic-ref', 'HEAD', 'refs/heads/main')
    expect(await inClone('set', 'q', '2')).toMatchObject({ code: 0, err: '' })
  })

  it('goes on when a branch made way for one below it', async () => {
    await git(work, 'push', '--quiet', url, ':dev')
    await git(work, 'push', '--quiet', url, 'main:dev/one')
    expect(await inClone('set', 'q', '1')).toMatchObject({ code: 0, err: '' })
    await git(clone, 'fsck', '--strict')
  })

  it('takes every kind of tag', async () => {
    await git(work, 'tag', '-a', '-m', 'one', 'v1')
    await git(work, 'tag', 'v2', 'main:k')
    await git(work, 'push', '--quiet', url, '--tags')
    for (const value of ['1', '2']) expect((await inClone('set', 'q', value)).code).toBe(0)
    expect(await git(clone, 'cat-file', '-t', 'v1')).toBe('tag')
    expect(await git(clone, 'cat-file', 'blob', 'v2')).toBe('1')
    await git(clone, 'fsck', '--strict')
  })

  it('is one also where HEAD has no commit', async () => {
    await git(work, 'push', '--quiet', url.replace(/r\d+/, 'unborn'), 'main:trunk')
    const place = join(server.data, 'unborn.git')
    await git(place, 'symbolic-ref', 'HEAD', 'refs/heads/main')
    const target = join(folder.path, 'unborn.git')
    const run = await datakit('clone', url.replace(/r\d+/, 'unborn'), target)
    expect(run.code).toBe(0)
    expect(run.err).toContain('HEAD is main, which has no commit')
    expect(await git(target, 'rev-parse', 'trunk')).toBe(await git(work, 'rev-parse', 'main'))
    await git(target, 'symbolic-ref', 'HEAD', 'refs/heads/trunk')
    expect((await datakit('get', 'k', '-C', target)).out).toBe('1\n')
  })

  it('takes the token from the URL, and shows it to nobody', async () => {
    const again = await datakit('clone', url, join(folder.path, 'again.git'))
    expect(again).toMatchObject({ code: 0, err: '' })
    expect(again.out).not.toContain('secret')
    const run = await datakit('clone', url.replace(/r\d+/, 'nothing'), join(folder.path, 'none'))
    expect(run.code).toBe(3)
    expect(run.err).not.toContain('secret')
    const wrong = await datakit('clone', url.replace('secret', 'wrong'), join(folder.path, 'none'))
    expect(wrong.code).toBe(1)
    expect(wrong.out + wrong.err).not.toMatch(/secret|wrong/)
  })
})
