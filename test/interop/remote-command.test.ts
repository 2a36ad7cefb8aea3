/**
 * `datakit remote`, `fetch`, `pull` and `push`: against Git's own server, the server under Node and the Worker.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import { httpBackend, type HttpBackend } from '../support/http-backend.ts'
import { runDatakit, type Run } from '../support/programs.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git, refsOf } from '../support/stock-git.ts'

const folder = temporaryFolder('remotes')
const root = temporaryFolder('remotes-root')
let backend: HttpBackend
let counter = 0
beforeAll(async () => {
  backend = await httpBackend(root.path)
  await makeCorpus(join(folder.path, 'corpus.git'), {
    files: 80,
    commits: 12,
    layout: 'directories',
    seed: 3,
  })
})
afterAll(async () => {
  await backend.close()
  folder.remove()
  root.remove()
})

const datakit = (...args: readonly string[]): Promise<Run> => runDatakit(folder.path, ...args)

const kinds = ['git http-backend', 'node', 'worker'] as const

describe.each(kinds)('with %s', (kind) => {
  let server: TestServer | undefined
  let url: string
  let ours: string

  beforeAll(async () => {
    const name = `r${++counter}`
    if (kind === 'git http-backend') {
      await git(root.path, 'init', '-q', '--bare', '-b', 'main', `${name}.git`)
      url = `${backend.url}/${name}.git`
    } else {
      server = await startTestServer(kind)
      url = `${server.url}/${name}.git`
    }
    ours = join(folder.path, `${name}.git`)
    await git(folder.path, 'clone', '-q', '--bare', 'corpus.git', ours)
    await git(ours, 'remote', 'remove', 'origin')
    await datakit('remote', 'add', 'origin', url, '-C', ours)
  })
  afterAll(() => server?.stop())

  it('pushes, fetches, pulls and forces, and Git sees the same', async () => {
    expect(await datakit('push', '-C', ours)).toMatchObject({ code: 0 })
    const work = join(folder.path, `work-${counter}`)
    await git(folder.path, 'clone', '-q', url, work)
    expect(await git(work, 'rev-parse', 'HEAD')).toBe(await git(ours, 'rev-parse', 'main'))
    expect(await git(ours, 'rev-parse', 'origin/main')).toBe(await git(ours, 'rev-parse', 'main'))
    await git(work, 'commit', '-q', '--allow-empty', '-m', 'theirs')
    await git(work, 'tag', '-a', '-m', 'one', `v-${counter}`)
    await git(work, 'push', '-q', 'origin', 'HEAD', '--tags')
    expect((await datakit('fetch', '-C', ours)).out).toContain(
      'updated    refs/remotes/origin/main',
    )
    expect(await git(ours, 'rev-parse', `v-${counter}`)).toBe(
      await git(work, 'rev-parse', `v-${counter}`),
    )
    // As stock Git has it after a clone: the remote by its name alone.
    expect(await git(ours, 'symbolic-ref', 'refs/remotes/origin/HEAD')).toBe(
      'refs/remotes/origin/main',
    )
    expect(await git(ours, 'rev-parse', 'origin')).toBe(await git(work, 'rev-parse', 'HEAD'))
    expect((await datakit('remote', 'set-head', 'origin', '--delete', '-C', ours)).code).toBe(0)
    expect((await datakit('remote', 'set-head', 'origin', 'none', '-C', ours)).code).toBe(3)
    expect((await datakit('remote', 'set-head', 'origin', '--auto', '-C', ours)).out).toBe('main\n')
    expect(await datakit('fetch', '--prune', '-C', ours)).toMatchObject({ code: 0 })
    expect(await git(ours, 'rev-parse', 'origin')).toBe(await git(work, 'rev-parse', 'HEAD'))
    expect((await datakit('set', 'mine', '1', '--offline', '-C', ours)).code).toBe(0)
    const early = await datakit('push', '-C', ours)
    expect(early).toMatchObject({ code: 4 })
    expect(early.err).toContain('pull first')
    expect((await datakit('pull', '--ff-only', '-C', ours)).code).toBe(4)
    expect((await datakit('pull', '-C', ours)).out).toContain('merged')
    expect((await datakit('push', '-C', ours)).code).toBe(0)
    await git(work, 'pull', '-q')
    await git(work, 'fsck', '--strict')
    expect(await git(work, 'rev-parse', 'HEAD')).toBe(await git(ours, 'rev-parse', 'main'))
    await git(ours, 'update-ref', 'refs/heads/main', 'main^')
    expect((await datakit('push', '-C', ours)).code).toBe(4)
    expect((await datakit('push', '--force-with-lease', '-C', ours)).code).toBe(0)
    expect(await git(work, 'ls-remote', 'origin', 'refs/heads/main')).toContain(
      await git(ours, 'rev-parse', 'main'),
    )
  })

  it('clones a part, deepens it and pushes from there', async () => {
    const part = join(folder.path, `part-${counter}.git`)
    await git(folder.path, 'init', '-q', '--bare', '-b', 'main', part)
    await datakit('remote', 'add', 'origin', url, '-C', part)
    expect((await datakit('fetch', '--depth', '2', '-C', part)).code).toBe(0)
    expect(await git(part, 'rev-list', '--count', 'origin/main')).toBe('2')
    await datakit('pull', '--set', '-C', part)
    await datakit('set', `from-part-${counter}`, '1', '--offline', '-C', part)
    expect(await datakit('push', '-C', part)).toMatchObject({ code: 0 })
    expect((await datakit('fetch', '--unshallow', '-C', part)).code).toBe(0)
    await git(part, 'fsck', '--strict')
    expect(await git(part, 'rev-parse', '--is-shallow-repository')).toBe('false')
  })
})

it('leave files behind with --filter, and every command gets what it reads', async () => {
  const name = `filtered-${++counter}`
  await git(root.path, 'clone', '-q', '--bare', join(folder.path, 'corpus.git'), `${name}.git`)
  for (const key of ['allowFilter', 'allowAnySHA1InWant'])
    await git(join(root.path, `${name}.git`), 'config', `uploadpack.${key}`, 'true')
  const url = `${backend.url}/${name}.git`
  const ours = join(folder.path, `${name}.git`)
  await git(folder.path, 'init', '-q', '--bare', '-b', 'main', ours)
  await datakit('remote', 'add', 'origin', url, '--filter', 'blob:none', '-C', ours)
  expect((await datakit('pull', '--set', '-C', ours)).code).toBe(0)
  const missing = async () =>
    (await git(ours, 'rev-list', '--objects', '--all', '--missing=print')).match(/^\?/gm)?.length
  expect(await missing()).toBeGreaterThan(80)
  const source = join(folder.path, 'corpus.git')
  const [path = ''] = (await git(source, 'ls-tree', '-r', '--name-only', 'main')).split('\n')
  const got = await datakit('get', path, '--offline', '-C', ours)
  expect(got.out.trimEnd()).toBe(await git(source, 'show', `main:${path}`))
  expect((await datakit('set', path, 'mine', '--offline', '-C', ours)).code).toBe(0)
  expect(await datakit('push', '-C', ours)).toMatchObject({ code: 0 })
  await git(ours, 'fsck', '--strict')
  await git(join(root.path, `${name}.git`), 'fsck', '--strict')
  const file = join(folder.path, `${name}.bundle`)
  expect(await datakit('bundle', 'create', file, '-C', ours)).toMatchObject({ code: 0 })
  expect(await missing()).toBeUndefined()
  const clone = join(folder.path, `${name}-clone`)
  await git(folder.path, 'clone', '-q', file, clone)
  expect(await git(clone, 'show', `HEAD:${path}`)).toContain('mine')
})

it('works on a partial clone that stock Git made of a DataKit server, by sync', async () => {
  const server = await startTestServer('node')
  try {
    const url = `${server.url}/config.git`
    const source = join(folder.path, 'corpus.git')
    await git(source, 'push', '-q', url, 'main')
    const ours = join(folder.path, `stock-partial-${++counter}.git`)
    await git(folder.path, 'clone', '-q', '--bare', '--filter=blob:none', url, ours)
    const [path = ''] = (await git(source, 'ls-tree', '-r', '--name-only', 'main')).split('\n')
    const got = await datakit('get', path, '-C', ours)
    expect(got.out.trimEnd()).toBe(await git(source, 'show', `main:${path}`))
    expect(await datakit('set', path, 'mine', '-C', ours)).toMatchObject({ code: 0 })
    expect((await datakit('sync', '-C', ours)).code).toBe(0)
    const work = join(folder.path, `stock-partial-work-${counter}`)
    await git(folder.path, 'clone', '-q', url, work)
    expect(await git(work, 'show', `HEAD:${path}`)).toBe('mine')
    await git(work, 'commit', '-q', '--allow-empty', '-m', 'theirs')
    await git(work, 'push', '-q')
    expect((await datakit('sync', '-C', ours)).code).toBe(0)
    expect(await git(ours, 'rev-parse', 'main')).toBe(await git(work, 'rev-parse', 'HEAD'))
    await git(ours, 'fsck', '--strict')
  } finally {
    await server.stop()
  }
})

describe('remotes', () => {
  it('are those of stock Git, and keep no password unless that is wanted', async () => {
    const ours = join(folder.path, 'named.git')
    await git(folder.path, 'init', '-q', '--bare', ours)
    const secret = 'http://ada:hunter2@127.0.0.1:1/x.git'
    await datakit('remote', 'add', 'a', secret, '-C', ours)
    expect(readFileSync(join(ours, 'config'), 'utf8')).not.toContain('hunter2')
    await datakit('remote', 'add', 'b', secret, '--keep-password', '-C', ours)
    expect((await datakit('remote', '-C', ours)).out).toBe(
      'a\thttp://127.0.0.1:1/x.git\nb\thttp://127.0.0.1:1/x.git\n',
    )
    expect(await git(ours, 'remote')).toBe('a\nb')
    const failed = await datakit('fetch', 'b', '-C', ours)
    expect(failed.code).toBe(1)
    expect(failed.err + failed.out).not.toContain('hunter2')
    expect(failed.err).toMatch(
      /Cannot reach http:\/\/127\.0\.0\.1:1\/x\.git.*: bad port; check the address and the network, then try again/,
    )
    expect(await datakit('remote', 'set-url', 'a', secret, '-C', ours)).toMatchObject({ code: 0 })
    await datakit('remote', 'set-url', 'a', 'http://ada:x@127.0.0.1:2/y.git', '-C', ours)
    expect(await git(ours, 'remote', 'get-url', 'a')).toBe('http://127.0.0.1:2/y.git')
    expect((await datakit('remote', 'set-url', 'none', 'http://x', '-C', ours)).code).toBe(3)
    expect((await datakit('remote', 'set-url', 'a', 'ssh://x', '-C', ours)).code).toBe(2)
    expect((await datakit('remote', 'set-url', 'a', '-C', ours)).code).toBe(2)
    expect((await datakit('remote', 'remove', 'b', '-C', ours)).code).toBe(0)
    expect(await git(ours, 'remote')).toBe('a')
    expect((await datakit('remote', 'remove', 'b', '-C', ours)).code).toBe(3)
    expect((await datakit('fetch', 'none', '-C', ours)).code).toBe(3)
    expect((await datakit('remote', 'add', 'a/b', 'http://x', '-C', ours)).code).toBe(2)
    expect((await datakit('remote', 'add', 'c', 'ssh://x', '-C', ours)).code).toBe(2)
  })

  it('are pushed to after each change with --watch', async () => {
    await git(root.path, 'init', '-q', '--bare', '-b', 'main', 'watched.git')
    const ours = join(folder.path, 'watched.git')
    await git(folder.path, 'clone', '-q', '--bare', 'corpus.git', ours)
    await git(ours, 'remote', 'set-url', 'origin', `${backend.url}/watched.git`)
    const main = join(import.meta.dirname, '..', '..', 'packages', 'cli', 'src', 'main.ts')
    const child = spawn(process.execPath, [main, 'push', 'origin', '--watch', '-C', ours], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = child.stdout.setEncoding('utf8')[Symbol.asyncIterator]()
    expect((await lines.next()).value).toContain('created')
    // Stock Git commits: no hint of ours comes, and it is seen all the same.
    const commit = await git(ours, 'commit-tree', '-m', 'x', '-p', 'main', 'main^{tree}')
    await git(ours, 'update-ref', 'refs/heads/main', commit)
    expect((await lines.next()).value).toContain('updated')
    expect(await refsOf(join(root.path, 'watched.git'))).toContain(commit)
    child.kill('SIGINT')
    const code = await new Promise((resolve) => child.on('exit', resolve))
    expect(code).toBe(0)
  })
})
