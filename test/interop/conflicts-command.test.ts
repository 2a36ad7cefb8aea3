/**
 * `datakit conflicts` and `datakit resolve`: after a pull from Git's own server, and after a sync with a DataKit server.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { httpBackend, type HttpBackend } from '../support/http-backend.ts'
import { runDatakit, type Run } from '../support/programs.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const folder = temporaryFolder('conflicts')
const root = temporaryFolder('conflicts-root')
let backend: HttpBackend
let server: TestServer
beforeAll(async () => {
  backend = await httpBackend(root.path)
  server = await startTestServer('node')
})
afterAll(async () => {
  await backend.close()
  await server.stop()
  folder.remove()
  root.remove()
})

const datakit = (...args: readonly string[]): Promise<Run> => runDatakit(folder.path, ...args)

const LIMITS = (users: number, disk: string, note = 'a'): string =>
  `{\n  "limits": { "users": ${users}, "disk/max": "${disk}" },\n  "note": "${note}"\n}\n`

let counter = 0

/** A clone whose main changed the same two values and the same file as the remote's. */
async function diverged(kind: 'git' | 'datakit'): Promise<{ ours: string; work: string }> {
  const name = `c${++counter}`
  if (kind === 'git') await git(root.path, 'init', '-q', '--bare', '-b', 'main', `${name}.git`)
  const url = `${kind === 'git' ? backend.url : server.url}/${name}.git`
  const work = join(folder.path, `${name}-work`)
  await git(folder.path, 'init', '-q', '-b', 'main', work)
  await git(work, 'remote', 'add', 'origin', url)
  const commit = async (files: Record<string, string>, message: string): Promise<void> => {
    for (const [path, content] of Object.entries(files)) writeFileSync(join(work, path), content)
    await git(work, 'add', '-A')
    await git(work, 'commit', '-q', '-m', message)
    await git(work, 'push', '-q', 'origin', 'HEAD:main')
  }
  await commit({ 'limits.json': LIMITS(10, '1G'), 'motd.txt': 'hello\n' }, 'start')
  const ours = join(folder.path, `${name}.git`)
  if (kind === 'git') {
    await git(folder.path, 'clone', '-q', '--bare', url, ours)
    await git(ours, 'remote', 'remove', 'origin')
    await datakit('remote', 'add', 'origin', url, '-C', ours)
  } else expect(await datakit('clone', url, ours)).toMatchObject({ code: 0 })
  await datakit('set', 'limits.json', LIMITS(20, '2G'), '--offline', '-C', ours)
  await datakit('set', 'motd.txt', 'mine', '--offline', '-C', ours)
  await commit({ 'limits.json': LIMITS(30, '3G', 'b'), 'motd.txt': 'theirs\n' }, 'theirs')
  return { ours, work }
}

