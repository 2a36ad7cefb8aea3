/**
 * Stock Git in the ways that people use it besides clone, fetch and push of a branch: mirrors, leases, pruning, sparse partial
 * clones, bundles beside a server, and what is not served.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git, objectsOf, refsOf, tryGit } from '../support/stock-git.ts'

const folder = temporaryFolder('ways')
const source = join(folder.path, 'source')
let counter = 0

const fresh = (): string => join(folder.path, `copy-${++counter}`)

beforeAll(async () => {
  await git(folder.path, 'init', '--quiet', '-b', 'main', source)
  for (let i = 0; i < 12; i++) {
    mkdirSync(join(source, `dir-${i % 3}`), { recursive: true })
    writeFileSync(join(source, `dir-${i % 3}`, `file-${i}`), `${i}\n`)
    await git(source, 'add', '.')
    await git(source, 'commit', '--quiet', '-m', `Commit ${i}`)
    if (i % 4 === 3) await git(source, 'tag', '-a', '-m', 'x', `v${i}`)
  }
  await git(source, 'branch', 'side', 'main~3')
})
afterAll(() => folder.remove())

describe.each(SERVER_KINDS)('the %s server', (kind) => {
  let server: TestServer
  let url = ''
  beforeAll(async () => {
    server = await startTestServer(kind)
    url = `${server.url}/ways.git`
    await git(source, 'push', '--quiet', url, 'main', 'side', '--tags')
  })
  afterAll(() => server.stop())

  it('becomes a mirror, with refs of any kind, and without those that are gone', async () => {
    const mirror = fresh()
    const there = `${server.url}/mirror.git`
    await git(folder.path, 'clone', '--quiet', '--mirror', source, mirror)
    await git(mirror, 'update-ref', 'refs/notes/commits', 'main~1')
    await git(mirror, 'update-ref', 'refs/changes/01/1/1', 'main~2')
    await git(mirror, 'push', '--quiet', '--mirror', there)
    await git(mirror, 'update-ref', '-d', 'refs/tags/v3')
    await git(mirror, 'update-ref', 'refs/heads/main', 'main~1')
    await git(mirror, 'push', '--quiet', '--mirror', there)
    const copy = fresh()
    await git(folder.path, 'clone', '--quiet', '--mirror', there, copy)
    expect(await refsOf(copy)).toBe(await refsOf(mirror))
    expect(await objectsOf(copy)).toBe(await objectsOf(mirror))
  })

  it('takes a push with a lease that is good, and loses the refs that a push prunes', async () => {
    const there = `${server.url}/leased.git`
    await git(
      source,
      'push',
      '--quiet',
      there,
      'main',
      'main:refs/heads/m/1',
      'main:refs/heads/m/2',
    )
    const [tip, other] = [
      await git(source, 'rev-parse', 'main'),
      await git(source, 'rev-parse', 'side'),
    ]
    const lease = (oid: string): string => `--force-with-lease=refs/heads/m/1:${oid}`
    const back = 'main~2:refs/heads/m/1'
    expect((await tryGit(source, 'push', lease(other), there, back)).err).toContain('stale info')
    await git(source, 'push', '--quiet', lease(tip), there, back)
    await git(source, 'update-ref', 'refs/m/1', 'main~2')
    await git(source, 'push', '--quiet', '--prune', there, 'refs/m/*:refs/heads/m/*')
    const left = await git(source, 'ls-remote', '--heads', there)
    expect(left.split('\n').map((line) => line.slice(41))).toEqual([
      'refs/heads/m/1',
      'refs/heads/main',
    ])
  })

  it('serves a sparse partial clone, and what it refetches and bundles', async () => {
    const copy = fresh()
    await git(folder.path, 'clone', '--quiet', '--filter=blob:none', '--sparse', url, copy)
    const missing = async (): Promise<number> => {
      const listed = await git(copy, 'rev-list', '--objects', '--all', '--missing=print')
      return listed.split('\n').filter((line) => line.startsWith('?')).length
    }
    expect(await missing()).toBe(12)
    await git(copy, 'sparse-checkout', 'set', 'dir-1')
    expect(readdirSync(join(copy, 'dir-1'))).toHaveLength(4)
    expect(await missing()).toBe(8)
    await git(copy, 'fetch', '--quiet', '--refetch', '--filter=blob:limit=1k', 'origin')
    expect(await missing()).toBe(0)
    await git(copy, 'bundle', 'create', '--quiet', `${copy}.bundle`, '--all')
    await git(folder.path, 'clone', '--quiet', '--bare', `${copy}.bundle`, fresh())
    await git(copy, 'fsck', '--strict')
  })

  it('tells what both have without sending anything, in version 2', async () => {
    const copy = fresh()
    await git(folder.path, 'clone', '--quiet', url, copy)
    await git(copy, 'commit', '--quiet', '--allow-empty', '-m', 'of its own')
    const told = await git(copy, 'fetch', '--negotiate-only', '--negotiation-tip=main', 'origin')
    const had = await git(copy, 'rev-list', 'main~1')
    expect(told.split('\n').length).toBeGreaterThan(0)
    for (const oid of told.split('\n')) expect(had).toContain(oid)
  })

  it('adds what a bundle lacks', async () => {
    const [bundle, copy] = [`${fresh()}.bundle`, fresh()]
    await git(source, 'bundle', 'create', '--quiet', bundle, 'side')
    await git(folder.path, 'clone', '--quiet', `--bundle-uri=${bundle}`, url, copy)
    expect(await git(copy, 'rev-parse', 'main')).toBe(await git(source, 'rev-parse', 'main'))
    await git(copy, 'fsck', '--strict')
  })

  it('makes no archives, and says so to who asks by hand', async () => {
    const { code, err } = await tryGit(source, 'archive', `--remote=${url}`, 'HEAD')
    expect(code).not.toBe(0)
    expect(err).toContain('operation not supported by protocol')
    const answer = await fetch(`${url}/info/refs?service=git-upload-archive`)
    expect(answer.status).toBe(403)
    expect(await answer.text()).toContain('git-upload-archive')
  })
})
