/**
 * What clients hear when something is wrong: with their request, with a name, with the repository.
 */
import { appendFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git, tryGit } from '../support/stock-git.ts'

const folder = temporaryFolder('problems')
const corpus = join(folder.path, 'corpus.git')

beforeAll(() => makeCorpus(corpus, { files: 5, commits: 3, layout: 'flat', seed: 2 }))
afterAll(() => folder.remove())

describe.each(SERVER_KINDS)('the %s server', (kind) => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer(kind)
    await git(corpus, 'push', '--quiet', `${server.url}/one.git`, 'main')
    await git(corpus, 'push', '--quiet', `${server.url}/team/one.git`, 'main')
  })
  afterAll(() => server.stop())

  /** Sends a request for a fetch; status and text of the answer. */
  async function fetchWith(
    body: Uint8Array<ArrayBuffer>,
    headers: Record<string, string>,
  ): Promise<{ status: number; text: string }> {
    const answer = await fetch(`${server.url}/one.git/git-upload-pack`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-git-upload-pack-request', ...headers },
      body,
    })
    return { status: answer.status, text: await answer.text() }
  }

  it('refuses a fetch in a compression that it does not read', async () => {
    const { status, text } = await fetchWith(Uint8Array.from([1, 2, 3]), {
      'content-encoding': 'br',
    })
    expect({ status, text }).toEqual({
      status: 415,
      text: 'The request is compressed by "br"; this server reads gzip\n',
    })
  })

  it('answers a fetch that is no gzip with the reason, in a line that Git shows', async () => {
    const { text } = await fetchWith(Buffer.from('0000not gzip'), { 'content-encoding': 'gzip' })
    expect(text).toMatch(
      /^[0-9a-f]{4}ERR Cannot read the request: it breaks off, or is not compressed as it says\n$/,
    )
  })

  it('answers a fetch that unpacks to far too much with the reason', async () => {
    const want = `0032want ${await git(corpus, 'rev-parse', 'main')}\n`
    const have = `0032have ${'1'.repeat(40)}\n`
    const body = gzipSync(`${want}0000${have.repeat(400_000)}0009done\n`)
    const { text } = await fetchWith(Uint8Array.from(body), { 'content-encoding': 'gzip' })
    expect(text).toMatch(/^[0-9a-f]{4}ERR .*(more|larger) than [0-9]+/)
  })

  it.each(['one', 'team/one'])('tells the dumb protocol how %s is cloned', async (name) => {
    for (const path of ['HEAD', 'objects/info/packs', '']) {
      const answer = await fetch(`${server.url}/${name}.git/${path}`)
      expect(answer.status).toBe(404)
      expect(await answer.text()).toBe(
        `Nothing is at /${name}.git/${path}: "${name}.git" is cloned with Git's smart protocol, "git clone ${server.url}/${name}.git"\n`,
      )
    }
  })

  it.each([
    ['PUT', '/one.git/info/refs', 'GET, HEAD, OPTIONS'],
    ['DELETE', '/team/one.git/info/refs', 'GET, HEAD, OPTIONS'],
    ['GET', '/team/one.git/git-upload-pack', 'POST, OPTIONS'],
    ['GET', '/one.git/sync', 'POST, OPTIONS'],
  ])('answers %s %s with the method that it takes', async (method, path, allowed) => {
    const answer = await fetch(server.url + path, { method })
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe(allowed)
    await answer.arrayBuffer()
  })

  it('says how a repository that is not there is made, with its URL', async () => {
    const { code, err } = await tryGit(folder.path, 'ls-remote', `${server.url}/team/nope.git`)
    expect(code).not.toBe(0)
    expect(err).toContain(`A first push makes it: git push ${server.url}/team/nope.git BRANCH`)
  })
})

describe.each(SERVER_KINDS)('the %s server with a token', (kind) => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer(kind, { token: 'open-sesame' })
  })
  afterAll(() => server.stop())

  it('asks for it on every path below a repository', async () => {
    for (const [method, path] of [
      ['GET', '/a/b.git/HEAD'],
      ['PUT', '/a/b.git/info/refs'],
      ['GET', '/b.git'],
    ] as const) {
      const answer = await fetch(server.url + path, { method })
      expect(answer.status).toBe(401)
      await answer.arrayBuffer()
    }
  })
})

describe('a folder of Git directories', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer('node')
  })
  afterAll(() => server.stop())

  it.each([
    ['a symbolic link', (path: string) => symlinkSync(folder.path, path)],
    ['a link that leads nowhere', (path: string) => symlinkSync('/nowhere/at/all', path)],
    ['a file', (path: string) => writeFileSync(path, 'x')],
    [
      'a directory',
      (path: string) => (mkdirSync(path), writeFileSync(join(path, 'notes.txt'), 'x')),
    ],
  ])('refuses a name under which %s is that is no repository', async (what, make) => {
    const name = what.replaceAll(' ', '-')
    make(join(server.data, `${name}.git`))
    const url = `${server.url}/${name}.git`
    const said = /something that is no repository is there/
    const listed = await tryGit(folder.path, 'ls-remote', url)
    expect(listed.err).toMatch(said)
    expect(listed.err).not.toContain(server.data)
    const pushed = await tryGit(corpus, 'push', url, 'main')
    expect(pushed.code).not.toBe(0)
    expect(pushed.err).toMatch(said)
  })

  it('tells a client nothing of where on the disk a repository is that it cannot serve', async () => {
    await git(server.data, 'init', '--quiet', '--bare', 'reftable.git')
    const config = join(server.data, 'reftable.git', 'config')
    await git(server.data, 'config', '-f', config, 'core.repositoryformatversion', '1')
    await git(server.data, 'config', '-f', config, 'extensions.refStorage', 'reftable')
    const answer = await fetch(`${server.url}/reftable.git/info/refs?service=git-upload-pack`)
    expect(answer.status).toBe(501)
    expect(await answer.text()).toBe(
      'Cannot open "reftable.git": its refs are kept as reftable, and only files are offered\n',
    )
    const list = await (await fetch(`${server.url}/repositories`)).text()
    expect(list).toContain('its refs are kept as reftable')
    expect(list).not.toContain(server.data)
  })

  it('takes a broken configuration for its own fault, and tells the log where it is', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    await git(corpus, 'push', '--quiet', `${server.url}/broken.git`, 'main')
    appendFileSync(join(server.data, 'broken.git', 'config'), '[core\n')
    const answer = await fetch(`${server.url}/broken.git/info/refs?service=git-upload-pack`)
    expect(answer.status).toBe(500)
    expect(await answer.text()).toBe(
      'Repository "broken" cannot be served: something in it is broken; the log of the server says what\n',
    )
    expect(inspect(log.mock.calls[0]?.[0])).toContain(join(server.data, 'broken.git', 'config'))
    log.mockRestore()
    const list = await fetch(`${server.url}/repositories`)
    expect(await list.text()).not.toContain(server.data)
  })
})
