/**
 * isomorphic-git, unchanged, on a repository of ours; Git looks at what comes of it.
 *
 * Seen to fail when: a ref moves before its objects are taken; an object that is here, but no ref's, is thought to be
 * enough; the second try of a refused write is let through; refs do not wait for the pack of a fetch.
 */
import { Repository } from '@datakit/datakit/repository'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { openGitDirectory } from '@datakit/storage/git-directory'
import * as git from 'isomorphic-git'
import * as http from 'isomorphic-git/http/node'
import { execFile } from 'node:child_process'
import fs, { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { repositoryFs } from './repository-fs.ts'
import { httpBackend } from '../../../test/support/http-backend.ts'

const author = { name: 'Ada', email: 'ada@example.org' }
let folder: string
let repository: Repository
let client: { fs: ReturnType<typeof repositoryFs>; dir: string; gitdir: string }

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fs-'))
  repository = await open()
  const gitdir = `${folder}/work/.git`
  fs.mkdirSync(gitdir, { recursive: true })
  client = { fs: repositoryFs(repository, { gitdir, files: fs }), dir: `${folder}/work`, gitdir }
})

afterEach(async () => {
  await repository.close()
  await rm(folder, { recursive: true, force: true })
})

/** The repository that the tests are about: a Git directory, so that Git can look at it. */
async function open(): Promise<Repository> {
  const place = await openGitDirectory(`${folder}/repository.git`, { create: true })
  return Repository.open(place, {
    runtime: nodeRuntime,
    identity: () => ({ name: 'Ada', address: 'ada@example.org' }),
  })
}

/** Stock git, beside us: the server that it talks with is in this process. */
async function run(...args: string[]): Promise<string> {
  return (await promisify(execFile)('git', args)).stdout.trimEnd()
}

function stock(...args: string[]): Promise<string> {
  return run('-C', `${folder}/repository.git`, ...args)
}

/** Writes a file into the work tree, stages and commits it. */
async function commit(path: string, content: string): Promise<string> {
  await writeFile(join(client.dir, path), content)
  await git.add({ ...client, filepath: path })
  return git.commit({ ...client, author, message: `Write ${path}` })
}

/** A server with a repository of some commits, and stock git's clone of it. */
async function otherClone(commits: number) {
  await run('init', '-q', '--bare', '-b', 'main', `${folder}/server/r.git`)
  await run('-C', `${folder}/server/r.git`, 'config', 'http.receivepack', 'true')
  const server = await httpBackend(`${folder}/server`)
  const url = `${server.url}/r.git`
  await run('clone', '-q', url, `${folder}/other`)
  const who = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org']
  const other = (...args: string[]) => run('-C', `${folder}/other`, ...who, ...args)
  await other('checkout', '-q', '-B', 'main')
  for (let i = 0; i < commits; i++) {
    await writeFile(`${folder}/other/file${i}`, `${i}`)
    await other('add', '.')
    await other('commit', '-qm', `${i}`)
  }
  await other('push', '-q', 'origin', 'main')
  return { url, other, close: () => server.close() }
}

async function looseFiles(): Promise<string[]> {
  const all = await readdir(`${client.gitdir}/objects`, { recursive: true }).catch(() => [])
  return all.filter((name) => /^..\/.{38}$/.test(name))
}

