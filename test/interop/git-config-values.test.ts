/**
 * Settings that cannot be meant, and odd places for settings: a fetch and a push are taken where `git http-backend` takes them.
 */
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { httpBackend, type HttpBackend } from '../support/http-backend.ts'
import { PreparedServer, type Prepared, type Settings } from '../support/prepared-server.ts'
import { git, tryGit } from '../support/stock-git.ts'

const prepared = new PreparedServer()
let theirs: HttpBackend

beforeAll(async () => {
  await prepared.start()
  theirs = await httpBackend(prepared.root.path)
})
afterAll(async () => {
  await theirs.close()
  await prepared.stop()
})

interface Taken {
  readonly fetch: boolean
  readonly push: boolean
}

/** What stock Git may do with a repository through a server. */
async function tryBoth(url: string): Promise<Taken> {
  const copy = join(prepared.folder.path, `copy-${prepared.nextNumber()}`)
  const fetched = await tryGit(prepared.folder.path, 'clone', '--quiet', '--bare', url, copy)
  const pushed = await tryGit(prepared.source, 'push', url, `main:new-${prepared.nextNumber()}`)
  return { fetch: fetched.code === 0, push: pushed.code === 0 }
}

/** The same through both servers, on the same repository. */
async function compared({ url }: Prepared): Promise<Taken> {
  const mine = await tryBoth(url)
  expect(mine).toEqual(await tryBoth(url.replace(prepared.url, theirs.url)))
  return mine
}

/** Adds lines as they are, which `git config` would not write. */
function addLines({ directory }: Prepared, lines: string): void {
  appendFileSync(join(directory, 'config'), lines)
}

describe('a setting that cannot be meant', () => {
  const neither = { fetch: false, push: false }
  const noPush = { fetch: true, push: false }
  const noFetch = { fetch: false, push: true }

  it.each([
    ['receive.denyDeletes', 'maybe', noPush],
    ['receive.denyNonFastForwards', 'maybe', noPush],
    ['receive.denyCurrentBranch', 'maybe', noPush],
    ['receive.denyDeleteCurrent', 'maybe', noPush],
    ['receive.fsckObjects', 'maybe', noPush],
    ['transfer.fsckObjects', 'maybe', noPush],
    ['receive.shallowUpdate', 'maybe', noPush],
    ['receive.updateServerInfo', 'maybe', noPush],
    ['receive.autogc', 'maybe', noPush],
    ['receive.advertiseAtomic', 'maybe', noPush],
    ['receive.advertisePushOptions', 'maybe', noPush],
    ['receive.keepAlive', 'long', noPush],
    ['receive.maxInputSize', 'much', noPush],
    ['receive.unpackLimit', 'much', noPush],
    ['transfer.unpackLimit', 'much', noPush],
    ['receive.certNonceSlop', 'much', noPush],
    ['uploadpack.allowFilter', 'maybe', noFetch],
    ['uploadpack.allowTipSHA1InWant', 'maybe', noFetch],
    ['uploadpack.allowReachableSHA1InWant', 'maybe', noFetch],
    ['uploadpack.allowAnySHA1InWant', 'maybe', noFetch],
    ['uploadpack.keepAlive', 'long', noFetch],
    ['core.sharedRepository', '0400', noPush],
    ['http.uploadpack', 'maybe', neither],
    ['gc.auto', 'often', { fetch: true, push: true }],
  ])('keeps out the service that it is for: %s = %s', async (key, value, expected) => {
    const repository = await prepared.prepare({ [key]: value })
    if (key !== 'http.uploadpack') expect(await compared(repository)).toEqual(expected)
    else expect((await tryBoth(repository.url)).fetch).toBe(false)
  })

  it.each([
    ['[receive]\n\tcertNonceSeed\n', noPush],
    ['[receive]\n\thideRefs\n', noPush],
    ['[receive]\n\tprocReceiveRefs\n', noPush],
    ['[gpg]\n\tprogram\n', noPush],
    ['[gpg "ssh"]\n\tallowedSignersFile\n', noPush],
    ['[uploadpack]\n\thideRefs\n', noFetch],
    ['[transfer]\n\thideRefs\n', neither],
  ])('keeps out the service that it is for where it has no value: %j', async (lines, expected) => {
    const repository = await prepared.prepare()
    addLines(repository, lines)
    expect(await compared(repository)).toEqual(expected)
  })

  it('is named to who pushes or fetches, and gives nothing away', async () => {
    const settings = { 'uploadpack.keepAlive': 'long', 'receive.denyDeletes': 'maybe' }
    const { url, push } = await prepared.prepare(settings)
    expect((await push('main')).err).toContain('"receive.denyDeletes" is "maybe"')
    const fetched = await tryGit(prepared.source, 'ls-remote', url)
    expect(fetched.err).toContain('"uploadpack.keepAlive" is "long", expected a number')
    expect(fetched.out).toBe('')
  })
})

