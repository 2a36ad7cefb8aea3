/**
 * A partial clone as a repository that our server offers: it never fetches on behalf of a client.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Repository } from '@datakit/datakit/repository'
import { sync } from '@datakit/datakit/sync'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { httpBackend, type HttpBackend } from '../support/http-backend.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git, tryGit } from '../support/stock-git.ts'

const origin = temporaryFolder('partial-origin')
const root = temporaryFolder('partial-served')
const folder = temporaryFolder('partial-clients')
let backend: HttpBackend
let server: TestServer
let counter = 0

beforeAll(async () => {
  backend = await httpBackend(origin.path, { record: true })
  server = await startTestServer('node', { data: root.path })
})
afterAll(async () => {
  await server.stop()
  await backend.close()
  for (const each of [origin, root, folder]) each.remove()
})

/** Commits files in a work tree. */
async function commitFiles(work: string, files: Record<string, string>, message: string) {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(work, path)), { recursive: true })
    writeFileSync(join(work, path), content)
  }
  await git(work, 'add', '.')
  await git(work, 'commit', '-q', '-m', message)
}

/** A partial clone with a filter behind our server, of a repository behind Git's. */
async function partial(filter: string) {
  const name = `r${++counter}`
  const source = join(origin.path, `${name}.git`)
  const work = join(folder.path, `${name}-source`)
  await git(folder.path, 'init', '-q', '-b', 'main', work)
  await commitFiles(work, { 'a/x': '1\n', y: 'y\n' }, 'One')
  await commitFiles(work, { 'a/x': '2\n' }, 'Two')
  await git(folder.path, 'clone', '-q', '--bare', work, source)
  await git(source, 'config', 'uploadpack.allowFilter', 'true')
  await git(source, 'config', 'uploadpack.allowAnySHA1InWant', 'true')
  const directory = join(root.path, `${name}.git`)
  const url = `${backend.url}/${name}.git`
  await git(folder.path, 'clone', '-q', '--bare', `--filter=${filter}`, url, directory)
  await git(directory, 'config', 'uploadpack.allowFilter', 'true')
  const requests = backend.requests.length
  return {
    name,
    directory,
    url: `${server.url}/${name}.git`,
    clone: join(folder.path, `${name}-clone`),
    asked: () => backend.requests.length - requests,
  }
}

describe.each(['blob:none', 'tree:0'])('a served partial clone with %s', (filter) => {
  let served: Awaited<ReturnType<typeof partial>>
  beforeEach(async () => (served = await partial(filter)))

  it('tells a client that needs what it lacks, in every version, and asks nobody', async () => {
    for (const version of ['0', '1', '2']) {
      const flags = ['-c', `protocol.version=${version}`]
      const run = await tryGit(folder.path, ...flags, 'clone', '-q', served.url, served.clone)
      expect(run.code).not.toBe(0)
      expect(run.err).toContain('is a partial clone that lacks')
      expect(run.err).not.toContain('127.0.0.1:' + new URL(backend.url).port)
    }
    expect(served.asked()).toBe(0)
  })

  it('gives what it has to a client that leaves the rest', async () => {
    await git(folder.path, 'clone', '-q', '--bare', `--filter=${filter}`, served.url, served.clone)
    expect(await git(served.clone, 'rev-list', '--count', 'main')).toBe('2')
    await git(served.clone, 'fsck')
    expect(served.asked()).toBe(0)
  })

  it('answers a sync with a code of its own', async () => {
    const repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
    const failed = sync(repository, { url: served.url })
    await expect(failed).rejects.toMatchObject({ code: 'not-here', status: 501 })
    await expect(failed).rejects.toThrow('is a partial clone that lacks')
    expect(served.asked()).toBe(0)
  })
})

it('a served partial clone takes pushes that rest on what it lacks, and stays sound', async () => {
  const { directory, url, clone, asked } = await partial('blob:none')
  await git(folder.path, 'init', '-q', '-b', 'main', clone)
  await git(clone, 'remote', 'add', 'whole', join(origin.path, `r${counter}.git`))
  await git(clone, 'remote', 'add', 'served', url)
  await git(clone, 'pull', '-q', 'whole', 'main')
  await commitFiles(clone, { 'b/new': 'new\n' }, 'Three')
  await git(clone, 'push', '-q', 'served', 'main')
  expect(asked()).toBe(0)
  await git(directory, 'fsck', '--strict')
  expect(await git(directory, 'show', 'main:b/new')).toBe('new')
  expect(await git(directory, 'show', 'main:y')).toBe('y')
})
