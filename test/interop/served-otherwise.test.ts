/**
 * What a repository's configuration has offered besides the smart protocol: files for the dumb one, and bundles.
 */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { httpBackend, type HttpBackend } from '../support/http-backend.ts'
import { PreparedServer, type Prepared } from '../support/prepared-server.ts'
import { git } from '../support/stock-git.ts'

const prepared = new PreparedServer()
/** Serves the same folder, also as files: the dumb protocol. */
let files: HttpBackend

beforeAll(async () => {
  await prepared.start()
  files = await httpBackend(prepared.root.path)
})
afterAll(async () => {
  await files.close()
  await prepared.stop()
})

function fileOf({ directory }: Prepared, path: string): string | undefined {
  const full = join(directory, path)
  return existsSync(full) ? readFileSync(full, 'utf8') : undefined
}

describe('receive.updateServerInfo', () => {
  const on = { 'receive.updateServerInfo': 'true' }

  /** A clone by the dumb protocol; its refs. */
  async function cloneByFiles({ url }: Prepared): Promise<string> {
    const copy = join(prepared.folder.path, `copy-${prepared.nextNumber()}`)
    const env = { ...process.env, GIT_SMART_HTTP: '0', GIT_CONFIG_GLOBAL: '/dev/null' }
    await promisify(execFile)('git', ['clone', '--quiet', '--mirror', url, copy], { env })
    await git(copy, 'fsck', '--strict')
    return git(copy, 'for-each-ref')
  }

  it('has a push write the files that git update-server-info writes', async () => {
    const repository = await prepared.prepare(on)
    const { directory } = repository
    await git(prepared.source, 'tag', '-f', '-a', '-m', 'A tag', 'annotated', 'main')
    await git(prepared.source, 'tag', '-f', '-a', '-m', 'Of a tag', 'of-tag', 'annotated')
    expect(fileOf(repository, 'info/refs')).toBe(undefined)
    const refs = ['main', 'main:refs/tags/light', 'annotated', 'of-tag', ':other']
    expect((await repository.push(...refs)).code).toBe(0)
    const mine = ['info/refs', 'objects/info/packs'].map((path) => fileOf(repository, path))
    expect(mine[0]).toContain('refs/tags/of-tag^{}')
    await git(directory, 'update-server-info', '--force')
    expect(mine[0]).toBe(fileOf(repository, 'info/refs'))
    expect(mine[1]).toBe(fileOf(repository, 'objects/info/packs'))
  })

  it('has the dumb protocol see each push, and what upkeep makes of them', async () => {
    const repository = await prepared.prepare({ ...on, 'gc.auto': '0' })
    const { directory } = repository
    const served = { ...repository, url: repository.url.replace(prepared.url, files.url) }
    for (let i = 0; i < 12; i++) {
      await prepared.commit(`a change ${i}`)
      expect((await repository.push('main')).code).toBe(0)
    }
    expect(await cloneByFiles(served)).toBe(await git(directory, 'for-each-ref'))
    const listed = (): string[] =>
      (fileOf(repository, 'objects/info/packs') ?? '').split('\n').filter((line) => line !== '')
    expect(listed()).toHaveLength(12)
    // More small packs than should be there: they are merged two seconds after a push.
    await git(directory, 'config', '--unset', 'gc.auto')
    expect((await repository.push('main:again')).code).toBe(0)
    await expect.poll(() => listed().length, { timeout: 20_000 }).toBeLessThan(9)
    const there = readdirSync(join(directory, 'objects', 'pack'))
    for (const line of listed()) expect(there).toContain(line.slice(2))
    expect(await cloneByFiles(served)).toBe(await git(directory, 'for-each-ref'))
  })

  it('is up to date when pushes come together', async () => {
    const repository = await prepared.prepare(on)
    const names = Array.from({ length: 8 }, (_, i) => `together-${i}`)
    const runs = await Promise.all(names.map((name) => repository.push(`main:refs/heads/${name}`)))
    expect(runs.map(({ code }) => code)).toEqual(names.map(() => 0))
    const mine = fileOf(repository, 'info/refs')
    await git(repository.directory, 'update-server-info', '--force')
    expect(mine).toBe(fileOf(repository, 'info/refs'))
  })

  it('leaves files alone that say it already, and keeps the order of packs', async () => {
    const repository = await prepared.prepare(on)
    const { push, directory } = repository
    for (const name of ['one', 'two']) {
      const tip = await prepared.commit(name)
      await push(`${tip}:refs/heads/${name}`)
    }
    const path = join(directory, 'objects', 'info', 'packs')
    const before = [statSync(path).ino, readFileSync(path, 'utf8')]
    await push('main~2:refs/heads/more')
    expect([statSync(path).ino, readFileSync(path, 'utf8')]).toEqual(before)
    expect(fileOf(repository, 'info/refs')).toContain('refs/heads/more')
    const [first, second] = readFileSync(path, 'utf8').split('\n')
    writeFileSync(path, `${second}\n${first}\n\n`)
    await push(`${await prepared.commit('three')}:refs/heads/three`)
    const now = readFileSync(path, 'utf8')
    expect(now.startsWith(`${second}\n${first}\nP pack-`)).toBe(true)
    await git(directory, 'update-server-info')
    expect(readFileSync(path, 'utf8')).toBe(now)
  })

  it('is off where nothing is said', async () => {
    const repository = await prepared.prepare()
    expect((await repository.push('main')).code).toBe(0)
    expect(fileOf(repository, 'info/refs')).toBe(undefined)
  })
})

describe('uploadpack.advertiseBundleURIs', () => {
  const settings = {
    'bundle.version': '1',
    'bundle.mode': 'all',
    'bundle.Main-Part.URI': 'https://example.org/a.bundle',
    'bundle.Main-Part.creationToken': '7',
  }

  const line = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text

  async function ask({ url }: Prepared, args: string): Promise<string> {
    const answer = await fetch(`${url}/git-upload-pack`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-git-upload-pack-request',
        'git-protocol': 'version=2',
      },
      body: `${line('command=bundle-uri\n')}${args}0000`,
    })
    return answer.text()
  }

  async function capabilities({ url }: Prepared): Promise<string> {
    const headers = { 'git-protocol': 'version=2' }
    return (await fetch(`${url}/info/refs?service=git-upload-pack`, { headers })).text()
  }

  it('has clients told of the bundles that the configuration names, in its words', async () => {
    const repository = await prepared.prepare({
      'uploadpack.advertiseBundleURIs': 'true',
      ...settings,
    })
    expect(await capabilities(repository)).toContain(line('bundle-uri\n'))
    const known = await git(repository.directory, 'config', '--local', '--get-regexp', '^bundle\\.')
    const lines = known.split('\n').map((each) => line(each.replace(' ', '=')))
    expect(lines).toHaveLength(4)
    expect(await ask(repository, '')).toBe(`${lines.join('')}0000`)
    expect(await ask(repository, '0001')).toBe(`${lines.join('')}0000`)
    expect(await ask(repository, `0001${line('hello\n')}`)).toMatch(
      /ERR .*unexpected argument "hello"/,
    )
  })

  it('is told of an empty list', async () => {
    const repository = await prepared.prepare({ 'uploadpack.advertiseBundleURIs': 'true' })
    expect(await ask(repository, '')).toBe('0000')
  })

  it('is off where nothing is said', async () => {
    const repository = await prepared.prepare(settings)
    expect(await capabilities(repository)).not.toContain('bundle-uri')
    expect(await ask(repository, '')).toMatch(/ERR .*"bundle-uri" is not known here/)
  })
})
