/**
 * Large packs over real sockets that are cut, to both servers, and to one that is started anew in the middle: what has arrived is not
 * sent again.
 *
 * Seen to fail when a Worker keeps them in its isolate.
 *
 * @module
 */
import { describe, expect, it } from 'vitest'
import { PART_BYTES } from '@datakit/git/protocol/sync'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { Repository } from '@datakit/datakit/repository'
import { sync } from '@datakit/datakit/sync'
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startCuttingProxy } from '../support/cutting-proxy.ts'
import { freePort, SERVER_KINDS, startTestServer, temporaryFolder } from '../support/servers.ts'

const SIZE = 3 * PART_BYTES + 50_000

const noise = new Uint8Array(SIZE)
for (let i = 0, state = 5; i < SIZE; i++) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  noise[i] = state >>> 16
}

async function withNoise(): Promise<Repository> {
  const client = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
  await client
    .branch('main')
    .commit((files) => files.write('noise', noise), { message: 'Make noise' })
  return client
}

/** A wire that is cut behind so many bytes of a part, each time until `cuts` are used up. */
async function cutting(server: string, cuts: number[]) {
  const sent = { bytes: 0, cuts: 0 }
  const send = async (url: string, init: RequestInit): Promise<Response> => {
    const { byteLength } = (init.body ?? new Uint8Array(0)) as Uint8Array
    const bytes = init.method === 'PUT' ? cuts.shift() : undefined
    if (bytes === undefined) {
      sent.bytes += byteLength
      return fetch(url, init)
    }
    sent.bytes += Math.min(bytes, byteLength)
    sent.cuts++
    const proxy = await startCuttingProxy(server, { direction: 'request', bytes })
    try {
      return await fetch(url.replace(server, proxy.url), init)
    } finally {
      proxy.close()
    }
  }
  return { send, sent }
}

describe.each(SERVER_KINDS)('a large pack to the server in %s', (kind) => {
  it('is sent once, and a piece of a part for each cut', async () => {
    const server = await startTestServer(kind, { throttled: false })
    try {
      // The cuts of two parts, one of which never begins; each part is tried twice by itself.
      const { send, sent } = await cutting(server.url, [2_000_000, Infinity, 1000])
      const client = await withNoise()
      await sync(client, { url: `${server.url}/config.git`, fetch: send })
      expect(sent.cuts).toBe(3)
      expect(sent.bytes - SIZE).toBeLessThan(2_001_000 + 10_000)
      const folder = temporaryFolder('parts')
      const clone = join(folder.path, 'clone.git')
      // The server may be in this process: it must not wait for the clone.
      await promisify(execFile)('git', ['clone', '-q', '--bare', `${server.url}/config.git`, clone])
      execFileSync('git', ['-C', clone, 'fsck', '--strict', '--full'], { stdio: 'pipe' })
      expect(
        execFileSync('git', ['-C', clone, 'cat-file', '-s', 'main:noise']).toString().trim(),
      ).toBe(String(SIZE))
      folder.remove()
    } finally {
      await server.stop()
    }
  })

  it('goes on where it was, when the server is started anew', async () => {
    const folder = temporaryFolder('parts-restart')
    const port = await freePort()
    const options = { data: folder.path, port, throttled: false }
    const first = await startTestServer(kind, options)
    const client = await withNoise()
    let puts = 0
    const away = async (url: string, init: RequestInit): Promise<Response> => {
      if (init.method === 'PUT' && ++puts > 2) throw new TypeError('fetch failed')
      return fetch(url, init)
    }
    const url = `${first.url}/config.git`
    await expect(sync(client, { url, fetch: away })).rejects.toMatchObject({ code: 'offline' })
    await first.stop()
    const second = await startTestServer(kind, options)
    try {
      const { send, sent } = await cutting(second.url, [])
      await sync(client, { url: `${second.url}/config.git`, fetch: send })
      expect(sent.bytes).toBeLessThan(SIZE - 2 * PART_BYTES + 10_000)
      const parts = join(folder.path, '.datakit', 'uploads')
      if (kind === 'node') expect(existsSync(parts) ? readdirSync(parts) : []).toEqual([])
    } finally {
      await second.stop()
      folder.remove()
    }
  })
})
