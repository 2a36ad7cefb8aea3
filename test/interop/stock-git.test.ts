/**
 * Stock Git against both servers: what a person at a terminal does.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git, objectsOf, refsOf, tryGit } from '../support/stock-git.ts'

const folder = temporaryFolder('stock-git')
const corpus = join(folder.path, 'corpus.git')
const large = join(folder.path, 'large.git')
let counter = 0

beforeAll(() => makeCorpus(corpus, { files: 300, commits: 200, layout: 'directories', seed: 7 }))
afterAll(() => folder.remove())

async function makeLarge(): Promise<void> {
  await makeCorpus(large, { files: 4000, commits: 1600, layout: 'directories', seed: 13 })
  await git(large, 'tag', '-a', 'v1', 'main~800', '-m', 'One')
  await git(large, 'branch', 'old', 'main~1000')
}

/** A path that is not there yet. */
function fresh(): string {
  return join(folder.path, `clone-${++counter}`)
}

async function clone(url: string, ...options: readonly string[]): Promise<string> {
  const path = fresh()
  await git(folder.path, ...options, 'clone', '--quiet', url, path)
  return path
}

async function commit(path: string, file: string, content: string): Promise<string> {
  mkdirSync(join(path, file, '..'), { recursive: true })
  writeFileSync(join(path, file), content)
  await git(path, 'add', file)
  await git(path, 'commit', '--quiet', '-m', `Change ${file}`)
  return git(path, 'rev-parse', 'HEAD')
}

