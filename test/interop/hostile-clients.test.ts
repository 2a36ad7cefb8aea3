/**
 * Clients that vanish, drip, talk rubbish or do not listen: each costs itself alone. The repository is as it was, and the
 * next client is served.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cases, random } from '../../packages/git/test/seed.ts'
import { makeCorpus } from '../support/corpus.ts'
import {
  openRequest,
  sendPieces,
  unreadAnswer,
  vanishAfter,
  type RawRequest,
} from '../support/broken-client.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git, objectsOf, refsOf, tryGit } from '../support/stock-git.ts'

const folder = temporaryFolder('hostile')
const corpus = join(folder.path, 'corpus.git')
const ZERO = '0'.repeat(40)
const { seed } = cases(1)
let counter = 0

beforeAll(async () => {
  await makeCorpus(corpus, { files: 1000, commits: 60, layout: 'directories', seed: 17 })
  await git(corpus, 'branch', 'more', 'main~30')
})
afterAll(() => folder.remove())

function line(text: string): string {
  return (text.length + 4).toString(16).padStart(4, '0') + text
}

const next = random(seed)
/** 10 MB that mean nothing. */
const rubbish = Buffer.from(Uint32Array.from({ length: 2_500_000 }, () => next() * 2 ** 32).buffer)

function* piecesOf(bytes: Buffer): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

function fetchRequest(url: string): RawRequest {
  const headers = { 'content-type': 'application/x-git-upload-pack-request' }
  return { url: `${url}/git-upload-pack`, headers }
}

function pushRequest(url: string): RawRequest {
  const headers = { 'content-type': 'application/x-git-receive-pack-request' }
  return { url: `${url}/git-receive-pack`, headers }
}

async function cloneBody(): Promise<Buffer> {
  const oid = await git(corpus, 'rev-parse', 'main')
  return Buffer.from(`${line(`want ${oid} side-band-64k ofs-delta\n`)}0000${line('done\n')}`)
}

/** A push of `branch` of the corpus to a branch that is not there. */
async function pushBody(branch: string, to: string): Promise<Buffer> {
  const oid = await git(corpus, 'rev-parse', branch)
  const command = line(`${ZERO} ${oid} refs/heads/${to}\0report-status\n`)
  const pack = execFileSync('git', ['-C', corpus, 'pack-objects', '--stdout', '--revs', '-q'], {
    input: `${oid}\n`,
    maxBuffer: 1 << 28,
  })
  return Buffer.concat([Buffer.from(`${command}0000`), pack])
}

/** The pack in an answer with a side band, checked by Git; how many objects it has. */
function objectsIn(answer: Buffer): number {
  const pieces: Buffer[] = []
  for (let at = 0; at < answer.length;) {
    const length = Number.parseInt(answer.subarray(at, at + 4).toString(), 16)
    const payload = answer.subarray(at + 4, at + length)
    if (payload[0] === 1) pieces.push(payload.subarray(1))
    at += Math.max(length, 4)
  }
  const path = join(folder.path, `answer-${++counter}.pack`)
  writeFileSync(path, Buffer.concat(pieces))
  execFileSync('git', ['index-pack', path])
  const listed = execFileSync('git', ['show-index'], {
    input: execFileSync('cat', [path.replace(/pack$/, 'idx')]),
  })
  return listed.toString().trim().split('\n').length
}

