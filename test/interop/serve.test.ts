/**
 * `datakit serve` as a process: who may reach it, and how it starts and stops.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startWorker, type RunningWorker } from '../../tools/worker.ts'
import { makeCorpus } from '../support/corpus.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git, objectsOf, tryGit } from '../support/stock-git.ts'

const folder = temporaryFolder('serve')
const main = join(import.meta.dirname, '..', '..', 'packages', 'cli', 'src', 'main.ts')
const running: ChildProcess[] = []

afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
})
afterAll(() => folder.remove())

interface Served {
  readonly child: ChildProcess
  readonly url: string
}

function start(args: readonly string[], token = ''): ChildProcess {
  const child = spawn(process.execPath, [main, 'serve', ...args], {
    env: { ...process.env, DATAKIT_TOKEN: token },
  })
  running.push(child)
  return child
}

/** Starts a server on a free port and waits until it listens. */
async function serve(root: string, token = '', more: readonly string[] = []): Promise<Served> {
  const child = start(['--root', root, '--port', '0', '--json', ...more], token)
  const [line] = (await once(child.stdout ?? child, 'data')) as [Buffer]
  return { child, url: (JSON.parse(line.toString()) as { url: string }).url }
}

/** Runs a server that is expected to end by itself. */
async function failing(args: readonly string[]): Promise<{ code: number; err: string }> {
  const child = start(args)
  let err = ''
  child.stderr?.on('data', (piece: Buffer) => (err += piece.toString()))
  const [code] = (await once(child, 'close')) as [number]
  return { code, err }
}

it('says plainly that a port is in use', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const { code, err } = await failing(['--root', folder.path, '--port', String(port)])
  taken.close()
  expect(code).toBe(1)
  expect(err.trim()).toBe(
    `datakit serve: Cannot listen on 127.0.0.1:${port}: another program listens there. Choose another with --port`,
  )
})

it('refuses to start beyond loopback without a token', async () => {
  const { code, err } = await failing(['--root', folder.path, '--host', '0.0.0.0', '--port', '0'])
  expect(code).toBe(1)
  expect(err).toContain('Refused to listen on 0.0.0.0 without a token')
})

it.each([
  ['/etc/passwd', 'Cannot keep repositories in "/etc/passwd": it is a file'],
  ['/etc/passwd/x', 'Cannot keep repositories in "/etc/passwd": it is a file'],
  ['/proc/x', 'Cannot make the folder "/proc/x": '],
])('says plainly that repositories cannot be kept in %s', async (root, said) => {
  const { code, err } = await failing(['--root', root, '--port', '0'])
  expect(code).toBe(1)
  expect(err).toContain(`datakit serve: ${said}`)
})

it('answers under the loopback address that it was told to listen on', async () => {
  const { url } = await serve(join(folder.path, 'loopback'), '', ['--host', '127.0.0.2'])
  expect(url).toMatch(/^http:\/\/127\.0\.0\.2:\d+$/)
  const answer = await fetch(`${url}/repositories`)
  expect({ status: answer.status, body: await answer.json() }).toEqual({
    status: 200,
    body: { repositories: [] },
  })
})

it.each([['--port', 'many'], ['--port', '70000'], ['--bogus']])(
  'ends with 2 for wrong arguments: %s %s',
  async (...args) => {
    const { code } = await failing(args)
    expect(code).toBe(2)
  },
)

it('loses nothing when it is told to end in the middle of a push, and takes the push afterwards', async () => {
  const corpus = join(folder.path, 'corpus.git')
  await makeCorpus(corpus, { files: 2000, commits: 300, layout: 'directories', seed: 3 })
  const root = join(folder.path, 'sigterm')
  for (const delay of [30, 120, 300]) {
    const { child, url } = await serve(root)
    const push = tryGit(corpus, 'push', `${url}/corpus.git`, `main:refs/heads/at-${delay}`)
    await new Promise((resolve) => setTimeout(resolve, delay))
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    const { code } = await push
    await ended
    const kept = join(root, 'corpus.git')
    if (existsSync(kept)) {
      await git(kept, 'fsck', '--strict')
      const there =
        (await tryGit(kept, 'rev-parse', '--verify', `refs/heads/at-${delay}`)).code === 0
      if (code === 0) expect(there).toBe(true)
    } else expect(code).not.toBe(0)
  }
  const { url } = await serve(root)
  await git(corpus, 'push', '--quiet', `${url}/corpus.git`, 'main')
  expect(await git(join(root, 'corpus.git'), 'rev-parse', 'refs/heads/main')).toBe(
    await git(corpus, 'rev-parse', 'main'),
  )
  expect(await objectsOf(join(root, 'corpus.git'))).toBe(await objectsOf(corpus))
})

