import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'

import { parseOid } from '@datakit/git/oid'
import type { Depot } from '@datakit/git/place'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import {
  commitObject,
  emptyTree,
  git,
  stageObjects,
  temporaryDirectory,
} from '../../test/git-sample.ts'
import { collect, done, request } from '../../test/samples.ts'
import { gitDirectoryDepot, openGitDirectory } from './depot.ts'

const MAIN = 'refs/heads/main'

let root = ''
let depot: Depot

beforeEach(() => {
  root = temporaryDirectory()
  depot = gitDirectoryDepot(root)
})

afterEach(async () => {
  await depot.close()
  rmSync(root, { recursive: true, force: true })
})

async function create(name: string): Promise<void> {
  const place = await depot.open(name)
  const commit = commitObject(name)
  const addPacks = [await stageObjects(place, [commit, emptyTree])]
  await done(place, request([{ name: MAIN, from: undefined, to: commit.oid }], { addPacks }))
}

async function names(): Promise<string[]> {
  return (await collect(depot.list())).map(({ name, refused }) =>
    refused ? `${name}: ${refused}` : name,
  )
}

it('serves the repository that took the place of another, and nothing of the old one', async () => {
  await create('a')
  const place = await depot.open('a')
  const { repository, packs } = await place.read()
  rmSync(`${root}/a.git`, { recursive: true })
  expect((await place.read()).exists).toBe(false)
  await create('a')
  const before = await place.read()
  rmSync(`${root}/a.git`, { recursive: true })
  git(root, 'init', '-q', '--bare', 'a.git')
  const empty = git(`${root}/a.git`, 'mktree')
  const oid = parseOid(git(`${root}/a.git`, 'commit-tree', '-m', 'Another', empty))
  git(`${root}/a.git`, 'update-ref', MAIN, oid)
  const after = await place.read()
  expect(await after.ref(MAIN)).toBe(oid)
  expect(after.packs.map(({ id }) => id)).not.toContain(packs[0]?.id)
  expect(new Set([repository, before.repository, after.repository]).size).toBe(3)
  const commit = commitObject('second')
  const addPacks = [await stageObjects(place, [commit, emptyTree])]
  await done(place, request([{ name: MAIN, from: oid, to: commit.oid }], { addPacks }))
  git(`${root}/a.git`, 'fsck', '--strict')
})

describe('creating', () => {
  it('makes a bare repository by the first update, and nothing before', async () => {
    const place = await depot.open('team/config')
    const commit = commitObject('first')
    const addPacks = [await stageObjects(place, [commit, emptyTree])]
    expect(readdirSync(root)).toEqual(['.datakit'])
    expect(await names()).toEqual([])
    await done(place, request([{ name: MAIN, from: undefined, to: commit.oid }], { addPacks }))
    const directory = `${root}/team/config.git`
    git(directory, 'fsck', '--strict')
    expect(git(directory, 'rev-parse', '--is-bare-repository', 'HEAD').split('\n')).toEqual([
      'true',
      commit.oid,
    ])
    expect(await names()).toEqual(['team/config'])
    expect(readdirSync(`${root}/.datakit/stage`)).toEqual([])
    git(root, 'clone', '-q', directory, 'clone')
    expect(git(`${root}/clone`, 'rev-parse', 'HEAD')).toBe(commit.oid)
  })

  it('leaves nothing behind when the first update is lost', async () => {
    const place = await depot.open('a')
    const { oid } = commitObject('first')
    expect((await place.update(request([{ name: MAIN, from: oid, to: undefined }]))).state).toBe(
      'lost',
    )
    expect(existsSync(`${root}/a.git`)).toBe(false)
    expect(readdirSync(`${root}/.datakit`)).toEqual([])
  })

  it('makes one repository when two processes create it at once', async () => {
    const other = gitDirectoryDepot(root)
    const commits = [commitObject('one'), commitObject('two')]
    const outcomes = await Promise.all(
      [depot, other].map(async (each, i) => {
        const place = await each.open('a')
        const commit = commits[i] ?? commitObject('')
        const addPacks = [await stageObjects(place, [commit, emptyTree])]
        return await place.update(
          request([{ name: MAIN, from: undefined, to: commit.oid }], { addPacks }),
        )
      }),
    )
    expect(outcomes.map(({ state }) => state).sort()).toEqual(['done', 'lost'])
    const winner = commits[outcomes.findIndex(({ state }) => state === 'done')]
    expect(git(`${root}/a.git`, 'rev-parse', MAIN)).toBe(winner?.oid)
    git(`${root}/a.git`, 'fsck', '--strict')
    await other.close()
  })

  it('creates nothing where it is told not to', async () => {
    const strict = gitDirectoryDepot(root, { create: false })
    const place = await strict.open('a')
    expect((await place.read()).exists).toBe(false)
    const wish = request([{ name: MAIN, from: undefined, to: commitObject('a').oid }])
    await expect(place.update(wish)).rejects.toMatchObject({ code: 'refused' })
  })
})

