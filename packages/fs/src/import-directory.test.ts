/**
 * Git directories that Git and isomorphic-git wrote, taken over with their history.
 *
 * Seen to fail when: entries of packs are copied without a look at the trailer; packed refs are left out; the cuts of a
 * shallow clone do not come along.
 */
import { Repository } from '@datakit/datakit/repository'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { openGitDirectory } from '@datakit/storage/git-directory'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { importDirectory } from './import-directory.ts'

let folder: string
let repository: Repository

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-'))
  const place = await openGitDirectory(`${folder}/repository.git`, { create: true })
  repository = await Repository.open(place, { runtime: nodeRuntime })
  git('init', '-q', '-b', 'trunk', 'app')
})

afterEach(async () => {
  await repository.close()
  await rm(folder, { recursive: true, force: true })
})

function git(...args: string[]): string {
  const who = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', '-c', 'gc.auto=0']
  return execFileSync('git', [...who, ...args], { cwd: folder, encoding: 'utf8' }).trimEnd()
}

function app(...args: string[]): string {
  return git('-C', 'app', ...args)
}

async function commit(path: string, content: string): Promise<void> {
  await writeFile(`${folder}/app/${path}`, content)
  app('add', '.')
  app('commit', '-qm', `Write ${path}`)
}

function take() {
  return importDirectory(repository, { files: fs, gitdir: `${folder}/app/.git` })
}

function refsOf(directory: string): string {
  return git('-C', directory, 'for-each-ref', '--format=%(objectname) %(refname)')
}

describe('importing a Git directory', () => {
  it('takes loose objects, several packs, packed refs, tags and HEAD', async () => {
    for (let i = 0; i < 10; i++) {
      await commit(`file${i % 3}`, `${'line\n'.repeat(200)}${i}\n`)
      if (i === 3) app('repack', '-dq')
      if (i === 6) {
        app('tag', '-a', '-m', 'six', 'v6')
        app('branch', 'topic/six')
        app('repack', '-dq')
        app('pack-refs', '--all')
      }
    }
    const refs = await take()
    expect(refs.every(({ state }) => state === 'created')).toBe(true)
    expect(refsOf('repository.git')).toBe(refsOf('app'))
    git('-C', 'repository.git', 'fsck', '--strict', '--no-dangling')
    expect(await repository.head()).toEqual({ ref: 'refs/heads/trunk' })
    expect((await take()).every(({ state }) => state === 'unchanged')).toBe(true)
  })

  it('takes a shallow clone with its cut', async () => {
    for (let i = 0; i < 4; i++) await commit('file', `${i}`)
    git('clone', '-q', '--depth', '2', `file://${folder}/app`, 'clone')
    await importDirectory(repository, { files: fs, gitdir: `${folder}/clone/.git` })
    expect(git('-C', 'repository.git', 'rev-list', '--count', 'trunk')).toBe('2')
    git('-C', 'repository.git', 'fsck', '--strict', '--no-dangling')
  })

  it('moves nothing that is here, and takes the rest', async () => {
    await commit('file', '1')
    app('branch', 'other')
    await repository.branch('trunk').commit((files) => files.write('mine', '2'), { message: 'M' })
    const own = git('-C', 'repository.git', 'rev-parse', 'trunk')
    const refs = await take()
    expect(refs.map(({ name, state }) => `${state} ${name}`)).toEqual([
      'created refs/heads/other',
      'refused refs/heads/trunk',
    ])
    expect(git('-C', 'repository.git', 'rev-parse', 'trunk')).toBe(own)
  })

  it('takes nothing where an object or a pack is broken', async () => {
    await commit('file', 'content')
    const oid = app('rev-parse', 'HEAD:file')
    const path = `${folder}/app/.git/objects/${oid.slice(0, 2)}/${oid.slice(2)}`
    fs.chmodSync(path, 0o644)
    await writeFile(path, Buffer.from('789c0300000000010a0a', 'hex'))
    await expect(take()).rejects.toMatchObject({ code: 'malformed' })
    await rm(path)
    const lacking = await take()
    expect(lacking[0]).toMatchObject({
      state: 'refused',
      reason: expect.stringContaining(oid.slice(0, 4)),
    })
  })

  it('takes nothing of a pack with a wrong byte, at any place', async () => {
    for (let i = 0; i < 5; i++) await commit('file', `${'line\n'.repeat(50)}${i}`)
    app('repack', '-adq')
    const [name = ''] = fs
      .readdirSync(`${folder}/app/.git/objects/pack`)
      .filter((n) => n.endsWith('.pack'))
    const path = `${folder}/app/.git/objects/pack/${name}`
    fs.chmodSync(path, 0o644)
    const bytes = await readFile(path)
    for (let at = 0; at < bytes.length; at += 11) {
      const broken = Uint8Array.from(bytes)
      broken[at] = (broken[at] ?? 0) ^ 0x20
      await writeFile(path, broken)
      await expect(take()).rejects.toMatchObject({ code: 'malformed' })
    }
    expect(await repository.branches()).toEqual([])
    await writeFile(path, bytes)
    expect((await take())[0]?.state).toBe('created')
  })

  it('says where there is no Git directory', async () => {
    const missing = importDirectory(repository, { files: fs, gitdir: `${folder}/nowhere/.git` })
    await expect(missing).rejects.toMatchObject({ code: 'missing' })
  })
})