describe('a Worker that has no token and was not opened', () => {
  let worker: RunningWorker
  beforeAll(async () => {
    const data = join(folder.path, 'closed')
    worker = await startWorker({ port: 0, data, variables: { DATAKIT_OPEN: '' } })
  })
  afterAll(() => worker.stop())

  it.each([
    ['GET', '/repositories'],
    ['GET', '/a.git/info/refs?service=git-upload-pack'],
    ['GET', '/a.git/info/refs?service=git-receive-pack'],
    ['POST', '/a.git/git-upload-pack'],
    ['POST', '/a.git/git-receive-pack'],
    ['POST', '/a.git/sync'],
    ['GET', '/a/b.git/HEAD'],
  ])('says how to set it up, and nothing else, to %s %s', async (method, path) => {
    for (const headers of [{}, { authorization: 'Bearer guess' }, { authorization: 'Bearer ' }]) {
      const answer = await fetch(worker.url + path, { method, headers })
      expect(answer.status).toBe(503)
      expect(await answer.text()).toContain('wrangler secret put DATAKIT_TOKEN')
    }
  })

  it('tells Git so', async () => {
    const { code, err } = await tryGit(folder.path, 'ls-remote', `${worker.url}/a.git`)
    expect(code).not.toBe(0)
    expect(err).toContain('This Worker has no token yet, so it serves no data')
  })
})

describe.each(SERVER_KINDS)('the %s server with a token', (kind) => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer(kind, { token: 'open-sesame' })
  })
  afterAll(() => server.stop())

  it('wants it for all data, and tells Git how to ask for it', async () => {
    for (const path of [
      '/a.git/info/refs?service=git-upload-pack',
      '/repositories',
      '/a.git/info/refs?service=git-receive-pack',
    ]) {
      const answer = await fetch(server.url + path)
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toContain('Basic')
      await answer.arrayBuffer()
    }
    const sync = await fetch(`${server.url}/a.git/sync`, { method: 'POST', body: 'x' })
    expect(sync.status).toBe(401)
    const { code, err } = await tryGit(folder.path, 'ls-remote', `${server.url}/a.git`)
    expect(code).not.toBe(0)
    expect(err).toMatch(/Authentication failed|could not read Username/)
  })

  it('tells a stranger nothing of what exists', async () => {
    const corpus = join(folder.path, 'small.git')
    await makeCorpus(corpus, { files: 3, commits: 1, layout: 'flat', seed: 1 }).catch(
      () => undefined,
    )
    await git(
      corpus,
      'push',
      '--quiet',
      server.url.replace('//', '//ada:open-sesame@') + '/exists.git',
      'main',
    )
    const [known, unknown] = await Promise.all(
      ['exists', 'missing'].map(async (name) => {
        const answer = await fetch(`${server.url}/${name}.git/info/refs?service=git-upload-pack`)
        return `${answer.status} ${await answer.text()}`
      }),
    )
    expect(known).toBe(unknown)
  })

  it('serves the shell of the app to everybody', async () => {
    const answer = await fetch(`${server.url}/`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await answer.text()).toContain('<html')
  })
})

describe.each(SERVER_KINDS)('the %s server on loopback without a token', (kind) => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer(kind)
  })
  afterAll(() => server.stop())

  /** Status of a request with headers that `fetch` would not send. */
  function status(headers: Record<string, string>): Promise<number> {
    return new Promise((resolve, reject) => {
      const sent = request(`${server.url}/repositories`, { headers }, (answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
      sent.on('error', reject)
      sent.end()
    })
  }

  it('answers its own pages and programs', async () => {
    expect(await status({})).toBe(200)
    expect(await status({ origin: server.url })).toBe(200)
  })

  it('refuses foreign hosts and origins', async () => {
    expect(await status({ host: 'rebound.example.org' })).toBe(403)
    expect(await status({ origin: 'https://page.example.org' })).toBe(403)
  })
})