// Seen to fail when: a key is compared by its last step alone; the DataKit server's head is not the first parent.
describe.each(['git', 'datakit'] as const)('a conflict with a %s server', (kind) => {
  it('is shown key by key, decided key by key, and sent', async () => {
    const { ours, work } = await diverged(kind)
    const take = kind === 'git' ? 'pull' : 'sync'
    const failed = await datakit(take, '-C', ours)
    expect(failed).toMatchObject({ code: 4 })
    expect(failed.err).toContain('"datakit conflicts" shows what, "datakit resolve" decides')
    const shown = await datakit('conflicts', '-C', ours)
    expect(shown.code).toBe(4)
    expect(shown.out).toBe(
      [
        'limits.json  content',
        '  limits.json#/limits/users',
        '    base    10',
        '    ours    20',
        '    theirs  30',
        '  limits.json#/limits/disk~1max',
        '    base    "1G"',
        '    ours    "2G"',
        '    theirs  "3G"',
        'motd.txt  content',
        '',
      ]
        .join('\n')
        .replace(/(.*users\n(?:.*\n){3})(.*max\n(?:.*\n){3})/, '$2$1'),
    )
    const before = await git(ours, 'rev-parse', 'main')
    const half = await datakit('resolve', '--keep', 'motd.txt=ours', '-C', ours)
    expect(half).toMatchObject({ code: 4 })
    expect(half.err).toContain('Nothing was said of "limits.json"')
    const one = ['--keep', 'motd.txt=ours', '--keep', 'limits.json#/limits/users=theirs']
    const short = await datakit('resolve', ...one, '-C', ours)
    expect(short.code).toBe(1)
    expect(short.err).toContain('nothing that holds was said of ["limits","disk/max"]')
    expect(await git(ours, 'rev-parse', 'main')).toBe(before)
    const all = [...one, '--keep', 'limits.json#/limits/disk~1max=ours']
    const done = await datakit('resolve', ...all, '-m', 'As we agreed', '--json', '-C', ours)
    expect(done).toMatchObject({ code: 0 })
    const head = await git(ours, 'rev-parse', 'main')
    expect(JSON.parse(done.out)).toEqual({ branch: 'main', oid: head })
    expect(await git(ours, 'show', 'main:limits.json')).toBe(LIMITS(30, '2G', 'b').trimEnd())
    expect(await git(ours, 'log', '-1', '--format=%s', 'main')).toBe('As we agreed')
    const first = await git(ours, 'rev-parse', 'main^1')
    expect(first).toBe(kind === 'git' ? before : await git(work, 'rev-parse', 'HEAD'))
    expect((await datakit('conflicts', '-C', ours)).out).toContain('Nothing is in conflict')
    expect(await datakit(kind === 'git' ? 'push' : 'sync', '-C', ours)).toMatchObject({ code: 0 })
    await git(work, 'pull', '-q', 'origin', 'main')
    expect(await git(work, 'rev-parse', 'HEAD')).toBe(head)
  })
})

describe('choices', () => {
  it('are a side, a file of this machine, or none at all', async () => {
    const { ours } = await diverged('git')
    await datakit('pull', '-C', ours)
    const decided = join(folder.path, 'decided.txt')
    writeFileSync(decided, 'both\n')
    const done = await datakit(
      'resolve',
      ...['--keep', `motd.txt=@${decided}`, '--keep', 'limits.json=remove', '-C', ours],
    )
    expect(done).toMatchObject({ code: 0 })
    expect(await git(ours, 'ls-tree', '--name-only', 'main')).toBe('motd.txt')
    expect(await git(ours, 'show', 'main:motd.txt')).toBe('both')
  })

  it.each([
    ['other.txt=ours', '"other.txt" is not in conflict'],
    ['motd.txt', '"motd.txt" is no choice'],
    ['motd.txt=mine', '"motd.txt=mine" is no choice'],
    ['limits.json#/note=ours', 'has no key "/note" in conflict'],
    ['limits.json#/limits/users=remove', 'is no choice'],
  ])('are told what is wrong with them: %s', async (choice, problem) => {
    shared ??= diverged('git').then(async (made) => {
      await datakit('pull', '-C', made.ours)
      return made
    })
    const { ours } = await shared
    const run = await datakit('resolve', '--keep', choice, '-C', ours)
    expect(run.code).toBe(2)
    expect(run.err).toContain(problem)
  })

  it('need something that was fetched, and a branch', async () => {
    const { ours } = await diverged('git')
    const none = await datakit('conflicts', 'origin', 'nothing', '-C', ours)
    expect(none).toMatchObject({ code: 3 })
    expect(none.err).toContain('"datakit fetch origin" takes what the remote has')
    await datakit('pull', '--set', '-C', ours)
    const nothing = await datakit('resolve', '--keep', 'motd.txt=ours', '-C', ours)
    expect(nothing).toMatchObject({ code: 2 })
    expect(nothing.err).toContain('Nothing is in conflict')
  })
})

let shared: Promise<{ ours: string }> | undefined