describe.each(SERVER_KINDS)('the %s server', (kind) => {
  let server: TestServer
  let url = ''
  beforeAll(async () => {
    server = await startTestServer(kind)
    url = `${server.url}/hostile.git`
    await git(corpus, 'push', '--quiet', url, 'main', 'more')
  })
  afterAll(() => server.stop())

  /** A clone, whole and right: the server is well. */
  async function expectWell(): Promise<void> {
    const path = join(folder.path, `well-${++counter}`)
    await git(folder.path, 'clone', '--quiet', '--mirror', url, path)
    await git(path, 'fsck', '--strict')
    expect(await refsOf(path)).toBe(await refsOf(corpus))
    expect(await objectsOf(path)).toBe(await objectsOf(corpus))
    if (kind === 'node') await expectTidy()
  }

  /** On disk nothing stays of what was not taken. */
  async function expectTidy(): Promise<void> {
    const kept = join(server.data, 'hostile.git')
    expect(await git(kept, 'count-objects', '-v')).toContain('\ngarbage: 0')
    await git(kept, 'fsck', '--strict')
  }

  it('outlives clients that vanish while they are sent a pack', async () => {
    const body = await cloneBody()
    const places = [0, 1000, 70_000]
    const asked = fetchRequest(url)
    await Promise.all(places.map((bytes) => vanishAfter(asked, body, bytes)))
    for (const bytes of places) await vanishAfter(asked, body, bytes)
    await expectWell()
  })

  it('outlives clients that vanish while they send a pack, and keeps nothing of it', async () => {
    const body = await pushBody('main', 'vanished')
    const places = [0, 3, 60, 200, body.length >> 1, body.length - 21, body.length - 1]
    for (const length of places) {
      const { sent, answer } = openRequest({
        ...pushRequest(url),
        headers: { ...pushRequest(url).headers, 'content-length': body.length },
      })
      await new Promise((resolve) => sent.write(body.subarray(0, Math.max(length, 1)), resolve))
      sent.destroy()
      await answer
    }
    await expectWell()
  })

  it('takes requests that come one byte at a time', async () => {
    const bytes = (body: Buffer): Uint8Array[] => [...body].map((byte) => Uint8Array.of(byte))
    const fetched = await sendPieces(fetchRequest(url), bytes(await cloneBody()))
    const main = await git(corpus, 'rev-list', '--objects', 'main')
    expect(objectsIn(fetched?.body.subarray(8) ?? Buffer.of())).toBe(main.split('\n').length)
    const small = join(folder.path, `small-${kind}`)
    await git(folder.path, 'init', '--quiet', '--bare', small)
    const oid = await git(small, 'commit-tree', '-m', 'x', await git(small, 'mktree'))
    const pack = execFileSync('git', ['-C', small, 'pack-objects', '--stdout', '-q', '--revs'], {
      input: `${oid}\n`,
    })
    const command = line(`${ZERO} ${oid} refs/heads/dripped\0report-status\n`)
    const push = Buffer.concat([Buffer.from(`${command}0000`), pack])
    const pushed = await sendPieces(pushRequest(url), bytes(push))
    expect(pushed?.body.toString()).toContain('ok refs/heads/dripped')
    await git(corpus, 'push', '--quiet', url, ':refs/heads/dripped')
    await expectWell()
  })

  it.each(['/git-upload-pack', '/git-receive-pack', '/sync'])(
    'refuses 10 MB of rubbish at %s: plain, as gzip, and zipped',
    async (path) => {
      const type = path === '/sync' ? 'datakit-sync' : path.slice(1)
      const headers = {
        'content-type': `application/x-${type}-request`,
        'git-protocol': 'version=2',
      }
      const plain = { url: url + path, headers }
      const zipped = { url: url + path, headers: { ...headers, 'content-encoding': 'gzip' } }
      for (const [asked, body] of [
        [plain, rubbish],
        [{ ...plain, headers: { ...headers, 'git-protocol': '' } }, rubbish],
        [zipped, rubbish],
        [zipped, gzipSync(rubbish, { level: 1 })],
      ] as const) {
        const answer = await sendPieces(asked, piecesOf(body))
        const said = answer?.body.toString() ?? ''
        // Who is still sending may find the connection closed instead.
        const isRefused = answer === undefined || answer.status >= 400 || /ERR|unpack /.test(said)
        expect(isRefused, `${answer?.status} ${said}`).toBe(true)
        expect(answer?.status).not.toBe(500)
      }
      await expectWell()
    },
  )

  it('serves others while one does not read what it asked for, and that one in the end', async () => {
    const body = await cloneBody()
    const asked = fetchRequest(url)
    const slow = await Promise.all(Array.from({ length: 4 }, () => unreadAnswer(asked, body)))
    await expectWell()
    const { code } = await tryGit(corpus, 'push', url, 'main:refs/heads/meanwhile')
    expect(code).toBe(0)
    await git(corpus, 'push', '--quiet', url, ':refs/heads/meanwhile')
    const main = await git(corpus, 'rev-list', '--objects', 'main')
    for (const answer of slow) {
      const pieces: Buffer[] = []
      for await (const piece of answer) pieces.push(piece as Buffer)
      expect(objectsIn(Buffer.concat(pieces).subarray(8))).toBe(main.split('\n').length)
    }
  })
})