describe.each(SERVER_KINDS)('the %s server', (kind) => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer(kind)
    await git(corpus, 'push', '--quiet', '--all', `${server.url}/team/corpus.git`)
  })
  afterAll(() => server.stop())

  it.each(['0', '1', '2'])(
    'clones in protocol version %s what was pushed, object for object',
    async (version) => {
      const path = await clone(`${server.url}/team/corpus.git`, '-c', `protocol.version=${version}`)
      await git(path, 'fsck', '--strict')
      expect(await objectsOf(path)).toBe(await objectsOf(corpus))
      expect(await git(path, 'rev-parse', 'HEAD^{tree}')).toBe(
        await git(corpus, 'rev-parse', 'main^{tree}'),
      )
    },
  )

  it.each(['0', '2'])(
    'clones an empty repository in protocol version %s and takes its first push',
    async (version) => {
      const url = `${server.url}/empty-${version}.git`
      const option = ['-c', `protocol.version=${version}`]
      const source = fresh()
      await git(folder.path, 'init', '--quiet', '--initial-branch=trunk', source)
      await commit(source, 'a.txt', 'a\n')
      await git(source, ...option, 'push', '--quiet', url, 'trunk:refs/tags/only')
      await git(source, ...option, 'push', '--quiet', url, ':refs/tags/only')
      const empty = fresh()
      const { code, err } = await tryGit(folder.path, ...option, 'clone', url, empty)
      expect({ code, says: err.includes('cloned an empty repository') }).toEqual({
        code: 0,
        says: true,
      })
      const head = await commit(empty, 'b.txt', 'b\n')
      await git(empty, ...option, 'push', '--quiet', 'origin', 'HEAD:trunk')
      const path = await clone(url, ...option)
      expect(await git(path, 'symbolic-ref', 'HEAD')).toBe('refs/heads/trunk')
      expect(await git(path, 'rev-parse', 'HEAD')).toBe(head)
    },
  )

  it('fetches only what is new', async () => {
    const url = `${server.url}/fetch.git`
    await git(corpus, 'push', '--quiet', url, 'main')
    const [a, b] = [await clone(url), await clone(url)]
    const head = await commit(a, 'team-000/new.json', '{}\n')
    await git(a, 'push', '--quiet', 'origin', 'main')
    const { err } = await tryGit(b, 'fetch', '--progress', 'origin')
    expect(await git(b, 'rev-parse', 'origin/main')).toBe(head)
    // The commit, the root, the folder and the blob.
    expect(err).toContain('Sending 4 objects')
    await git(b, 'fsck', '--strict')
  })

  it('shows a push that was acknowledged in the next ls-remote, always', async () => {
    const url = `${server.url}/fresh.git`
    const path = fresh()
    await git(folder.path, 'init', '--quiet', '--initial-branch=main', path)
    for (let i = 0; i < 10; i++) {
      const head = await commit(path, 'n.txt', `${i}\n`)
      await git(path, 'push', '--quiet', url, 'main')
      expect(await git(path, 'ls-remote', url, 'refs/heads/main')).toBe(`${head}\trefs/heads/main`)
    }
  })

  it('keeps branches and tags, annotated ones peeled, and deletes them', async () => {
    const url = `${server.url}/refs.git`
    const path = await clone(corpus)
    await git(path, 'tag', 'light')
    await git(path, 'tag', '-a', 'v1', '-m', 'One')
    await git(path, 'branch', 'feature/deep/name', 'HEAD~3')
    await git(path, 'push', '--quiet', url, '--all')
    await git(path, 'push', '--quiet', url, '--tags')
    const listed = await git(path, 'ls-remote', url)
    expect(listed).toContain(`${await git(path, 'rev-parse', 'v1')}\trefs/tags/v1\n`)
    expect(listed).toContain(`${await git(path, 'rev-parse', 'v1^{}')}\trefs/tags/v1^{}`)
    await git(path, 'push', '--quiet', url, ':feature/deep/name', ':refs/tags/light')
    const after = await git(path, 'ls-remote', url)
    expect(after).not.toMatch(/feature|light/)
    const mirror = fresh()
    await git(folder.path, 'clone', '--quiet', '--mirror', url, mirror)
    await git(mirror, 'fsck', '--strict')
  })

  it('refuses a push that is not a fast-forward unless it is forced, and then keeps the old history out of clones', async () => {
    const url = `${server.url}/force.git`
    const path = fresh()
    await git(folder.path, 'init', '--quiet', '--initial-branch=main', path)
    await commit(path, 'a.txt', 'one\n')
    const lost = await commit(path, 'a.txt', 'two\n')
    await git(path, 'push', '--quiet', url, 'main')
    await git(path, 'reset', '--quiet', '--hard', 'HEAD~1')
    await commit(path, 'a.txt', 'three\n')
    const refused = await tryGit(path, 'push', '--quiet', url, 'main')
    expect(refused.code).not.toBe(0)
    await git(path, 'push', '--quiet', '--force', url, 'main')
    const copy = await clone(url)
    expect((await tryGit(copy, 'cat-file', '-e', lost)).code).not.toBe(0)
    expect(await git(copy, 'rev-parse', 'HEAD')).toBe(await git(path, 'rev-parse', 'HEAD'))
  })

  it('takes one of two pushes that race, and tells the other to fetch first', async () => {
    const url = `${server.url}/race.git`
    await git(corpus, 'push', '--quiet', url, 'main')
    const clones = await Promise.all([clone(url), clone(url), clone(url)])
    await Promise.all(clones.map((path, i) => commit(path, `race-${i}.txt`, `${i}\n`)))
    const runs = await Promise.all(clones.map((path) => tryGit(path, 'push', 'origin', 'main')))
    expect(runs.filter(({ code }) => code === 0)).toHaveLength(1)
    const winner = clones[runs.findIndex(({ code }) => code === 0)] ?? ''
    expect((await git(winner, 'ls-remote', url, 'main')).slice(0, 40)).toBe(
      await git(winner, 'rev-parse', 'HEAD'),
    )
  })

  it('takes an atomic push whole or not at all', async () => {
    const url = `${server.url}/atomic.git`
    const path = await clone(corpus)
    await git(path, 'push', '--quiet', url, 'main', 'main:other')
    const rival = await clone(url)
    await commit(rival, 'x.txt', 'x\n')
    await git(rival, 'push', '--quiet', 'origin', 'main:other')
    await commit(path, 'y.txt', 'y\n')
    const before = await git(path, 'ls-remote', url)
    const run = await tryGit(path, 'push', '--atomic', url, 'main', 'main:other')
    expect(run.code).not.toBe(0)
    expect(await git(path, 'ls-remote', url)).toBe(before)
  })

  it('answers plainly to a repository that is not there', async () => {
    const { code, err } = await tryGit(folder.path, 'clone', `${server.url}/nothing.git`, fresh())
    expect(code).not.toBe(0)
    expect(err).toMatch(/not found|nothing/i)
  })

  it('answers plainly to a name that cannot be one', async () => {
    const { code, err } = await tryGit(folder.path, 'ls-remote', `${server.url}/.hidden.git`)
    expect(code).not.toBe(0)
    expect(err).toContain('Not a repository name')
  })

  it('lists what is there', async () => {
    const answer = await fetch(`${server.url}/repositories`)
    const { repositories } = (await answer.json()) as { repositories: { name: string }[] }
    expect(repositories.map(({ name }) => name)).toContain('team/corpus')
  })

  it('takes a repository of 13,000 objects, and gives back the same', async () => {
    const url = `${server.url}/large.git`
    if (!existsSync(large)) await makeLarge()
    expect((await objectsOf(large)).split('\n').length).toBeGreaterThan(13_000)
    await git(large, 'push', '--quiet', '--mirror', url)
    const mirror = fresh()
    await git(folder.path, 'clone', '--quiet', '--mirror', url, mirror)
    await git(mirror, 'fsck', '--strict')
    expect(await refsOf(mirror)).toBe(await refsOf(large))
    expect(await objectsOf(mirror)).toBe(await objectsOf(large))
    const trees = ['log', '--all', '--format=%H %T']
    expect(await git(mirror, ...trees)).toBe(await git(large, ...trees))
  })

  it('has the same refs as were pushed', async () => {
    const mirror = fresh()
    await git(folder.path, 'clone', '--quiet', '--mirror', `${server.url}/team/corpus.git`, mirror)
    expect(await refsOf(mirror)).toBe(await refsOf(corpus))
  })
})
