/**
 * Files that a repository on disk has clients fetch elsewhere, by `uploadpack.blobPackfileUri`, as stock Git follows it.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PreparedServer, type Prepared } from '../support/prepared-server.ts'
import { git, objectsOf, tryGit } from '../support/stock-git.ts'

const prepared = new PreparedServer()
let elsewhere: Server
let repository: Prepared
/** What was asked for elsewhere. */
const asked: string[] = []

beforeAll(async () => {
  await prepared.start()
  elsewhere = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end(readFileSync(join(prepared.folder.path, request.url ?? '')))
  })
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
  repository = await prepare()
})
afterAll(async () => {
  elsewhere.closeAllConnections()
  elsewhere.close()
  await prepared.stop()
})

/** A repository with a large file whose successor is stored as a delta to it; the first is to be had elsewhere. */
async function prepare(): Promise<Prepared> {
  const { source, folder } = prepared
  const lines = Array.from({ length: 4000 }, (_, i) => `line ${(i * 7919) % 4001}\n`)
  const oids: string[] = []
  for (const text of [lines.join(''), `${lines.slice(0, 3000).join('')}changed\n`]) {
    writeFileSync(join(source, 'large.txt'), text)
    await git(source, 'add', 'large.txt')
    await git(source, 'commit', '--quiet', '-m', 'Large')
    oids.push(await git(source, 'rev-parse', 'HEAD:large.txt'))
  }
  const base = oids[0] ?? ''
  const pack = execFileSync(
    'git',
    ['-C', source, 'pack-objects', '-q', join(folder.path, 'lent')],
    {
      input: `${base}\n`,
      encoding: 'utf8',
    },
  ).trim()
  const { port } = elsewhere.address() as AddressInfo
  const made = await prepared.prepare({
    'uploadpack.allowSidebandAll': 'true',
    'uploadpack.blobPackfileUri': `${base} ${pack} http://127.0.0.1:${port}/lent-${pack}.pack`,
  })
  await made.push('main')
  await git(made.directory, 'gc', '--quiet')
  return made
}

/** Clones in version 2, and tells how many packs came. */
async function clone(...options: readonly string[]): Promise<{ path: string; packs: number }> {
  const path = join(prepared.folder.path, `clone-${prepared.nextNumber()}`)
  const version = ['-c', 'protocol.version=2', '-c', 'fetch.unpackLimit=1']
  await git('.', ...version, ...options, 'clone', '--quiet', '--bare', repository.url, path)
  await git(path, 'fsck', '--strict')
  const names = readdirSync(join(path, 'objects', 'pack'))
  return { path, packs: names.filter((name) => name.endsWith('.pack')).length }
}

describe('a file that is to be had elsewhere', () => {
  it('is fetched there by whoever follows the scheme, and everything else comes whole', async () => {
    asked.length = 0
    const { path, packs } = await clone('-c', 'fetch.uriprotocols=http')
    expect([packs, asked.length]).toEqual([2, 1])
    expect(await objectsOf(path)).toBe(await objectsOf(repository.directory))
  })

  it.each([[[]], [['-c', 'fetch.uriprotocols=https']]])(
    'is sent to whoever does not: %j',
    async (options) => {
      asked.length = 0
      const { path, packs } = await clone(...options)
      expect([packs, asked.length]).toEqual([1, 0])
      expect(await objectsOf(path)).toBe(await objectsOf(repository.directory))
    },
  )

  it('is not fetched again with a commit that comes later', async () => {
    const { path } = await clone('-c', 'fetch.uriprotocols=http')
    asked.length = 0
    await prepared.commit('Afterwards')
    await repository.push('main')
    const version = ['-c', 'protocol.version=2', '-c', 'fetch.uriprotocols=http']
    const fetched = await tryGit(path, ...version, 'fetch', 'origin', 'main')
    expect([fetched.code, asked.length]).toEqual([0, 0])
    expect(await git(path, 'rev-parse', 'FETCH_HEAD')).toBe(
      await git(prepared.source, 'rev-parse', 'main'),
    )
  })
})
