/**
 * The npm scripts as a person or a supervisor starts and ends them.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import { beginPush } from '../support/raw-push.ts'
import { temporaryFolder } from '../support/servers.ts'
import { git, objectsOf } from '../support/stock-git.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = temporaryFolder('npm')
const corpus = join(folder.path, 'corpus.git')
const running: ChildProcess[] = []

beforeAll(() => makeCorpus(corpus, { files: 1000, commits: 50, layout: 'directories', seed: 11 }))
afterEach(() => {
  for (const npm of running.splice(0)) if (groupLives(npm)) process.kill(-groupOf(npm), 'SIGKILL')
})
afterAll(() => folder.remove())

/** Starts `npm` in this repository. */
function npm(...args: readonly string[]): ChildProcess {
  return npmIn(root, ...args)
}

/** Starts `npm` with its own process group, as a terminal does. */
function npmIn(cwd: string, ...args: readonly string[]): ChildProcess {
  const child = spawn('npm', args, {
    cwd,
    detached: true,
    env: { ...process.env, DATAKIT_TOKEN: '', INIT_CWD: undefined },
  })
  running.push(child)
  return child
}

function groupOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('Cannot start npm')
  return pid
}

function groupLives(child: ChildProcess): boolean {
  try {
    process.kill(-groupOf(child), 0)
    return true
  } catch {
    return false
  }
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await delay(20)
}

/** The URL of a server, once it says that it listens. */
async function urlOf(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout ?? process.stdin })) {
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0]
    if (url !== undefined) return url
  }
  throw new Error('The server ended before it listened')
}

async function isListening(url: string): Promise<boolean> {
  return fetch(`${url}/`).then(
    async (answer) => (await answer.arrayBuffer(), true),
    () => false,
  )
}

/** How a script ended that is expected to end by itself. */
async function ended(child: ChildProcess): Promise<{ code: number; err: string }> {
  let err = ''
  child.stderr?.on('data', (piece: Buffer) => (err += piece.toString()))
  child.stdout?.resume()
  const [code] = (await once(child, 'close')) as [number]
  return { code, err }
}

const ways = [
  ['SIGTERM to npm alone, as a supervisor sends it', 'SIGTERM', 1],
  ['SIGTERM to all its processes', 'SIGTERM', -1],
  ['Ctrl-C, which goes to all its processes', 'SIGINT', -1],
] as const

describe('npm start', () => {
  it.each(ways)('finishes a push that runs at %s, and leaves no process', async (_, signal, to) => {
    const data = join(folder.path, `start-${signal}${to}`)
    const server = npm('start', '--', '--port', '0', '--data', data, '--json')
    const url = await urlOf(server)
    const push = await beginPush(corpus, 'main', `${url}/corpus.git`)
    process.kill(to * groupOf(server), signal)
    await until(async () => !(await isListening(url)))
    expect(await push.finish()).toEqual({
      status: 200,
      text: expect.stringContaining('ok refs/heads/main'),
    })
    await until(() => !groupLives(server))
    const kept = join(data, 'corpus.git')
    await git(kept, 'fsck', '--strict')
    expect(await objectsOf(kept)).toBe(await objectsOf(corpus))
    const stage = join(data, '.datakit', 'stage')
    expect(existsSync(stage) ? readdirSync(stage) : []).toEqual([])
  })

  it('takes a relative folder from where npm was called', async () => {
    const options = ['--port', '0', '--data', 'here', '--json']
    const url = await urlOf(npmIn(folder.path, '--prefix', root, 'start', '--', ...options))
    await git(corpus, 'push', '--quiet', `${url}/corpus.git`, 'main')
    expect(existsSync(join(folder.path, 'here', 'corpus.git'))).toBe(true)
  })

  it('ends at once at the second Ctrl-C', async () => {
    const server = npm('start', '--', '--port', '0', '--data', join(folder.path, 'twice'), '--json')
    const url = await urlOf(server)
    const push = await beginPush(corpus, 'main', `${url}/corpus.git`)
    process.kill(-groupOf(server), 'SIGINT')
    await until(async () => !(await isListening(url)))
    process.kill(-groupOf(server), 'SIGINT')
    await until(() => !groupLives(server))
    expect(await push.finish()).toBeUndefined()
  })
})

describe('npm run worker', () => {
  it.each([ways[0], ways[2]])(
    'loses nothing at %s, and leaves no process',
    async (_, signal, to) => {
      const options = ['--port', '0', '--data', join(folder.path, `worker-${signal}${to}`)]
      const worker = npm('run', 'worker', '--', ...options)
      const url = await urlOf(worker)
      await git(corpus, 'push', '--quiet', `${url}/kept.git`, 'main')
      const push = await beginPush(corpus, 'main', `${url}/cut.git`)
      process.kill(to * groupOf(worker), signal)
      await until(() => !groupLives(worker))
      const answer = await push.finish()
      const again = await urlOf(npm('run', 'worker', '--', ...options))
      for (const name of answer?.status === 200 ? ['kept', 'cut'] : ['kept']) {
        const clone = join(folder.path, `${signal}${to}-${name}.git`)
        await git(folder.path, 'clone', '--quiet', '--bare', `${again}/${name}.git`, clone)
        expect(await objectsOf(clone)).toBe(await objectsOf(corpus))
      }
      await git(corpus, 'push', '--quiet', `${again}/cut.git`, 'main')
    },
  )

  it('says plainly that a port is in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    const { code, err } = await ended(npm('run', 'worker', '--', '--port', String(port)))
    taken.close()
    expect(code).toBe(1)
    expect(err).toContain(
      `Cannot listen on 127.0.0.1:${port}: another program listens there; choose another with --port`,
    )
  })

  it.each([
    [['--port', 'many'], 'Not a port: "many"'],
    [['--bogus'], '--bogus'],
    [['extra'], 'extra'],
  ])('ends with 2 for wrong arguments: %j', async (args, said) => {
    const { code, err } = await ended(npm('run', 'worker', '--', ...args))
    expect(code).toBe(2)
    expect(err).toContain(said)
    expect(err).not.toContain('    at ')
  })
})
