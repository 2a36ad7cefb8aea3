/**
 * Stock Git's shallow and partial clones against both servers. Which objects come is
 * compared with Git's own answers in `packages/git/src/transport/upload-pack-parity.test.ts`; here is what a person sees.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git, objectsOf, tryGit } from '../support/stock-git.ts'

const folder = temporaryFolder('cut-fetches')
const corpus = join(folder.path, 'corpus.git')
let counter = 0

beforeAll(async () => {
  await makeCorpus(corpus, { files: 60, commits: 40, layout: 'directories', seed: 11 })
  await git(corpus, 'tag', '-a', 'v1', 'main~20', '-m', 'One')
})
afterAll(() => folder.remove())

function fresh(): string {
  return join(folder.path, `clone-${++counter}`)
}

async function count(path: string, ...revisions: readonly string[]): Promise<number> {
  return Number(await git(path, 'rev-list', '--count', ...revisions))
}

/** Objects that a partial clone reaches and has not got; it is not asked to fetch them. */
async function missing(path: string): Promise<string[]> {
  const listed = await git(path, 'rev-list', '--objects', '--all', '--missing=print')
  return listed.split('\n').filter((line) => line.startsWith('?'))
}

async function isSound(path: string): Promise<void> {
  expect((await tryGit(path, 'fsck', '--strict', '--no-dangling')).code).toBe(0)
}

describe.each(SERVER_KINDS)('the %s server', (kind) => {
  let server: TestServer
  let url: string
  beforeAll(async () => {
    server = await startTestServer(kind)
    url = `${server.url}/corpus.git`
    await git(corpus, 'push', '--quiet', '--mirror', url)
  })
  afterAll(() => server.stop())

  it('gives a shallow clone in protocol version 1', async () => {
    const path = fresh()
    const options = ['--quiet', '--depth', '2', '--filter=blob:none']
    await git(folder.path, '-c', 'protocol.version=1', 'clone', ...options, url, path)
    expect(await count(path, 'HEAD')).toBe(2)
    await isSound(path)
  })

  // Version 1 is version 0 with one line more.
  describe.each([0, 2])('in protocol version %i', (version) => {
    const protocol = ['-c', `protocol.version=${version}`]

    async function clone(...options: readonly string[]): Promise<string> {
      const path = fresh()
      await git(folder.path, ...protocol, 'clone', '--quiet', ...options, url, path)
      return path
    }

    it('gives a shallow clone, deepens it, and makes it whole', async () => {
      const path = await clone('--depth', '1', '--no-single-branch')
      expect(await count(path, 'origin/main')).toBe(1)
      await git(path, ...protocol, 'fetch', '--quiet', '--deepen', '2')
      expect(await count(path, 'origin/main')).toBe(3)
      await git(path, ...protocol, 'fetch', '--quiet', '--depth', '9')
      expect(await count(path, 'origin/main')).toBe(9)
      await isSound(path)
      await git(path, ...protocol, 'fetch', '--quiet', '--unshallow')
      expect(await git(path, 'rev-parse', '--is-shallow-repository')).toBe('false')
      expect(await objectsOf(path)).toBe(await objectsOf(corpus))
      await isSound(path)
    })

    it('cuts a history at a date, and at a ref', async () => {
      const date = await git(corpus, 'log', '-1', '--format=%ct', 'main~7')
      const young = await clone(`--shallow-since=${date}`)
      expect(await count(young, 'HEAD')).toBe(8)
      await isSound(young)
      const behind = await clone('--shallow-exclude', 'v1')
      expect(await count(behind, 'HEAD')).toBe(20)
      await isSound(behind)
      const failure = await tryGit(
        folder.path,
        ...protocol,
        'clone',
        '--shallow-exclude',
        'nowhere',
        url,
        fresh(),
      )
      expect(failure.err).toContain('ambiguous deepen-not: nowhere')
    })

    it('updates a shallow clone, and leaves it shallow', async () => {
      const path = fresh()
      await git(folder.path, 'init', '--quiet', path)
      const old = await git(corpus, 'rev-parse', 'main~5')
      await git(path, ...protocol, 'fetch', '--quiet', '--depth', '2', url, old)
      await git(path, 'update-ref', 'refs/heads/old', 'FETCH_HEAD')
      await git(path, ...protocol, 'fetch', '--quiet', url, 'main:new')
      expect([await count(path, 'old'), await count(path, 'new')]).toEqual([2, 7])
      await isSound(path)
    })

    it('gives partial clones, and what they lack when it is needed', async () => {
      const path = await clone('--filter=blob:none', '--no-checkout')
      const lacks = await missing(path)
      expect(lacks.length).toBeGreaterThan(60)
      await git(path, ...protocol, 'checkout', '--quiet', 'main')
      const later = await missing(path)
      expect(later.length).toBeLessThan(lacks.length)
      expect(await git(path, ...protocol, 'log', '-p', '-2', '--format=%H')).toBe(
        await git(corpus, 'log', '-p', '-2', '--format=%H', 'main'),
      )
      await isSound(path)
    })

    it.each([
      'tree:0',
      'tree:1',
      'blob:limit=100',
      'combine:blob:none+tree:2',
      'object:type=commit',
    ])('filters by %s, and the clone works', async (filter) => {
      const path = await clone(`--filter=${filter}`)
      expect(await git(path, 'ls-files', '-s')).toBe(await indexOf('main'))
      await git(path, ...protocol, 'checkout', '--quiet', 'main~9')
      expect(await git(path, 'ls-files', '-s')).toBe(await indexOf('main~9'))
      await isSound(path)
    })

    it('refuses a filter that it cannot apply, in words', async () => {
      const said = await tryGit(
        folder.path,
        ...protocol,
        'clone',
        '--filter=sparse:oid=main:file',
        url,
        fresh(),
      )
      expect([said.code, said.err]).toEqual([
        128,
        expect.stringContaining("filter 'sparse:oid' not supported"),
      ])
    })

    it('combines a filter with a depth', async () => {
      const path = await clone('--depth', '3', '--filter=blob:none')
      expect(await count(path, 'HEAD')).toBe(3)
      await git(path, ...protocol, 'fetch', '--quiet', '--unshallow')
      expect(await count(path, 'HEAD')).toBe(41)
      await isSound(path)
    })
  })
})

/** The files of a commit as `git ls-files -s` lists them. */
async function indexOf(revision: string): Promise<string> {
  const listed = await git(corpus, 'ls-tree', '-r', revision)
  return listed.replaceAll(/^(\d+) \w+ (\w+)\t/gm, '$1 $2 0\t')
}
