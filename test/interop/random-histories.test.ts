/**
 * Random histories, served by us and by `git http-backend`: whoever clones or fetches has the same afterwards, object for
 * object.
 *
 * Seen to fail when every base of a delta was taken for one that the client has.
 */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cases, random } from '../../packages/git/test/seed.ts'
import { httpBackend, type HttpBackend } from '../support/http-backend.ts'
import { makeRandomRepository } from '../support/random-repository.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type ServerKind,
  type TestServer,
} from '../support/servers.ts'
import { git, refsOf } from '../support/stock-git.ts'

const HISTORIES = 2
const folder = temporaryFolder('random')
const root = join(folder.path, 'root')
const { seed } = cases(HISTORIES)
const servers = new Map<ServerKind | 'stock', TestServer | HttpBackend>()
let counter = 0

beforeAll(async () => {
  for (let i = 0; i < HISTORIES; i++)
    await makeRandomRepository(join(root, `h${i}.git`), 20 + i * 40, random(seed + i))
  servers.set('stock', await httpBackend(root))
  servers.set('node', await startTestServer('node', { data: root }))
  servers.set('worker', await startTestServer('worker'))
  for (let i = 0; i < HISTORIES; i++)
    await git(join(root, `h${i}.git`), 'push', '--quiet', '--mirror', urlOf('worker', i))
})
afterAll(async () => {
  for (const server of servers.values()) await ('stop' in server ? server.stop() : server.close())
  folder.remove()
})

function urlOf(kind: ServerKind | 'stock', i: number): string {
  return `${servers.get(kind)?.url}/h${i}.git`
}

function fresh(): string {
  return join(folder.path, `copy-${++counter}`)
}

/** Every object that a repository has, whether anything leads to it or not. */
async function everyObject(path: string): Promise<string[]> {
  const format = '--batch-check=%(objectname) %(objecttype) %(objectsize)'
  const listed = await git(path, 'cat-file', format, '--batch-all-objects')
  return listed.split('\n').toSorted()
}

async function mirror(url: string, version: string): Promise<string> {
  const path = fresh()
  await git('.', '-c', `protocol.version=${version}`, 'clone', '--quiet', '--mirror', url, path)
  await git(path, 'fsck', '--strict')
  return path
}

/** A bare repository that has a random part of a history, as a client has that was here before. */
async function olderState(i: number, next: () => number): Promise<string> {
  const path = fresh()
  const source = join(root, `h${i}.git`)
  const commits = (await git(source, 'rev-list', '--all')).split('\n')
  await git('.', 'init', '--quiet', '--bare', path)
  for (let n = 0; n < 3; n++) {
    const oid = commits[Math.floor(next() * commits.length)] ?? ''
    const spec = `${oid}:refs/heads/old-${n}`
    await git(path, 'fetch', '--quiet', '--no-tags', source, spec)
  }
  return path
}

const histories = Array.from({ length: HISTORIES }, (_, i) => i)
const runs = SERVER_KINDS.flatMap((kind) =>
  ['0', '1', '2'].flatMap((version) => histories.map((i) => ({ kind, version, i }))),
)

describe('random histories', () => {
  it.each(runs)('of the $kind server are cloned in protocol $version: number $i', async (run) => {
    const ours = await mirror(urlOf(run.kind, run.i), run.version)
    const theirs = await mirror(urlOf('stock', run.i), run.version)
    expect(await refsOf(ours)).toBe(await refsOf(theirs))
    expect(await everyObject(ours)).toEqual(await everyObject(theirs))
  })

  it.each(runs)(
    'of the $kind server are fetched from older states in protocol $version: number $i',
    async ({ kind, version, i }) => {
      const ours = await olderState(i, random(seed ^ (i * 977 + Number(version))))
      const theirs = fresh()
      cpSync(ours, theirs, { recursive: true })
      const fetch = ['-c', `protocol.version=${version}`, 'fetch', '--quiet', '--force']
      for (const spec of ['+refs/heads/main:refs/remotes/o/main', '+refs/*:refs/remotes/o/*']) {
        await git(ours, ...fetch, urlOf(kind, i), spec)
        await git(theirs, ...fetch, urlOf('stock', i), spec)
        await git(ours, 'fsck', '--strict')
        expect(await refsOf(ours)).toBe(await refsOf(theirs))
        expect(await everyObject(ours)).toEqual(await everyObject(theirs))
      }
    },
  )
})
