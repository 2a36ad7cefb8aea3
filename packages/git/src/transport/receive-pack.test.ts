import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { memoryPlace } from '../../../storage/src/memory.ts'
import { concat } from '../bytes.ts'
import { Objects } from '../objects.ts'
import { ZERO_OID, type Oid } from '../oid.ts'
import type { Place } from '../place.ts'
import { encodeLine, FLUSH } from '../protocol/pkt-line.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { advertiseReceivePack, receivePack } from './receive-pack.ts'
import type { ReceivePolicy } from './ref-rules.ts'
import type { ReceiveLimits } from './stage.ts'

const who = 'Ada <ada@example.org>'
let place: Place
let server: Server
let folder: string
let rules: { policy?: ReceivePolicy; limits?: ReceiveLimits }

beforeEach(async () => {
  place = memoryPlace()
  rules = {}
  folder = mkdtempSync(join(tmpdir(), 'push-'))
  server = createServer(async (request, response) => {
    const isPush = request.method === 'POST'
    const type = isPush ? 'result' : 'advertisement'
    const objects = await Objects.open(place, nodeRuntime)
    const answer = isPush
      ? await receivePack(objects, request, { who, ...rules })
      : await advertiseReceivePack(await place.read())
    response.setHeader('content-type', `application/x-git-receive-pack-${type}`)
    response.end(answer)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  await git('init', '--quiet', '--initial-branch=main', '.')
  await git(
    'remote',
    'add',
    'origin',
    `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.git`,
  )
})
afterEach(() => {
  server.close()
  server.closeAllConnections()
  rmSync(folder, { recursive: true, force: true })
})

/** Runs Git in the folder: status, and what it says on both streams. */
async function git(...args: string[]): Promise<{ status: number; out: string }> {
  const person = { NAME: 'Ada', EMAIL: 'ada@example.org' }
  const child = spawn('git', args, {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      LC_ALL: 'C',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      ...Object.fromEntries(
        Object.entries(person).flatMap(([key, value]) => [
          [`GIT_AUTHOR_${key}`, value],
          [`GIT_COMMITTER_${key}`, value],
        ]),
      ),
    },
  })
  let out = ''
  child.stdout.on('data', (piece) => (out += piece))
  child.stderr.on('data', (piece) => (out += piece))
  const [status] = (await once(child, 'close')) as [number]
  return { status, out: out.trimEnd() }
}

async function commit(path: string, content: string): Promise<Oid> {
  writeFileSync(join(folder, path), content)
  await git('add', path)
  await git('commit', '--quiet', '-m', `change ${path}`)
  return (await git('rev-parse', 'HEAD')).out as Oid
}

async function refs(): Promise<Record<string, Oid>> {
  const found: Record<string, Oid> = {}
  for await (const { name, oid } of (await place.read()).refs()) found[name] = oid
  return found
}

/** Every object that the branch reaches, read from the place and compared with Git's. */
async function expectWhole(): Promise<void> {
  const objects = await Objects.open(place, nodeRuntime)
  const all = (await git('rev-list', '--objects', '--no-object-names', '--all')).out.split(
    '\n',
  ) as Oid[]
  for (const oid of all) {
    const { type, body } = await objects.read(oid)
    expect(type).toBe((await git('cat-file', '-t', oid)).out)
    expect(String(body.length)).toBe((await git('cat-file', '-s', oid)).out)
  }
}

describe('git push', () => {
  it('creates, forwards, forces and deletes branches and tags', async () => {
    const first = await commit('a.json', '{}')
    expect(await git('push', 'origin', 'main')).toMatchObject({ status: 0 })
    expect(await refs()).toEqual({ 'refs/heads/main': first })
    await commit('a.json', '{"a":1}')
    const second = await commit('b.json', '[1]')
    await git('tag', '-a', '-m', 'one', 'v1')
    expect(await git('push', 'origin', 'main', 'v1', 'main:refs/heads/topic')).toMatchObject({
      status: 0,
    })
    expect(await refs()).toMatchObject({ 'refs/heads/main': second, 'refs/heads/topic': second })
    await expectWhole()
    await git('reset', '--quiet', '--hard', first)
    const third = await commit('c.json', '3')
    expect((await git('push', 'origin', 'main')).status).toBe(1)
    expect(await git('push', '--force', 'origin', 'main', ':topic')).toMatchObject({ status: 0 })
    expect(Object.keys(await refs())).toEqual(['refs/heads/main', 'refs/tags/v1'])
    expect(await refs()).toMatchObject({ 'refs/heads/main': third })
    expect((await git('push', 'origin', 'main')).out).toBe('Everything up-to-date')
    await expectWhole()
  })

  it('of a first branch by another name moves HEAD there', async () => {
    await commit('a', '1')
    await git('push', 'origin', 'main:trunk')
    expect((await place.read()).head).toEqual({ ref: 'refs/heads/trunk' })
  })

  it('out of a shallow clone is taken, since the parents are here', async () => {
    await commit('a', '1')
    const boundary = await commit('a', '2')
    await git('push', 'origin', 'main')
    writeFileSync(join(folder, '.git', 'shallow'), `${boundary}\n`)
    const tip = await commit('b', '3')
    expect(await git('push', 'origin', 'main')).toMatchObject({ status: 0 })
    expect(await refs()).toEqual({ 'refs/heads/main': tip })
  })

  it.each(['0', '1', '2'])('works when the client asks for version %s', async (version) => {
    const tip = await commit('a', version)
    expect(await git('-c', `protocol.version=${version}`, 'push', 'origin', 'main')).toMatchObject({
      status: 0,
    })
    expect(await refs()).toEqual({ 'refs/heads/main': tip })
  })

  it('tells the person at the terminal what went wrong', async () => {
    await commit('a', '1')
    await git('push', 'origin', 'main')
    await commit('a', '2')
    const directory = await git('push', 'origin', 'main:refs/heads/main/x', 'main:refs/heads/ok')
    expect(directory.out).toMatch(/remote rejected\] main -> main\/x \("refs\/heads\/main" exists/)
    expect(directory.out).toMatch(/new branch\] +main -> ok/)
    const atomic = await git('push', '--atomic', 'origin', 'main', 'main:refs/heads/main/x')
    expect(atomic.out).toMatch(/remote rejected\] main -> main \(atomic push failure\)/)
    expect((await git('push', 'origin', ':main')).out).toMatch(
      /deletion of the current branch prohibited/,
    )
    rules = {
      policy: {
        refuse: ({ name }) => (name.endsWith('locked') ? 'this branch is locked' : undefined),
      },
    }
    expect((await git('push', 'origin', 'main:locked')).out).toMatch(
      /locked \(this branch is locked\)/,
    )
  })

  it('of more than is taken ends with a reason, not with a broken pipe', async () => {
    await commit(
      'a',
      Array.from({ length: 200_000 }, (_, i) => String((i * 7919) % 100_003)).join(' '),
    )
    rules = { limits: { bytes: 10_000 } }
    const { status, out } = await git('push', 'origin', 'main')
    expect(status).toBe(1)
    expect(out).toMatch(/remote: The push was refused: .*10000/)
    expect(await refs()).toEqual({})
  })

  it('says who was there first when two push at once', async () => {
    const first = await commit('a', '1')
    await git('push', 'origin', 'main')
    const theirs = await commit('a', '2')
    await git('push', 'origin', 'main:theirs')
    await git('reset', '--quiet', '--hard', first)
    await commit('a', '3')
    // The ref moves between the advertisement and the push.
    rules = {
      policy: {
        refuse: () => {
          void place.update({
            id: crypto.randomUUID().replaceAll('-', ''),
            refs: [{ name: 'refs/heads/main', from: first, to: theirs }],
            log: { who, why: 'first' },
          })
          return undefined
        },
      },
    }
    const { status, out } = await git('push', 'origin', 'main')
    expect(status).toBe(1)
    expect(out).toMatch(/it was moved meanwhile, fetch first/)
    expect(out).toContain(`remote: Somebody else moved refs/heads/main to ${theirs}`)
  })
})

