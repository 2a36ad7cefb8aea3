/**
 * An operator's upkeep by stock Git, without a pause, in a repository that is served: whatever it packs, drops and writes
 * beside, nobody's clone fails and no push is lost.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cases, random } from '../../packages/git/test/seed.ts'
import { makeCorpus } from '../support/corpus.ts'
import { PreparedServer, type Prepared } from '../support/prepared-server.ts'
import { git, refsOf, tryGit } from '../support/stock-git.ts'

/** How long clients come, in milliseconds. */
const DURATION = 14_000
const BRANCHES = ['one', 'two', 'three']

/** What an operator may run at any time. */
const UPKEEP: readonly (readonly string[])[] = [
  ['gc', '-q'],
  ['repack', '-adbq'],
  ['repack', '-dq'],
  ['repack', '--cruft', '-dq'],
  ['repack', '--geometric=2', '-dq', '--write-midx'],
  ['multi-pack-index', 'write', '--bitmap'],
  ['multi-pack-index', 'repack'],
  ['multi-pack-index', 'expire'],
  ['commit-graph', 'write', '--reachable', '--split'],
  ['pack-refs', '--all'],
  ['prune-packed', '-q'],
  ['reflog', 'expire', '--expire=now', '--all'],
  ['maintenance', 'run', '--task=loose-objects', '--task=incremental-repack', '--quiet'],
]

const server = new PreparedServer()
let prepared: Prepared
let counter = 0
let until = 0

beforeAll(async () => {
  await server.start()
  prepared = await server.prepare({ 'uploadpack.allowFilter': 'true' })
  const corpus = join(server.folder.path, 'corpus.git')
  await makeCorpus(corpus, { files: 500, commits: 300, layout: 'directories', seed: 5 })
  await git(corpus, 'push', '--quiet', '--force', prepared.directory, 'main')
})
afterAll(() => server.stop())

const fresh = (): string => join(server.folder.path, `upkept-${++counter}`)
const version = (): string => `protocol.version=${counter % 3}`

/** Keeps the repository up. A lock that is held is the one reason to fail. */
async function keepUp(next: () => number): Promise<void> {
  while (Date.now() < until) {
    const args = UPKEEP[Math.floor(next() * UPKEEP.length)] ?? []
    const { code, err } = await tryGit(prepared.directory, ...args)
    if (code !== 0) expect(err).toMatch(/\.lock|no pack|multi-pack-index/)
  }
}

/** Clones in every way, again and again, each of them sound. */
async function clone(): Promise<void> {
  const ways = [['--mirror'], ['--depth=3'], ['--filter=tree:0', '--no-checkout'], []]
  while (Date.now() < until) {
    const [path, way] = [fresh(), ways[counter % ways.length] ?? []]
    await git('.', '-c', version(), 'clone', '--quiet', ...way, prepared.url, path)
    if (!way.includes('--filter=tree:0')) await git(path, 'fsck', '--strict', '--no-dangling')
    rmSync(path, { recursive: true, force: true })
  }
}

/** Pushes commit after commit to a branch, and finds each at the next look. */
async function push(branch: string): Promise<string> {
  const path = fresh()
  await git('.', 'clone', '--quiet', '-b', 'main', prepared.url, path)
  for (let i = 0; Date.now() < until; i++) {
    // In a directory of many, whose tree comes as a delta.
    const name = `dir-${i % 7}/pushed-${i % 40}.txt`
    mkdirSync(join(path, `dir-${i % 7}`), { recursive: true })
    writeFileSync(join(path, name), `${branch} ${i}\n`.repeat(40))
    await git(path, 'add', name)
    await git(path, 'commit', '--quiet', '-m', `${branch} ${i}`)
    await git(path, '-c', version(), 'push', '--quiet', 'origin', `HEAD:refs/heads/${branch}`)
    const there = await git(path, 'ls-remote', prepared.url, `refs/heads/${branch}`)
    expect(there.slice(0, 40)).toBe(await git(path, 'rev-parse', 'HEAD'))
  }
  return `${await git(path, 'rev-parse', 'HEAD')} refs/heads/${branch}`
}

// Seen to fail when who reads does not look again for what was in a pack that git has replaced.
it('fails nobody and loses nothing', { timeout: 120_000 }, async () => {
  cases(1)
  until = Date.now() + DURATION
  const others = [clone(), clone(), keepUp(random())]
  const [pushed] = await Promise.all([Promise.all(BRANCHES.map(push)), ...others])
  const refs = await refsOf(prepared.directory)
  for (const line of pushed) expect(refs).toContain(line)
  await git(prepared.directory, 'fsck', '--strict', '--full')
})