describe('a repository as a file system', () => {
  it('is committed to, and Git finds it whole', async () => {
    const first = await commit('a.json', '{}\n')
    const second = await commit('b.json', '[]\n')
    expect(await stock('rev-parse', 'main')).toBe(second)
    await stock('fsck', '--strict', '--no-dangling')
    expect(await stock('show', 'main:b.json')).toBe('[]')
    expect(await looseFiles()).toEqual([])
    const log = await git.log(client)
    expect(log.map(({ oid }) => oid)).toEqual([second, first])
    const snapshot = await repository.branch('main').head()
    expect(await snapshot?.readText('a.json')).toBe('{}\n')
  })

  it('shows what was written by us, by path and by walking', async () => {
    const main = repository.branch('main')
    await main.commit(
      async (files) => {
        await files.write('config/limits.json', '{ "users": 10 }\n')
        await files.write('readme', 'hello\n')
      },
      { message: 'First' },
    )
    const oid = await git.resolveRef({ ...client, ref: 'HEAD' })
    const { blob } = await git.readBlob({ ...client, oid, filepath: 'config/limits.json' })
    expect(new TextDecoder().decode(blob)).toBe('{ "users": 10 }\n')
    const paths = await git.walk({
      ...client,
      trees: [git.TREE({ ref: 'main' })],
      map: async (path, [entry]) => ((await entry?.type()) === 'blob' ? path : undefined),
    })
    expect(paths.flat(3).filter((path: unknown) => path !== undefined)).toEqual([
      'config/limits.json',
      'readme',
    ])
    await git.checkout({ ...client, ref: 'main' })
    expect(existsSync(`${client.dir}/config/limits.json`)).toBe(true)
    expect(await git.expandOid({ ...client, oid: oid.slice(0, 8) })).toBe(oid)
  })

  it('has branches and tags that come, go and are listed', async () => {
    const first = await commit('a', '1')
    await git.branch({ ...client, ref: 'topic/one' })
    await git.annotatedTag({ ...client, ref: 'v1', message: 'One', tagger: author })
    expect(await git.listBranches(client)).toEqual(['main', 'topic/one'])
    expect(await git.listTags(client)).toEqual(['v1'])
    await stock('fsck', '--strict', '--no-dangling')
    expect(await stock('rev-parse', 'v1^{commit}')).toBe(first)
    await git.deleteBranch({ ...client, ref: 'topic/one' })
    await git.renameBranch({ ...client, oldref: 'main', ref: 'trunk', checkout: true })
    expect((await stock('for-each-ref', '--format=%(refname)')).split('\n')).toEqual([
      'refs/heads/trunk',
      'refs/tags/v1',
    ])
    expect(await repository.head()).toEqual({ ref: 'refs/heads/trunk' })
  })

  it('does not overwrite what others committed meanwhile, however often it is tried at once', async () => {
    const first = await commit('a', '1')
    const { fs: view } = client
    const aside = { ...client, author, message: 'Aside', noUpdateBranch: true, parent: [first] }
    const other = await git.commit(aside)
    await repository.branch('main').commit((files) => files.write('b', 'theirs'), { message: 'B' })
    const theirs = await stock('rev-parse', 'main')
    const write = () => view.promises.writeFile(`${client.gitdir}/refs/heads/main`, `${other}\n`)
    await expect(write()).rejects.toMatchObject({ code: 'ref-moved', current: theirs })
    await expect(write()).rejects.toMatchObject({ code: 'ref-moved' })
    expect(await stock('rev-parse', 'main')).toBe(theirs)
    // Who looks again, and means it, may.
    await git.resolveRef({ ...client, ref: 'main' })
    await write()
    expect(await stock('rev-parse', 'main')).toBe(other)
  })

  it('takes along what is here and no ref leads to any more', async () => {
    await commit('a', '1')
    await git.branch({ ...client, ref: 'old', checkout: true })
    const gone = await commit('b', 'only on the old branch')
    await git.checkout({ ...client, ref: 'main' })
    await git.deleteBranch({ ...client, ref: 'old' })
    await git.branch({ ...client, ref: 'back', object: gone })
    await stock('fsck', '--strict', '--no-dangling')
    expect(await stock('rev-parse', 'back')).toBe(gone)
    await git.deleteBranch({ ...client, ref: 'back' })
    const again = await commit('b', 'only on the old branch')
    await stock('fsck', '--strict', '--no-dangling')
    expect(await stock('rev-parse', 'main')).toBe(again)
    expect(await stock('show', 'main:b')).toBe('only on the old branch')
  })

  it('fetches, merges and pushes with a server', async () => {
    const { url, other, close } = await otherClone(1)
    try {
      await git.addRemote({ ...client, remote: 'origin', url })
      await git.fetch({ ...client, http, remote: 'origin' })
      expect(await stock('rev-parse', 'refs/remotes/origin/main')).toBe(
        await other('rev-parse', 'main'),
      )
      await stock('fsck', '--strict', '--no-dangling')
      await git.branch({ ...client, ref: 'main', object: 'origin/main' })
      await git.checkout({ ...client, ref: 'main' })
      await commit('mine', '2')
      await writeFile(`${folder}/other/theirs`, '3')
      await other('add', '.')
      await other('commit', '-qm', 'More')
      await other('push', '-q', 'origin', 'main')
      await git.pull({ ...client, http, ref: 'main', remote: 'origin', author })
      await git.push({ ...client, http, remote: 'origin', ref: 'main' })
      await other('pull', '-q')
      expect(await other('rev-parse', 'main')).toBe(await stock('rev-parse', 'main'))
      expect(await other('rev-list', '--count', 'main')).toBe('4')
      await stock('fsck', '--strict', '--no-dangling')
    } finally {
      await close()
    }
  })

  it('clones into an empty repository, whole and shallow', async () => {
    const { url, other, close } = await otherClone(5)
    try {
      await git.clone({ ...client, http, url, depth: 2 })
      expect(await stock('rev-list', '--count', 'main')).toBe('2')
      await stock('fsck', '--strict', '--no-dangling')
      expect((await git.log(client)).length).toBe(2)
      expect(existsSync(`${client.dir}/file4`)).toBe(true)
      const head = await repository.branch('main').head()
      expect(head?.oid).toBe(await other('rev-parse', 'main'))
      expect(await readdir(`${client.gitdir}/objects/pack`)).toEqual([])
    } finally {
      await close()
    }
  })

  it('keeps HEAD from commits that nothing would hold', async () => {
    const first = await commit('a', '1')
    await git.checkout({ ...client, ref: first })
    expect(await stock('rev-parse', 'HEAD')).toBe(first)
    await expect(commit('b', '2')).rejects.toMatchObject({ code: 'detached' })
    expect(await stock('rev-parse', 'HEAD')).toBe(first)
  })
})