describe('names', () => {
  it.each([
    '',
    '.',
    '..',
    'a/../b',
    '/a',
    'a/',
    'a//b',
    '.hidden',
    'a/.git',
    'a.git',
    'a.git/b',
    'a\0',
    'a\\b',
    'a\n',
  ])('refuses %j', async (name) => {
    await expect(depot.open(name)).rejects.toMatchObject({ code: 'bad-name' })
  })

  it('leads into no repository and through no link', async () => {
    await create('a')
    git(root, 'init', '-q', '--bare', 'plain')
    git(root, 'init', '-q', 'work')
    mkdirSync(`${root}/folder`)
    symlinkSync('/tmp', `${root}/link`)
    for (const name of ['plain/hooks', 'work/src', 'link/a']) {
      await expect(depot.open(name)).rejects.toMatchObject({ code: 'bad-name' })
    }
    expect((await (await depot.open('folder/a')).read()).exists).toBe(false)
  })

  it('finds bare repositories, those with a working tree, and links to repositories', async () => {
    await create('one')
    await create('folder/two')
    git(root, 'init', '-q', '--bare', 'plain')
    git(root, 'init', '-q', 'work')
    const elsewhere = temporaryDirectory()
    git(elsewhere, 'init', '-q', '--bare', 'real.git')
    symlinkSync(`${elsewhere}/real.git`, `${root}/linked.git`)
    symlinkSync(elsewhere, `${root}/link`)
    expect(await names()).toEqual(['folder/two', 'linked', 'one', 'plain', 'work'])
    for (const name of [...(await names()), 'link/real'])
      expect((await (await depot.open(name)).read()).exists).toBe(true)
    rmSync(elsewhere, { recursive: true, force: true })
  })
})

describe('what cannot be served', () => {
  it.each([
    ['extensions.objectFormat', 'sha256', 'SHA-1'],
    ['extensions.refStorage', 'reftable', 'reftable'],
    ['extensions.surprise', 'true', 'surprise'],
    ['core.repositoryFormatVersion', '2', 'format is 2'],
  ])('is refused by name and reason: %s %s', async (key, value, reason) => {
    await create('good')
    await create('bad')
    const [section, name] = key.split('.')
    appendFileSync(
      `${root}/bad.git/config`,
      `[core]\nrepositoryformatversion = 1\n[${section}]\n${name} = ${value}\n`,
    )
    await depot.close()
    await expect(depot.open('bad')).rejects.toThrow('Cannot open "bad.git": ')
    await expect(depot.open('bad')).rejects.toMatchObject({ code: 'unsupported' })
    expect(await names()).toEqual([expect.stringContaining(reason), 'good'])
  })

  it('includes a repository that git made with sha256', async () => {
    git(root, 'init', '-q', '--bare', '--object-format=sha256', 'bad.git')
    await expect(depot.open('bad')).rejects.toThrow('sha256')
  })

  it('includes a broken configuration', async () => {
    git(root, 'init', '-q', '--bare', 'bad.git')
    writeFileSync(`${root}/bad.git/config`, '[core\n')
    await expect(depot.open('bad')).rejects.toThrow(`${root}/bad.git/config`)
  })

  it('includes a linked worktree and what is no repository', async () => {
    git(root, 'init', '-q', 'work')
    git(`${root}/work`, 'commit', '-q', '--allow-empty', '-m', 'one')
    git(`${root}/work`, 'worktree', 'add', '-q', '../other')
    await expect(openGitDirectory(`${root}/work/.git/worktrees/other`)).rejects.toThrow(
      'worktrees/other',
    )
    await expect(openGitDirectory(root)).rejects.toMatchObject({ code: 'refused' })
    const place = await openGitDirectory(`${root}/work/.git`)
    expect(place.checkedOut().sort()).toEqual(['refs/heads/master', 'refs/heads/other'])
    await place.close()
  })
})
