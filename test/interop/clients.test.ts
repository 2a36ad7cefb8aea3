/**
 * Every client by name against both servers: clone, fetch, push, delete, an empty repository. Stock Git says whether the
 * result is right.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GIT_CLIENTS } from '../support/clients.ts'
import { makeCorpus } from '../support/corpus.ts'
import { installPackages } from '../../tools/debian.ts'
import { mustRun } from '../../tools/must-run.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type ServerKind,
  type TestServer,
} from '../support/servers.ts'
import { git, objectsOf, tryGit } from '../support/stock-git.ts'

const problem = installPackages([...new Set(GIT_CLIENTS.flatMap(({ packages }) => packages))])
const folder = temporaryFolder('clients')
const corpus = join(folder.path, 'corpus.git')
const servers = new Map<ServerKind, TestServer>()
let counter = 0

beforeAll(async () => {
  await makeCorpus(corpus, { files: 200, commits: 120, layout: 'directories', seed: 11 })
  await git(corpus, 'tag', '-a', '-m', 'One', 'v1', 'main~20')
  await git(corpus, 'branch', 'old', 'main~50')
  for (const kind of SERVER_KINDS) servers.set(kind, await startTestServer(kind))
})
afterAll(async () => {
  for (const server of servers.values()) await server.stop()
  folder.remove()
})

function fresh(): string {
  return join(folder.path, `copy-${++counter}`)
}

/** URL of a new repository; an empty one until something is pushed. */
async function repository(kind: ServerKind, ...refs: readonly string[]): Promise<string> {
  const url = `${servers.get(kind)?.url}/clients/r${++counter}.git`
  const first = refs.length === 0 ? ['main:refs/tags/gone'] : refs
  await git(corpus, 'push', '--quiet', url, ...first)
  if (refs.length === 0) await git(corpus, 'push', '--quiet', url, ':refs/tags/gone')
  return url
}

/** A commit on top of HEAD, made by stock Git. */
async function commit(path: string, message: string): Promise<string> {
  await git(path, 'commit', '--quiet', '--allow-empty', '-m', message)
  return git(path, 'rev-parse', 'HEAD')
}

/** What the server has, as stock Git clones and checks it: refs, and every object. */
async function checked(url: string): Promise<{ refs: string; objects: string }> {
  const mirror = fresh()
  await git(folder.path, 'clone', '--quiet', '--mirror', url, mirror)
  await git(mirror, 'fsck', '--strict')
  const refs = await git(mirror, 'for-each-ref', '--format=%(refname) %(objectname)')
  return { refs, objects: await objectsOf(mirror) }
}

const pairs = GIT_CLIENTS.flatMap((client) =>
  SERVER_KINDS.map((kind) => ({ client, kind, name: client.name })),
)

describe.skipIf(!mustRun('the clients by name', problem))('a client by name', () => {
  beforeAll(() => {
    for (const { prepare } of GIT_CLIENTS) prepare?.()
  })

  it.each(pairs)('$name clones from the $kind server, object for object', async (pair) => {
    const url = await repository(pair.kind, 'main', 'old', 'v1')
    const path = fresh()
    await pair.client.clone(url, path)
    await git(path, 'fsck', '--strict')
    for (const ref of ['main', 'old']) {
      const there = `refs/remotes/origin/${ref}`
      expect(await git(path, 'rev-parse', there, `${there}^{tree}`)).toBe(
        await git(corpus, 'rev-parse', ref, `${ref}^{tree}`),
      )
    }
    const main = ['rev-list', '--objects', 'refs/remotes/origin/main']
    expect(await git(path, ...main)).toBe(
      await git(corpus, 'rev-list', '--objects', 'refs/heads/main'),
    )
    expect(await git(path, 'status', '--porcelain')).toBe('')
  })

  it.each(pairs)('$name fetches from the $kind server what is new', async ({ client, kind }) => {
    const url = await repository(kind, 'main~10:refs/heads/main')
    const path = fresh()
    await client.clone(url, path)
    await git(corpus, 'push', '--quiet', url, 'main', 'old')
    await client.fetch(url, path)
    await git(path, 'fsck', '--strict')
    for (const ref of ['main', 'old'])
      expect(await git(path, 'rev-parse', `refs/remotes/origin/${ref}`)).toBe(
        await git(corpus, 'rev-parse', ref),
      )
  })

  it.each(pairs)('$name pushes to the $kind server and deletes there', async ({ client, kind }) => {
    const url = await repository(kind, 'main')
    const path = fresh()
    await client.clone(url, path)
    const oid = await commit(path, `From ${client.name}`)
    await client.push(url, path, { from: 'refs/heads/main', to: 'refs/heads/main' })
    await git(path, 'branch', 'side', 'HEAD~5')
    await client.push(url, path, { from: 'refs/heads/side', to: 'refs/heads/side' })
    const side = await git(path, 'rev-parse', 'side')
    const { refs, objects } = await checked(url)
    expect(refs).toBe(`refs/heads/main ${oid}\nrefs/heads/side ${side}`)
    expect(objects).toContain(oid)
    await client.remove(url, path, 'refs/heads/side')
    expect((await checked(url)).refs).toBe(`refs/heads/main ${oid}`)
  })

  it.each(pairs)(
    '$name gets a push refused that is no fast-forward, from the $kind server',
    async ({ client, kind }) => {
      const url = await repository(kind, 'main')
      const path = fresh()
      await client.clone(url, path)
      await git(path, 'reset', '--quiet', '--hard', 'HEAD~3')
      await commit(path, 'Another way')
      const before = await checked(url)
      await expect(
        client.push(url, path, { from: 'refs/heads/main', to: 'refs/heads/main' }),
      ).rejects.toThrow()
      expect(await checked(url)).toEqual(before)
    },
  )

  it.each(pairs)(
    '$name fills an empty repository of the $kind server, and clones it first when it can',
    async ({ client, kind }) => {
      const url = await repository(kind)
      const path = fresh()
      if (client.clonesEmpty) await client.clone(url, path)
      else await git(folder.path, 'clone', '--quiet', url, path)
      expect((await tryGit(path, 'rev-parse', '--verify', 'HEAD')).code).not.toBe(0)
      await git(path, 'checkout', '--quiet', '-B', 'main')
      const oid = await commit(path, 'First')
      await client.push(url, path, { from: 'refs/heads/main', to: 'refs/heads/main' })
      expect((await checked(url)).refs).toBe(`refs/heads/main ${oid}`)
    },
  )
})
