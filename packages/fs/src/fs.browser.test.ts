/**
 * In Chromium: isomorphic-git over a repository in IndexedDB with a lightning-fs for its own files, and the lightning-fs of an
 * existing program taken over.
 */
import { Repository } from '@datakit/datakit/repository'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { openIndexedDbPlace } from '@datakit/storage/indexeddb'
import LightningFS from '@isomorphic-git/lightning-fs'
import { Buffer } from 'buffer'
import git from 'isomorphic-git'
import { afterEach, expect, it } from 'vitest'
import { importDirectory } from './import-directory.ts'
import { repositoryFs } from './repository-fs.ts'

// isomorphic-git takes Node's Buffer for granted, also in browsers.
;(globalThis as { Buffer?: unknown }).Buffer ??= Buffer

const author = { name: 'Ada', email: 'ada@example.org' }
let repository: Repository
let count = 0

async function open(name: string): Promise<Repository> {
  const identity = () => ({ name: 'Ada', address: 'ada@example.org' })
  return Repository.open(await openIndexedDbPlace(name), { runtime: portableRuntime, identity })
}

afterEach(() => repository.close())

it('is committed to, across reloads', async () => {
  const name = `fs-${++count}-${Math.random()}`
  const files = new LightningFS(`files-${name}`)
  await files.promises.mkdir('/work')
  await files.promises.mkdir('/work/.git')
  repository = await open(name)
  const client = () => ({
    fs: repositoryFs(repository, { gitdir: '/work/.git', files }),
    dir: '/work',
    gitdir: '/work/.git',
  })
  await files.promises.writeFile('/work/a.json', '{}\n')
  await git.add({ ...client(), filepath: 'a.json' })
  const first = await git.commit({ ...client(), author, message: 'First' })
  await files.promises.writeFile('/work/b.json', '[]\n')
  await git.add({ ...client(), filepath: 'b.json' })
  // What is staged waits in the program's own files, so it outlives the page.
  await repository.close()
  repository = await open(name)
  const second = await git.commit({ ...client(), author, message: 'Second' })
  expect((await git.log(client())).map(({ oid }) => oid)).toEqual([second, first])
  const head = await repository.branch('main').head()
  expect(await head?.readText('b.json')).toBe('[]\n')
})

it('takes over the database of a program that was built on lightning-fs', async () => {
  const name = `fs-${++count}-${Math.random()}`
  const fs = new LightningFS(`app-${name}`)
  const app = { fs, dir: '/app' }
  await fs.promises.mkdir('/app')
  await git.init({ ...app, defaultBranch: 'trunk' })
  const oids: string[] = []
  for (let i = 0; i < 5; i++) {
    await fs.promises.writeFile(`/app/file${i % 2}`, `${i}\n`)
    await git.add({ ...app, filepath: `file${i % 2}` })
    oids.unshift(await git.commit({ ...app, author, message: `${i}` }))
  }
  await git.annotatedTag({ ...app, ref: 'v1', message: 'One', tagger: author })
  repository = await open(name)
  const refs = await importDirectory(repository, { files: fs, gitdir: '/app/.git' })
  expect(refs.map(({ name, state }) => `${state} ${name}`).sort()).toEqual([
    'created refs/heads/trunk',
    'created refs/tags/v1',
  ])
  expect(await repository.head()).toEqual({ ref: 'refs/heads/trunk' })
  const log: string[] = []
  const head = await repository.branch('trunk').head()
  if (head !== undefined) for await (const { oid } of repository.log(head.oid)) log.push(oid)
  expect(log).toEqual(oids)
  expect(await head?.readText('file0')).toBe('4\n')
})
