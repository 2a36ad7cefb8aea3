/**
 * The HTTP surface of both servers, byte by byte: what each odd request is answered. docs/http.md has the table.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import { sendRaw, type RawAnswer, type RawRequest } from '../support/raw-http.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git, tryGit } from '../support/stock-git.ts'

const folder = temporaryFolder('http')
const corpus = join(folder.path, 'corpus.git')
const ZERO = '0'.repeat(40)
const MB = 1_000_000

beforeAll(() => makeCorpus(corpus, { files: 20, commits: 10, layout: 'directories', seed: 5 }))
afterAll(() => folder.remove())

const typeOf = (service: string): string => `Content-Type: application/x-${service}-request`

function line(text: string): string {
  return (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text
}

describe.each(SERVER_KINDS)('the %s server', (kind) => {
  let server: TestServer
  let tip: string
  beforeAll(async () => {
    server = await startTestServer(kind)
    await git(corpus, 'push', '--quiet', `${server.url}/one.git`, 'main')
    tip = await git(corpus, 'rev-parse', 'main')
  })
  afterAll(() => server.stop())

  async function send(request: RawRequest): Promise<RawAnswer> {
    const answer = await sendRaw(server.url, request)
    if (answer === undefined) throw new Error(`${request.line} was not answered`)
    return answer
  }

  function push(body: Uint8Array | string, more: Partial<RawRequest> = {}): Promise<RawAnswer> {
    const headers = [typeOf('git-receive-pack'), ...(more.headers ?? [])]
    return send({ line: 'POST /one.git/git-receive-pack', ...more, headers, body })
  }

  /** A push that makes a branch at the tip, with all that leads to it. */
  function pushBody(branch: string, capabilities = 'report-status'): Buffer {
    const pack = execFileSync('git', ['-C', corpus, 'pack-objects', '--stdout', '--revs', '-q'], {
      input: `${tip}\n`,
    })
    const command = line(`${ZERO} ${tip} refs/heads/${branch}\0 ${capabilities}`)
    return Buffer.concat([Buffer.from(`${command}0000`), pack])
  }

  async function refs(): Promise<string> {
    return git(corpus, 'ls-remote', `${server.url}/one.git`)
  }

  it.each([
    ['/one.git/info/refs', 403, "Only Git's smart protocol is spoken here"],
    ['/one.git/info/refs?service=', 403, 'Unknown service ""'],
    ['/one.git/info/refs?service=git-upload-archive', 403, 'Unknown service "git-upload-archive"'],
    ['/one.git/HEAD', 404, "is cloned with Git's smart protocol"],
    ['/one.git/objects/info/packs', 404, "is cloned with Git's smart protocol"],
    ['/one.git/objects/00/00000000000000000000000000000000000000', 404, 'smart protocol'],
    ['/one.git/config', 404, 'smart protocol'],
    ['/none.git/info/refs?service=git-upload-pack', 404, 'Repository "none" not found'],
    ['/../../etc/passwd.git/info/refs?service=git-upload-pack', 404, '"etc/passwd" not found'],
    ['/..%2f..%2fetc.git/info/refs?service=git-upload-pack', 400, 'Not a repository name'],
    ['/a%2f..%2fone.git/info/refs?service=git-upload-pack', 400, 'Not a repository name'],
    ['/a%00b.git/info/refs?service=git-upload-pack', 400, 'Not a repository name'],
    ['/a%5c..%5cb.git/info/refs?service=git-upload-pack', 400, 'Not a repository name'],
    ['//one.git/info/refs?service=git-upload-pack', 400, 'Not a repository name'],
    [`/${'x'.repeat(300)}.git/info/refs?service=git-upload-pack`, 400, 'Not a repository name'],
    ['/one.git/git-upload-archive', 404, 'smart protocol'],
  ])('answers GET %s with %i', async (path, status, words) => {
    const answer = await send({ line: `GET ${path}` })
    expect(answer.body).toContain(words)
    expect(answer.status).toBe(status)
    expect(answer.headers.get('cache-control')).toMatch(/no-store|no-cache|max-age=0/)
  })

  it.each([
    ['HEAD', '/one.git/info/refs?service=git-upload-pack', 200, undefined],
    ['OPTIONS', '/one.git/info/refs', 204, 'GET, HEAD, OPTIONS'],
    ['OPTIONS', '/one.git/git-upload-pack', 204, 'POST, OPTIONS'],
    ['OPTIONS', '/none.git/git-receive-pack', 204, 'POST, OPTIONS'],
    ['HEAD', '/one.git/git-receive-pack', 405, 'POST, OPTIONS'],
    ['GET', '/one.git/git-upload-pack', 405, 'POST, OPTIONS'],
    ['PUT', '/one.git/git-receive-pack', 405, 'POST, OPTIONS'],
    ['POST', '/one.git/info/refs', 405, 'GET, HEAD, OPTIONS'],
    ['DELETE', '/one.git/sync', 405, 'POST, OPTIONS'],
    ['POST', '/', 405, 'GET, HEAD, OPTIONS'],
    ['PROPFIND', '/one.git/info/refs', 405, 'GET, HEAD, OPTIONS'],
  ])('answers %s %s with %i', async (method, path, status, allow) => {
    const answer = await send({ line: `${method} ${path}`, body: '' })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('allow')).toBe(allow)
    expect(answer.headers.has('access-control-allow-origin')).toBe(false)
    if (method === 'HEAD') expect(answer.body).toBe('')
  })

  it.each([
    ['GET /one.git/info/refs?service=git-upload-pack', 'git-upload-pack-advertisement', ''],
    ['GET /one.git/info/refs?service=git-receive-pack', 'git-receive-pack-advertisement', ''],
    ['POST /one.git/git-receive-pack', 'git-receive-pack-result', '0000'],
    ['POST /one.git/git-upload-pack', 'git-upload-pack-result', '0000'],
  ])('lets nobody keep the answer to %s', async (first, type, body) => {
    const service = first.slice(first.lastIndexOf('/') + 1)
    const { status, headers } = await send({ line: first, headers: [typeOf(service)], body })
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe(`application/x-${type}`)
    expect(headers.get('cache-control')).toBe('no-cache, max-age=0, must-revalidate')
    expect(headers.get('expires')).toBe('Fri, 01 Jan 1980 00:00:00 GMT')
    expect(headers.get('pragma')).toBe('no-cache')
  })

  it.each(['git-receive-pack', 'git-upload-pack'])(
    'takes a request for %s of no other content type',
    async (service) => {
      const post = `POST /one.git/${service}`
      for (const headers of [[], ['Content-Type: text/plain'], [typeOf('git-other')]]) {
        const { status, body } = await send({ line: post, headers, body: '0000' })
        expect(status).toBe(415)
        expect(body).toBe(
          `A ${service} request has the content type application/x-${service}-request\n`,
        )
      }
      const headers = [`${typeOf(service)}; charset=utf-8`]
      expect((await send({ line: post, headers, body: '0000' })).status).toBe(200)
    },
  )

  it.each([
    ['0003', 400, 'its length is "0003"'],
    ['zzzz', 400, 'its length is "zzzz"'],
    ['fff5', 400, 'its length is "fff5"'],
    ['ffff', 400, 'its length is "ffff"'],
    ['-001', 400, 'its length is "-001"'],
    ['00', 400, 'it ends where 2 more bytes were expected'],
    ['0009hi', 400, 'it ends where 3 more bytes were expected'],
    ['0001', 400, 'a delimiter packet among its commands'],
    ['0004', 400, 'expected two oids and a ref'],
    [line('hello'), 400, 'expected two oids and a ref'],
    [line(`${ZERO} ${'1'.repeat(40)} refs/heads/a\0 report-status`), 400, 'within its commands'],
    [
      `${line(`${'1'.repeat(64)} ${'1'.repeat(64)} refs/heads/a\0 object-format=sha256`)}0000`,
      501,
      'named by sha1',
    ],
    [
      `${line(`${ZERO} ${'1'.repeat(40)} refs/heads/a\0 report-status`)}0000`,
      200,
      'it ends inside its header',
    ],
    [
      `${line(`${ZERO} ${'1'.repeat(40)} refs/heads/a\0 report-status`)}0000no pack at all`,
      200,
      'does not begin with "PACK"',
    ],
  ])('answers a push "%s" with %i', async (body, status, words) => {
    const before = await refs()
    const answer = await push(body)
    expect(answer.body).toContain(words)
    expect(answer.status).toBe(status)
    expect(await refs()).toBe(before)
  })

  it('takes no signed push, but for a Git directory', async () => {
    const { status, body } = await push(line('push-cert\0 report-status'))
    const [code, words] =
      kind === 'node' ? [400, 'without "push-cert-end"'] : [501, 'a signed push is not offered']
    expect(body).toContain(words)
    expect(status).toBe(code)
  })

  it.each([
    ['git-receive-pack', 400],
    ['git-upload-pack', 200],
    ['sync', 415],
    ['HEAD', 404],
    ['git-other', 404],
  ])('answers 10 MB of rubbish at %s with %i', async (service, status) => {
    const body = new Uint8Array(10 * MB).fill(0x78)
    const request = { line: `POST /one.git/${service}`, headers: [typeOf(service)], body }
    for (const isChunked of [false, true]) {
      const answer = await send({ ...request, isChunked })
      expect(answer.status).toBe(status)
      expect(answer.body.length).toBeGreaterThan(20)
    }
    expect((await push('0000')).status).toBe(200)
  })

  it('answers rubbish in gzip, and gzip that unpacks to far too much, at once', async () => {
    const headers = ['Content-Encoding: gzip']
    expect((await push('no gzip at all', { headers })).body).toContain('not compressed as it says')
    const bomb = gzipSync(Buffer.alloc(60 * MB))
    expect(bomb.length).toBeLessThan(MB)
    const { status, body } = await push(bomb, { headers })
    expect({ status, body }).toEqual({
      status: 400,
      body: expect.stringContaining('Cannot read a packet'),
    })
    const inPack = gzipSync(Buffer.concat([pushBody('bomb'), Buffer.alloc(60 * MB)]))
    expect((await push(inPack, { headers })).body).toContain('bytes follow its checksum')
    expect(await refs()).not.toContain('bomb')
  })

  it('takes a push in chunks of one byte, and in gzip', async () => {
    const body = pushBody('bytes')
    const answer = await push(body, { piece: 1, isChunked: true })
    expect(answer.body).toContain('ok refs/heads/bytes')
    const headers = ['Content-Encoding: gzip']
    expect((await push(gzipSync(pushBody('zipped')), { headers })).body).toContain(
      'ok refs/heads/z',
    )
    const copy = join(folder.path, `${kind}-bytes`)
    await git(folder.path, 'clone', '--quiet', '-b', 'bytes', `${server.url}/one.git`, copy)
    await git(copy, 'fsck', '--strict')
    expect(await git(copy, 'rev-parse', 'HEAD')).toBe(tip)
  })

  it('says that a client that waits for it may go on', async () => {
    const expecting = ['Expect: 100-continue']
    const answer = await push(pushBody('waited'), { headers: expecting })
    expect(answer.body).toContain('ok refs/heads/waited')
    const copy = join(folder.path, `${kind}-expect`)
    await git(folder.path, 'clone', '--quiet', `${server.url}/one.git`, copy)
    await git(copy, 'commit', '--quiet', '--allow-empty', '-m', 'x')
    const { code } = await tryGit(
      copy,
      '-c',
      'http.postBuffer=100',
      'push',
      'origin',
      'HEAD:expect',
    )
    expect(code).toBe(0)
  })

  it('is as it was when clients vanish in the middle of a push', async () => {
    const before = await refs()
    const body = pushBody('vanished')
    for (const part of [0, 0.1, 0.5, 0.9, 0.999]) {
      const vanishAfter = Math.floor(body.length * part)
      const headers = [typeOf('git-receive-pack')]
      const request = { line: 'POST /one.git/git-receive-pack', headers, body, vanishAfter }
      await sendRaw(server.url, request)
      await sendRaw(server.url, { ...request, isChunked: true })
    }
    expect(await refs()).toBe(before)
    expect((await push(pushBody(`after-${kind}`))).body).toContain(`ok refs/heads/after-${kind}`)
    if (kind === 'worker') return
    const stage = join(server.data, 'one.git', 'datakit', 'stage')
    await expect.poll(() => (existsSync(stage) ? readdirSync(stage) : [])).toEqual([])
    await git(join(server.data, 'one.git'), 'fsck', '--strict')
  })
})
