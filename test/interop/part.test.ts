/**
 * `datakit clone --path`, `--branch` and `--blob-limit`: a part of a repository of the server under Node and of the Worker, in a Git
 * directory that stock Git works on as well.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import { runDatakit, type Run } from '../support/programs.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const folder = temporaryFolder('part')
const root = temporaryFolder('part-root')
const source = join(folder.path, 'corpus.git')
beforeAll(() => makeCorpus(source, { files: 200, commits: 30, layout: 'directories', seed: 7 }))
afterAll(() => {
  folder.remove()
  root.remove()
})

const datakit = (...args: readonly string[]): Promise<Run> => runDatakit(folder.path, ...args)

/** Oids that `git rev-list` prints, or those that it misses. */
async function listed(clone: string, ...args: readonly string[]): Promise<string[]> {
  const out = await git(clone, 'rev-list', '--objects', '--no-object-names', ...args)
  return out.split('\n').filter((line) => line !== '')
}

async function missing(clone: string, ...revisions: readonly string[]): Promise<string[]> {
  const all = await listed(clone, '--missing=print', ...revisions)
  return all.filter((line) => line.startsWith('?'))
}

describe.each(SERVER_KINDS)('a part of a repository of a server of kind %s', (kind) => {
  const inFolder = (name: string): string => join(folder.path, `${kind}-${name}`)
  let server: TestServer
  let url: string
  /** A file in one directory of several, and one in another. */
  let [inside, outside] = ['', '']
  const above = (path: string): string => path.slice(0, path.lastIndexOf('/'))

  beforeAll(async () => {
    server = await startTestServer(kind, kind === 'node' ? { data: root.path } : {})
    url = `${server.url}/config.git`
    await git(source, 'push', '-q', url, 'main', 'main~3:refs/heads/older')
    const files = (await git(source, 'ls-tree', '-r', '--name-only', 'main')).split('\n')
    inside = files[0] ?? ''
    outside = files.findLast((path) => above(path) !== above(inside)) ?? ''
  })
  afterAll(() => server.stop())

  it('is what was asked for, to us and to stock Git, and sends what is made in it', async () => {
    const clone = inFolder('path.git')
    const directory = above(inside)
    expect(
      await datakit('clone', url, clone, '--path', `${directory}/`, '--branch', 'main'),
    ).toMatchObject({ code: 0 })
    expect(await git(clone, 'branch', '--list', '--format=%(refname:short)')).toBe('main')
    expect(await git(clone, 'config', 'remote.origin.promisor')).toBe('true')
    // Every version of what is in the directory is here, and nothing of the others.
    expect(
      await missing(
        clone,
        ...(await git(clone, 'rev-list', 'main'))
          .split('\n')
          .map((commit) => `${commit}:${directory}`),
      ),
    ).toEqual([])
    const lacking = await missing(clone, 'main')
    expect(lacking.length).toBeGreaterThan(1)
    await git(clone, 'fsck', '--strict')
    const offline = await datakit('get', inside, '-C', clone, '--offline')
    expect(offline.out.trimEnd()).toBe(await git(source, 'show', `main:${inside}`))
    expect(await datakit('set', `${directory}/mine`, '1', '-C', clone)).toMatchObject({ code: 0 })
    expect((await missing(clone, 'main')).length).toBe(lacking.length)
    expect(await git(source, 'ls-remote', url, 'refs/heads/main')).toContain(
      await git(clone, 'rev-parse', 'main'),
    )
    const got = await datakit('get', outside, '-C', clone)
    expect(got.out.trimEnd()).toBe(await git(source, 'show', `main:${outside}`))
    await git(clone, 'fsck', '--strict')
    if (kind === 'node') await git(join(root.path, 'config.git'), 'fsck', '--strict', '--full')
    // Stock Git fetches what it reads from the same server.
    const log = ['log', '-p', '--no-renames', 'main~1']
    expect(await git(clone, ...log)).toBe(await git(source, ...log.slice(0, -1), 'main'))
  })

  it('is widened and made whole by a sync', async () => {
    const clone = inFolder('wide.git')
    const limit = ['--blob-limit', '0']
    expect(await datakit('clone', url, clone, '--path', above(inside), ...limit)).toMatchObject({
      code: 0,
    })
    const narrow = (await missing(clone, '--all')).length
    const choose = ['sync', '-C', clone, '--path', above(inside), '--path', above(outside)]
    expect(await datakit(...choose, '--blob-limit', '1m')).toMatchObject({ code: 0 })
    const tree = `main:${above(outside)}`
    expect(await missing(clone, tree)).toEqual([])
    expect((await missing(clone, '--all')).length).toBeLessThan(narrow)
    // The next one asks for the same.
    await datakit('sync', '-C', clone)
    await git(clone, 'fsck', '--strict')
    expect(await datakit('sync', '-C', clone, '--whole')).toMatchObject({ code: 0 })
    expect(await missing(clone, '--branches')).toEqual([])
    await git(clone, 'fsck', '--strict')
  })

  it('says what is wrong with what was asked for', async () => {
    const clone = inFolder('wrong.git')
    for (const wrong of [
      ['--path', '../a'],
      ['--blob-limit', 'much'],
      ['--path', 'a', '--filter', 'blob:none'],
    ]) {
      expect(await datakit('clone', url, clone, ...wrong)).toMatchObject({ code: 2 })
    }
    const nothing = await datakit('clone', url, clone, '--branch', 'nowhere')
    expect(nothing).toMatchObject({ code: 3 })
  })
})
