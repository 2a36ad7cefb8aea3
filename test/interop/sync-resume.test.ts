/**
 * Large answers over real sockets that are cut, from both servers, and from one that is started anew in the middle: what has arrived
 * does not come again.
 *
 * @module
 */
import { describe, expect, it } from 'vitest'
import { equal } from '@datakit/git/bytes'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { Repository } from '@datakit/datakit/repository'
import { sync } from '@datakit/datakit/sync'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { startCuttingProxy } from '../support/cutting-proxy.ts'
import { freePort, SERVER_KINDS, startTestServer, temporaryFolder } from '../support/servers.ts'

const SIZE = 6 * 1024 * 1024
/** What is more than the packs: heads of HTTP, headers, indexes, small objects, the frames of the sections. */
const SLACK = 60_000

const noise = new Uint8Array(SIZE)
for (let i = 0, state = 7; i < SIZE; i++) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  noise[i] = state >>> 16
}

function open(): Promise<Repository> {
  return Repository.open(memoryPlace(), { runtime: nodeRuntime })
}

/** Brings the noise to the server: with one commit as one pack, with more as several. */
async function fill(url: string, commits: number): Promise<Repository> {
  const client = await open()
  for (let i = 0; i < commits; i++) {
    await client.branch('main').commit(
      (files) => {
        files.write('noise', noise)
        files.write('count', String(i))
      },
      { message: `Make noise ${i}` },
    )
    await sync(client, { url })
  }
  return client
}

interface Line {
  /** Bytes of answers that were read, and requests that were sent. */
  bytes: number
  requests: number
  send(url: string, init: RequestInit): Promise<Response>
}

/** A line on which each of the first answers is cut behind so many bytes. */
function cutting(server: string, cuts: number[]): Line {
  const line: Line = {
    bytes: 0,
    requests: 0,
    async send(url, init) {
      line.requests++
      const bytes = cuts.shift()
      const count = new TransformStream<Uint8Array, Uint8Array>({
        transform(piece, controller) {
          line.bytes += piece.length
          controller.enqueue(piece)
        },
      })
      if (bytes === undefined) {
        const answer = await fetch(url, init)
        return new Response(answer.body?.pipeThrough(count), answer)
      }
      const proxy = await startCuttingProxy(server, { direction: 'answer', bytes })
      const answer = await fetch(url.replace(server, proxy.url), init)
      return new Response(answer.body?.pipeThrough(count), answer)
    },
  }
  return line
}

async function expectNoise(client: Repository): Promise<void> {
  const file = await (await client.branch('main').head())?.read('noise')
  expect(equal(file ?? new Uint8Array(0), noise)).toBe(true)
}

/** What the client has, written to files, is sound for stock Git. */
async function expectSound(client: Repository): Promise<void> {
  const folder = temporaryFolder('resume')
  try {
    execFileSync('git', ['init', '-q', '--bare', folder.path])
    const { objects, place } = client.store
    const { packs } = await place.read()
    expect(packs.length).toBeGreaterThan(0)
    for (const { id, size } of packs) {
      const input = await place.readPack(id, 0, size)
      execFileSync('git', ['-C', folder.path, 'index-pack', '--stdin', '--strict'], { input })
    }
    for await (const { name, oid } of objects.state.refs('refs/heads/')) {
      const path = join(folder.path, name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, `${oid}\n`)
    }
    execFileSync('git', ['-C', folder.path, 'fsck', '--strict', '--full'], { stdio: 'pipe' })
  } finally {
    folder.remove()
  }
}

describe.each(SERVER_KINDS)('a large answer of the server in %s', (kind) => {
  it.each([1, 2])('comes once over cuts, when it was brought by %i commits', async (commits) => {
    const server = await startTestServer(kind, { throttled: false })
    try {
      const url = `${server.url}/config.git`
      const source = await fill(url, commits)
      const cuts = [1_000_000, 70_000, 3_000_000, 300_000]
      const line = cutting(server.url, [...cuts])
      const client = await open()
      await sync(client, { url, fetch: (to, init) => line.send(to, init) })
      await expectNoise(client)
      await expectSound(client)
      expect(await client.branch('main').oid()).toBe(await source.branch('main').oid())
      expect(line.requests).toBe(cuts.length + 1)
      expect(line.bytes).toBeGreaterThan(SIZE)
      expect(line.bytes - SIZE).toBeLessThan(SLACK)
    } finally {
      await server.stop()
    }
  })

  it('goes on where it was, when the server is started anew', async () => {
    const folder = temporaryFolder('resume-restart')
    const port = await freePort()
    const options = { data: folder.path, port, throttled: false }
    let server = await startTestServer(kind, options)
    try {
      const url = `${server.url}/config.git`
      await fill(url, 2)
      const line = cutting(server.url, [2_500_000])
      const client = await open()
      const send = async (to: string, init: RequestInit): Promise<Response> => {
        if (line.requests === 1) {
          await server.stop()
          server = await startTestServer(kind, options)
        }
        return line.send(to, init)
      }
      await sync(client, { url, fetch: send })
      await expectNoise(client)
      expect(line.requests).toBe(2)
      expect(line.bytes - SIZE).toBeLessThan(SLACK)
    } finally {
      await server.stop()
      folder.remove()
    }
  })
})
