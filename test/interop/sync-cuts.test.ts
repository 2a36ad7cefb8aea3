/**
 * Syncs over real sockets that are cut at every kilobyte, in both directions: the state is that of before or that of after,
 * and the same sync goes on by itself.
 *
 * Seen to fail when the client does not send again what nobody answered.
 *
 * @module
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { Repository } from '@datakit/datakit/repository'
import { sync } from '@datakit/datakit/sync'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { startCuttingProxy, type Cut } from '../support/cutting-proxy.ts'
import { startTestServer, type TestServer } from '../support/servers.ts'

const KILOBYTE = 1024
/** Bytes of the one file that is synced: noise, which nothing makes smaller. */
const SIZE = 200 * KILOBYTE
/** Syncs at the same time. */
const WORKERS = 16

let server: TestServer
beforeAll(async () => {
  server = await startTestServer('node')
})
afterAll(() => server.stop())

const noise = new Uint8Array(SIZE)
for (let i = 0, state = 7; i < SIZE; i++) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  noise[i] = state >>> 16
}

function newClient(): Promise<Repository> {
  return Repository.open(memoryPlace(), { runtime: nodeRuntime })
}

async function withNoise(): Promise<Repository> {
  const client = await newClient()
  await client
    .branch('main')
    .commit((files) => files.write('noise', noise), { message: 'Make noise' })
  return client
}

/** Where main of a repository on the server is, as stock git would be told. */
async function served(name: string): Promise<string | undefined> {
  const answer = await fetch(`${server.url}/${name}.git/info/refs?service=git-upload-pack`)
  return /([0-9a-f]{40}) refs\/heads\/main/.exec(await answer.text())?.[1]
}

/** Syncs; the first request goes through a wire that is cut, `look` sees what it left, then nothing is cut any more. */
async function syncCut(
  client: Repository,
  name: string,
  { cut, look }: { readonly cut: Cut; readonly look: () => Promise<void> },
): Promise<void> {
  const proxy = await startCuttingProxy(server.url, cut)
  let requests = 0
  try {
    await sync(client, {
      url: `${server.url}/${name}.git`,
      async fetch(url, init) {
        if (++requests === 1) return fetch(url.replace(server.url, proxy.url), init)
        await look()
        return fetch(url, init)
      },
    })
  } finally {
    proxy.close()
  }
}

/** Every kilobyte up to beyond the end of what is sent. */
function everyKilobyte(): number[] {
  return Array.from({ length: SIZE / KILOBYTE + 3 }, (_, i) => i * KILOBYTE)
}

/** Does the work for every item, some at a time. */
async function forEvery<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
}

describe('a sync over a wire that is cut at every kilobyte', () => {
  it('of the request, is done wholly or not at all, and goes on', async () => {
    let cuts = 0
    await forEvery(everyKilobyte(), async (bytes) => {
      const name = `sent-${bytes}`
      const client = await withNoise()
      const own = await client.branch('main').oid()
      await syncCut(client, name, {
        cut: { direction: 'request', bytes },
        async look() {
          cuts++
          expect([undefined, own]).toContain(await served(name))
          expect(await client.branch('main').oid()).toBe(own)
        },
      })
      expect(await served(name)).toBe(own)
    })
    expect(cuts).toBeGreaterThanOrEqual(SIZE / KILOBYTE)
    const directory = join(server.data, `sent-${100 * KILOBYTE}.git`)
    execFileSync('git', ['-C', directory, 'fsck', '--strict', '--full'])
  })

  it('of the answer, is done wholly or not at all, and goes on', async () => {
    const first = await withNoise()
    const own = await first.branch('main').oid()
    await sync(first, { url: `${server.url}/taken.git` })
    let cuts = 0
    await forEvery(everyKilobyte(), async (bytes) => {
      const client = await newClient()
      await syncCut(client, 'taken', {
        cut: { direction: 'answer', bytes },
        async look() {
          cuts++
          expect(await client.branches()).toEqual([])
        },
      })
      expect(await client.branch('main').oid()).toBe(own)
      expect(await (await client.branch('main').head())?.read('noise')).toEqual(noise)
    })
    expect(cuts).toBeGreaterThanOrEqual(SIZE / KILOBYTE)
  })

  it('of the answer to a push, does nothing twice', async () => {
    const client = await withNoise()
    await sync(client, { url: `${server.url}/told.git` })
    for (let bytes = 0; bytes < 2 * KILOBYTE; bytes += 64) {
      await client
        .branch('main')
        .commit((files) => files.write('count', `${bytes}`), { message: `${bytes}` })
      const own = await client.branch('main').oid()
      await syncCut(client, 'told', { cut: { direction: 'answer', bytes }, look: async () => {} })
      expect([await served('told'), await client.branch('main').oid()]).toEqual([own, own])
    }
    const directory = join(server.data, 'told.git')
    const commits = execFileSync('git', ['-C', directory, 'rev-list', '--count', 'main'])
    expect(commits.toString().trim()).toBe('33')
  })
})