describe('settings of the main working tree alone', () => {
  it.each([
    ['true', false],
    ['false', true],
  ])('hold where extensions.worktreeConfig is %s: taken %s', async (value, isTaken) => {
    const repository = await prepared.prepare({ 'extensions.worktreeConfig': value })
    writeFileSync(
      join(repository.directory, 'config.worktree'),
      '[receive]\n\tdenyNonFastForwards = true\n',
    )
    for (const url of [repository.url, repository.url.replace(prepared.url, theirs.url)]) {
      const run = await tryGit(prepared.source, 'push', url, '+main~2:main')
      expect(run.code === 0).toBe(isTaken)
      await git(repository.directory, 'update-ref', 'refs/heads/main', 'refs/heads/other')
    }
  })
})

describe('core.sharedRepository', () => {
  /** Modes of what is in a repository, by path; packs by what they are, and without what is ours. */
  function modesIn(directory: string): Map<string, string> {
    const modes = new Map<string, string>()
    for (const entry of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
      if (/^(datakit|hooks)/.test(entry)) continue
      const mode = (statSync(join(directory, entry)).mode & 0o7777).toString(8)
      modes.set(entry.replace(/pack-[0-9a-f]{40}/, 'pack'), mode)
    }
    return modes
  }

  it.each(['umask', 'group', 'all', '0640'])(
    'has a push give its files and directories the modes that Git gives them: %s',
    async (value) => {
      const found = []
      for (const server of [prepared.url, theirs.url]) {
        const { directory, url } = await prepared.prepare({ 'core.logAllRefUpdates': 'true' })
        const packs = join(directory, 'objects')
        await git(directory, 'config', 'receive.unpackLimit', '1')
        await git(directory, 'config', 'core.sharedRepository', value)
        await git(directory, 'pack-refs', '--all')
        for (const ref of ['main:a/b/c', 'main', 'main:more/of/it'])
          await git(prepared.source, 'push', '--quiet', url.replace(prepared.url, server), ref)
        found.push(modesIn(directory))
        expect(readdirSync(join(packs, 'pack')).some((name) => name.endsWith('.idx'))).toBe(true)
      }
      const [mine, judge] = found
      const both = [...(judge ?? [])].filter(([path]) => mine?.has(path))
      expect(Object.fromEntries(both.map(([path]) => [path, mine?.get(path)]))).toEqual(
        Object.fromEntries(both),
      )
      const paths = both.map(([path]) => path)
      for (const path of [
        'refs/heads/a/b/c',
        'logs/refs/heads/more/of/it',
        'objects/pack/pack.idx',
      ])
        expect(paths).toContain(path)
    },
  )

  it('is the modes of what is kept beside the objects, too', async () => {
    const repository = await prepared.prepare({
      'core.sharedRepository': '0660',
      'receive.updateServerInfo': 'true',
    })
    expect((await repository.push('main')).code).toBe(0)
    for (const path of ['info/refs', 'objects/info/packs', 'datakit/state', 'datakit/receipts'])
      expect([path, statSync(join(repository.directory, path)).mode & 0o777]).toEqual([path, 0o660])
    for (const path of ['datakit', 'datakit/journal', 'datakit/stage'])
      expect(statSync(join(repository.directory, path)).mode & 0o7777).toBe(0o2770)
  })
})

describe('core.hooksPath', () => {
  const shapes: readonly (readonly [string, (repository: Prepared) => string])[] = [
    ['beside the repository', () => '../hooks-beside'],
    ['in full', () => join(prepared.root.path, 'hooks-beside')],
    ['from home', () => `~/${relative(homedir(), join(prepared.root.path, 'hooks-beside'))}`],
  ]

  it.each(shapes)('leads to hooks as in Git: %s', async (_, pathOf) => {
    const folder = join(prepared.root.path, 'hooks-beside')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'update'), '#!/bin/sh\ntouch was-asked\n')
    chmodSync(join(folder, 'update'), 0o755)
    for (const server of [prepared.url, theirs.url]) {
      const repository = await prepared.prepare()
      const settings: Settings = { 'core.hooksPath': pathOf(repository) }
      for (const [key, value] of Object.entries(settings))
        await git(repository.directory, 'config', key, String(value))
      const url = repository.url.replace(prepared.url, server)
      expect((await tryGit(prepared.source, 'push', url, 'main')).code).toBe(0)
      expect(existsSync(join(repository.directory, 'was-asked'))).toBe(true)
    }
  })
})
