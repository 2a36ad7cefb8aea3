/**
 * `datakit clone --filter` and `--depth`: parts of a repository of Git's own server, the server under Node and the Worker, which
 * stock Git works on as well.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import { httpBackend, type HttpBackend } from '../support/http-backend.ts'
import { runDatakit, type Run } from '../support/programs.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const folder = temporaryFolder('parts')
const root = temporaryFolder('parts-root')
const source = join(folder.path, 'corpus.git')
let backend: HttpBackend
beforeAll(async () => {
  backend = await httpBackend(root.path)
  await makeCorpus(source, { files: 60, commits: 8, layout: 'directories', seed: 5 })
})
afterAll(async () => {
  await backend.close()
  folder.remove()
  root.remove()
})

const datakit = (...args: readonly string[]): Promise<Run> => runDatakit(folder.path, ...args)

/** Objects that a clone does not have. */
async function missing(clone: string): Promise<number> {
  const objects = await git(clone, 'rev-list', '--objects', '--all', '--missing=print')
  return objects.match(/^\?/gm)?.length ?? 0
}

const kinds = ['git http-backend', 'node', 'worker'] as const

describe.each(kinds)('of %s', (kind) => {
  const inFolder = (name: string): string => join(folder.path, `${kind.replace(' ', '-')}-${name}`)
  let server: TestServer | undefined
  let url: string
  let path: string

  beforeAll(async () => {
    if (kind === 'git http-backend') {
      await git(root.path, 'init', '-q', '--bare', '-b', 'main', 'config.git')
      for (const key of [
        'uploadpack.allowFilter',
        'uploadpack.allowAnySHA1InWant',
        'http.receivepack',
      ])
        await git(join(root.path, 'config.git'), 'config', key, 'true')
      url = `${backend.url}/config.git`
    } else {
      server = await startTestServer(kind)
      url = `${server.url}/config.git`
    }
    await git(source, 'push', '-q', url, 'main', 'main~3:refs/heads/older')
    path = (await git(source, 'ls-tree', '-r', '--name-only', 'main')).split('\n')[7] ?? ''
  })
  afterAll(() => server?.stop())

  it('leaves files with the server, and every command gets what it reads, and no more', async () => {
    const clone = inFolder('filtered.git')
    expect(await datakit('clone', url, clone, '--filter=blob:none')).toMatchObject({ code: 0 })
    expect(await git(clone, 'config', 'remote.origin.promisor')).toBe('true')
    expect(await git(clone, 'config', 'remote.origin.partialclonefilter')).toBe('blob:none')
    expect(await git(clone, 'branch', '--list', '--format=%(refname:short)')).toBe('main\nolder')
    expect(await git(clone, 'rev-parse', 'origin')).toBe(await git(source, 'rev-parse', 'main'))
    const before = await missing(clone)
    expect(before).toBeGreaterThan(60)
    const got = await datakit('get', path, '-C', clone)
    expect(got).toMatchObject({ code: 0 })
    expect(got.out.trimEnd()).toBe(await git(source, 'show', `main:${path}`))
    expect(await missing(clone)).toBe(before - 1)

    const work = inFolder('work')
    await git(folder.path, 'clone', '-q', url, work)
    await git(work, 'commit', '-q', '--allow-empty', '-m', 'theirs')
    await git(work, 'push', '-q')
    expect(await datakit('set', 'mine', '1', '-C', clone)).toMatchObject({ code: 0 })
    expect((await datakit('log', '-n', '3', '-C', clone)).out).toContain('theirs')
    await git(work, 'pull', '-q')
    expect(await git(work, 'show', 'HEAD:mine')).toBe('1')
    expect(await git(work, 'rev-parse', 'HEAD')).toBe(await git(clone, 'rev-parse', 'main'))
    expect(await missing(clone)).toBe(before - 1)
    await git(clone, 'fsck', '--strict')
    // Stock Git goes on with it, and fetches what it reads.
    const [, other = ''] = (await git(source, 'ls-tree', '-r', '--name-only', 'main')).split('\n')
    expect(await git(clone, 'show', `main:${other}`)).toBe(
      await git(source, 'show', `main:${other}`),
    )
    expect(await missing(clone)).toBe(before - 2)
  })

  it('tells of a conflict, and of a branch that went', async () => {
    const clone = inFolder('conflict.git')
    await git(source, 'push', '-q', url, 'main:refs/heads/topic')
    await datakit('clone', url, clone, '--filter=tree:0', '--depth=2')
    await git(clone, 'symbolic-ref', 'HEAD', 'refs/heads/topic')
    const work = inFolder('conflict-work')
    await git(folder.path, 'clone', '-q', '-b', 'topic', url, work)
    await git(work, 'rm', '-q', path)
    await git(work, 'commit', '-q', '-m', 'theirs')
    await git(work, 'push', '-q', 'origin', 'topic')
    const set = await datakit('set', path, 'mine', '-C', clone)
    expect(set).toMatchObject({ code: 4 })
    expect(set.err).toContain(`changed the same: ${path}`)
    const keep = `${path}=ours`
    expect(await datakit('resolve', '--keep', keep, '-C', clone)).toMatchObject({ code: 0 })
    expect(await datakit('get', path, '-C', clone)).toMatchObject({ code: 0, out: 'mine\n' })
    expect(await datakit('set', path, 'again', '-C', clone)).toMatchObject({ code: 0 })
    await git(work, 'pull', '-q', '--no-rebase')
    expect(await git(work, 'show', `HEAD:${path}`)).toBe('again')
    await git(work, 'push', '-q', 'origin', ':topic')
    expect(await datakit('get', path, '-C', clone)).toMatchObject({ code: 6 })
    expect(await git(clone, 'show', `topic:${path}`)).toBe('again')
  })

  it('cuts history off, as git clone --depth does', async () => {
    const clone = inFolder('shallow.git')
    expect(await datakit('clone', url, clone, '--depth', '2')).toMatchObject({ code: 0 })
    expect(await git(clone, 'rev-list', '--count', 'main', '--first-parent')).toBe('2')
    expect(existsSync(join(clone, 'shallow'))).toBe(true)
    expect(await datakit('set', 'shallow', '1', '-C', clone)).toMatchObject({ code: 0 })
    expect(await git(source, 'ls-remote', url, 'refs/heads/main')).toContain(
      await git(clone, 'rev-parse', 'main'),
    )
    await git(clone, 'fsck', '--strict')
    expect(await datakit('fetch', '--unshallow', '-C', clone)).toMatchObject({ code: 0 })
    expect(await git(clone, 'rev-parse', '--is-shallow-repository')).toBe('false')
  })

  it('leaves nothing behind that cannot be a clone', async () => {
    const clone = inFolder('failed.git')
    if (kind === 'git http-backend') {
      const whole = await datakit('clone', url, clone)
      expect(whole).toMatchObject({ code: 1, err: expect.stringContaining('"--filter=blob:none"') })
    }
    expect((await datakit('clone', url, clone, '--depth', '0')).code).toBe(2)
    expect((await datakit('clone', url, clone, '--filter', 'nonsense')).code).toBe(2)
    const nothing = await datakit('clone', `${url.slice(0, -4)}-none.git`, clone, '--depth', '1')
    expect(nothing.code).toBe(3)
    expect(existsSync(clone)).toBe(false)
  })
})