describe('receive-pack', () => {
  async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    yield bytes
  }

  it('answers nothing to a lone flush, by which clients try whether they may', async () => {
    const objects = await Objects.open(place, nodeRuntime)
    expect(await receivePack(objects, once(FLUSH), { who })).toEqual(new Uint8Array(0))
  })

  it('offers no refs of a repository that does not exist, and what it can do', async () => {
    const text = Buffer.from(await advertiseReceivePack(await place.read())).toString()
    expect(text).toContain(
      `${ZERO_OID} capabilities^{}\0report-status report-status-v2 delete-refs side-band-64k`,
    )
  })

  it('refuses commands that are cut short, and changes nothing', async () => {
    const line = encodeLine(`${ZERO_OID} ${'1'.repeat(40)} refs/heads/main\0 report-status`)
    const whole = concat([line, FLUSH])
    const objects = await Objects.open(place, nodeRuntime)
    for (let end = 1; end < whole.length; end++) {
      await expect(receivePack(objects, once(whole.subarray(0, end)), { who })).rejects.toThrow(
        'Cannot read',
      )
    }
    const report = await receivePack(objects, once(whole), { who })
    expect(Buffer.from(report).toString()).toMatch(
      /unpack Cannot read a pack: .*ng refs\/heads\/main unpacker error/s,
    )
    expect((await place.read()).exists).toBe(false)
  })
})
