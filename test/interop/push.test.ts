/**
 * Pushes by stock Git to both servers, in the cases that are not everyday: many refs, some of them refused, options,
 * protected refs, shallow clones. After Git's own t5516, t5538, t5541, t5545 and t5548.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git, refsOf, tryGit } from '../support/stock-git.ts'

const folder = temporaryFolder('push')
const corpus = join(folder.path, 'corpus.git')
let counter = 0

beforeAll(() => makeCorpus(corpus, { files: 40, commits: 12, layout: 'directories', seed: 11 }))
afterAll(() => folder.remove())

function fresh(): string {
  return join(folder.path, `clone-${++counter}`)
}

describe.each(SERVER_KINDS)('the %s server', (kind) => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer(kind, { protect: ['release/*', 'refs/tags/v*'] })
  })
  afterAll(() => server.stop())

  /** A repository with `main` at the fifth commit before the newest. */
  async function prepare(): Promise<string> {
    const url = `${server.url}/push-${++counter}.git`
    await git(corpus, 'push', '--quiet', url, 'main~5:refs/heads/main')
    return url
  }

  it('takes 2,000 refs in one push, and deletes them in one', async () => {
    const url = await prepare()
    const source = fresh()
    await git(folder.path, 'clone', '--quiet', '--bare', corpus, source)
    const commits = (await git(source, 'rev-list', 'main')).split('\n')
    const lines = Array.from(
      { length: 2000 },
      (_, i) => `create refs/heads/many/${i % 10}/${i} ${commits[i % commits.length]}\n`,
    )
    execFileSync('git', ['-C', source, 'update-ref', '--stdin'], { input: lines.join('') })
    await git(source, 'push', '--quiet', '--atomic', url, 'refs/heads/many/*:refs/heads/many/*')
    const pushed = await git(source, 'ls-remote', url, 'refs/heads/many/*')
    expect(pushed.split('\n')).toHaveLength(2000)
    const mirror = fresh()
    await git(folder.path, 'clone', '--quiet', '--mirror', url, mirror)
    await git(mirror, 'fsck', '--strict')
    expect(await refsOf(mirror)).toContain(await git(source, 'rev-parse', 'refs/heads/many/7/1997'))
    execFileSync('git', ['-C', source, 'update-ref', '--stdin'], {
      input: lines.map((line) => `delete ${line.split(' ')[1]}\n`).join(''),
    })
    await git(source, 'push', '--quiet', '--prune', url, 'refs/heads/many/*:refs/heads/many/*')
    expect(await git(source, 'ls-remote', url, 'refs/heads/many/*')).toBe('')
  })

  it('does what can be done of a push, and says what cannot, line by line', async () => {
    const url = await prepare()
    await git(corpus, 'push', '--quiet', url, 'main~5:refs/heads/gone', 'main~5:refs/heads/kept')
    const run = await tryGit(
      corpus,
      ...['push', '--porcelain', url],
      ...['main:refs/heads/main', 'main:refs/heads/main/below', ':gone', 'main:fresh'],
    )
    expect(run.code).not.toBe(0)
    const lines = run.out.split('\n')
    expect(lines).toContainEqual(expect.stringMatching(/^ \trefs\/heads\/main:refs\/heads\/main\t/))
    expect(lines).toContainEqual('-\t:refs/heads/gone\t[deleted]')
    expect(lines).toContainEqual('*\trefs/heads/main:refs/heads/fresh\t[new branch]')
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^!\trefs\/heads\/main:refs\/heads\/main\/below\t\[remote rejected\] \("refs\/heads\/main" exists/,
      ),
    )
    const before = await git(corpus, 'ls-remote', url)
    const atomic = await tryGit(
      corpus,
      ...['push', '--porcelain', '--atomic', url, 'main~1:refs/heads/a', 'main:refs/heads/a/b'],
    )
    expect(atomic.out).toMatch(/\[remote rejected\] \(atomic push failure\)/)
    expect(await git(corpus, 'ls-remote', url)).toBe(before)
  })

  it('makes room for a branch by deleting the one in its way, in one push', async () => {
    const url = await prepare()
    await git(corpus, 'push', '--quiet', url, 'main:refs/heads/d')
    await git(corpus, 'push', '--quiet', '--atomic', url, ':refs/heads/d', 'main:refs/heads/d/f')
    expect(await git(corpus, 'ls-remote', url)).toMatch(/refs\/heads\/d\/f$/m)
    expect(await git(corpus, 'ls-remote', url)).not.toMatch(/refs\/heads\/d$/m)
  })

  it('keeps protected refs from going back, moving aside and being deleted', async () => {
    const url = await prepare()
    await git(corpus, 'push', '--quiet', url, 'main~1:refs/heads/release/1', 'main~1:refs/tags/v1')
    for (const [wish, words] of [
      ['+main~2:release/1', 'non-fast-forward'],
      [':release/1', 'deletion prohibited'],
      [':refs/tags/v1', 'deletion prohibited'],
    ] as const) {
      const { code, err } = await tryGit(corpus, 'push', url, wish)
      expect(err).toContain(words)
      expect(code).not.toBe(0)
    }
    await git(corpus, 'push', '--quiet', url, 'main:release/1', '+main~3:main')
  })

  it('says nothing to those who push quietly', async () => {
    const url = await prepare()
    const { code, err } = await tryGit(corpus, 'push', '--quiet', url, 'main')
    expect({ code, err }).toEqual({ code: 0, err: '' })
  })

  it('tells of its progress when there is much', async () => {
    const { err } = await tryGit(corpus, 'push', '--progress', `${server.url}/told.git`, 'main')
    expect(err).toMatch(/remote: Checking objects: 100% \((\d+)\/\1\), done\./)
  })

  it('takes a push out of a shallow clone, and does not become shallow itself', async () => {
    const url = await prepare()
    await git(corpus, 'push', '--quiet', url, 'main')
    const shallow = fresh()
    await git(folder.path, 'clone', '--quiet', '--depth', '2', `file://${corpus}`, shallow)
    await git(shallow, 'commit', '--quiet', '--allow-empty', '-m', 'on top')
    await git(shallow, 'push', '--quiet', url, 'HEAD:main')
    const full = fresh()
    await git(folder.path, 'clone', '--quiet', url, full)
    expect(await git(full, 'rev-parse', 'HEAD')).toBe(await git(shallow, 'rev-parse', 'HEAD'))
    await git(full, 'fsck', '--strict')
    const { code, err } = await tryGit(
      shallow,
      'push',
      `${server.url}/hollow-${kind}.git`,
      'HEAD:main',
    )
    expect(err).toContain('shallow update not allowed')
    expect(code).not.toBe(0)
  })

  it('refuses a signed push politely, and takes it unsigned where that will do', async () => {
    const url = await prepare()
    const { code, err } = await tryGit(corpus, 'push', '--signed', url, 'main')
    expect(err).toContain('the receiving end does not support --signed push')
    expect(code).not.toBe(0)
    await git(corpus, 'push', '--quiet', '--signed=if-asked', url, 'main')
  })

  it('sends who holds an old idea of a branch back to fetch, with a lease too', async () => {
    const url = await prepare()
    const stale = fresh()
    await git(folder.path, 'clone', '--quiet', url, stale)
    await git(corpus, 'push', '--quiet', url, 'main')
    await git(stale, 'commit', '--quiet', '--allow-empty', '-m', 'late')
    const lease = await tryGit(stale, 'push', '--force-with-lease', 'origin', 'HEAD:main')
    expect(lease.err).toContain('stale info')
    await git(stale, 'push', '--quiet', '--force', 'origin', 'HEAD:main')
    expect(await git(stale, 'ls-remote', url, 'refs/heads/main')).toContain(
      await git(stale, 'rev-parse', 'HEAD'),
    )
  })
})

describe('push options', () => {
  it('are taken by a Worker, which has nobody to tell', async () => {
    const server = await startTestServer('worker')
    const url = `${server.url}/options.git`
    await git(corpus, 'push', '--quiet', '-o', 'ticket=7', '-o', 'a b', url, 'main')
    expect(await git(corpus, 'ls-remote', url, 'refs/heads/main')).not.toBe('')
    await server.stop()
  })
})
