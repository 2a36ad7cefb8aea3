/**
 * What a request costs, in operations of the bucket, counted at its binding: the whole server in workerd, with a client of
 * Git's protocol. *Cold* is an isolate that knows nothing.
 */
import type { Oid } from '@datakit/git/oid'
import { encodePack } from '@datakit/git/pack/write-pack'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { Remote } from '@datakit/git/transport/remote'
import { createApp } from '@datakit/server/app'
import { r2Depot } from '@datakit/storage/r2'
import { keepUp } from '@datakit/storage/upkeep'
import { beforeAll, describe, expect, it } from 'vitest'
import { Author, type NewObject } from '../../packages/storage/test/author.ts'
import { faultyBucket, type FaultyBucket } from '../../packages/storage/test/faulty-bucket.ts'
import { overR2 } from '../test/r2-modes.ts'
import { collect, noise } from '../../packages/storage/test/samples.ts'

const MAIN = 'refs/heads/main'
const MiB = 1024 * 1024

/** A server in an isolate of its own, and a client of it. */
interface Isolate {
  readonly remote: Remote
  readonly counted: FaultyBucket
  /** Reads and writes since the last time. */
  spent(): { readonly reads: number; readonly writes: number }
}

const READS = new Set(['get', 'head', 'list'])

let edits = 0

async function push(
  remote: Remote,
  objects: readonly NewObject[],
  { from, to }: { readonly from: Oid | undefined; readonly to: Oid | undefined },
): Promise<void> {
  const distinct = [...new Map(objects.map((object) => [object.oid, object])).values()]
  const { bytes } = await encodePack(nodeRuntime, distinct)
  const pack = (async function* () {
    yield bytes
  })()
  const report = await remote.push({ updates: [{ name: MAIN, from, to }], pack })
  expect(report.refs.map(({ problem }) => problem)).toEqual([undefined])
}

async function* emptyPack(): AsyncGenerator<Uint8Array> {
  yield (await encodePack(nodeRuntime, [])).bytes
}

const files = (count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => {
      return [`dir-${i % 10}/file-${i % 7}-${i}`, new TextEncoder().encode(`value ${i}\n`)]
    }),
  )

function wantAll({ head }: Author): { readonly wants: Oid[]; readonly haves: Oid[] } {
  return { wants: head === undefined ? [] : [head], haves: [] }
}

overR2(({ bucket, isThrottled, rest }) => {
  const options = isThrottled ? {} : { writeInterval: 0 }
  const many = isThrottled ? 100 : 1000
  const root = isThrottled ? 'throttled' : 'budget'

  function isolate(name: string): Isolate {
    const counted = faultyBucket(bucket)
    const app = createApp({
      depot: r2Depot(counted, options),
      runtime: nodeRuntime,
      access: { kind: 'loopback', hosts: ['localhost'] },
      assets: () => new Response('', { status: 404 }),
    })
    const fetch = async (url: string, init: RequestInit) => app.fetch(new Request(url, init))
    return {
      remote: new Remote(`http://localhost/${name}.git`, { fetch }),
      counted,
      spent() {
        const calls = counted.calls.splice(0)
        const reads = calls.filter((call) => READS.has(call.split(' ')[0] ?? '')).length
        return { reads, writes: calls.length - reads }
      },
    }
  }

  /** A commit of one file, pushed. */
  async function pushOne({ remote }: Isolate, author: Author): Promise<void> {
    const from = author.head
    const text = new TextEncoder().encode(`edit ${edits++}\n`)
    const objects = author.commit({ [`dir-${edits % 10}/file-${edits % 7}`]: text })
    await push(remote, objects, { from, to: author.head })
  }

  /** What was pushed before. */
  const scenes: readonly {
    readonly title: string
    readonly name: string
    before(scene: Isolate, author: Author): Promise<void>
  }[] = [
    { title: 'after one push', name: `${root}/one`, before: async () => {} },
    {
      title: `after ${many} small pushes`,
      name: `${root}/many`,
      async before(scene, author) {
        const place = await r2Depot(bucket, options).open(`${root}/many`)
        for (let i = 0; i < many; i++) {
          await pushOne(scene, author)
          // As the Worker does two seconds after a push.
          if (i % 20 === 19) await keepUp(place, nodeRuntime)
        }
        expect((await place.read()).packs.length).toBeLessThan(10)
      },
    },
    {
      title: 'with ten thousand refs',
      name: `${root}/refs`,
      async before({ remote }, author) {
        const updates = Array.from({ length: 10_000 }, (_, i) => {
          return { name: `refs/heads/topic-${i}`, from: undefined, to: author.head }
        })
        const report = await remote.push({ updates, pack: emptyPack() })
        expect(report.refs.every(({ problem }) => problem === undefined)).toBe(true)
      },
    },
  ]

  describe.each(scenes)('$title', ({ name, before }) => {
    const author = new Author()

    beforeAll(async () => {
      const scene = isolate(name)
      await push(scene.remote, author.commit(files(300)), { from: undefined, to: author.head })
      await before(scene, author)
      scene.counted.calls.length = 0
    }, 400_000)

    it('lists refs in one read, which names and authorises too', async () => {
      const scene = isolate(name)
      // The first request asks what the server can do.
      await scene.remote.listRefs(['refs/heads/main'])
      scene.spent()
      await scene.remote.listRefs()
      expect(scene.spent()).toEqual({ reads: 1, writes: 0 })
    })

    it('lists refs from a cold start in one read, and another for a table of very many', async () => {
      const scene = isolate(name)
      await scene.remote.listRefs()
      const requests = 2
      expect(scene.spent().reads).toBeLessThanOrEqual(requests + (name === `${root}/refs` ? 1 : 0))
    })

    it('takes a small push in five reads and two writes when cold, two and two when warm', async () => {
      await rest()
      const scene = isolate(name)
      await pushOne(scene, author)
      const cold = scene.spent()
      await rest()
      await pushOne(scene, author)
      const warm = scene.spent()
      console.log(`budgets: ${name}: push ${cold.reads} reads, then ${warm.reads}`)
      expect(cold.reads).toBeLessThanOrEqual(5)
      expect(cold.writes).toBe(2)
      expect(warm).toEqual({ reads: 2, writes: 2 })
    })

    it.runIf(isThrottled)(
      'takes a push that has to wait with two reads and one write more',
      async () => {
        const scene = isolate(name)
        await pushOne(scene, author)
        scene.spent()
        await pushOne(scene, author)
        // The root as it is by then, and whether the write that was refused was not made after all.
        expect(scene.spent()).toEqual({ reads: 4, writes: 3 })
      },
    )

    it('answers a fetch of what is new in eight reads at most', async () => {
      const have = author.head
      const writer = isolate(name)
      for (let i = 0; i < 3; i++) await pushOne(writer, author)
      const scene = isolate(name)
      const wish = { ...wantAll(author), haves: have === undefined ? [] : [have], thin: true }
      await collect(scene.remote.fetchPack(wish))
      const cold = scene.spent()
      await collect(scene.remote.fetchPack(wish))
      console.log(`budgets: ${name}: fetch ${cold.reads} reads`)
      expect(cold.reads).toBeLessThanOrEqual(8)
      expect(scene.spent()).toEqual({ reads: 1, writes: 0 })
    })

    it('answers a clone that was asked before in one read', async () => {
      const scene = isolate(name)
      await collect(scene.remote.fetchPack(wantAll(author)))
      scene.spent()
      await collect(scene.remote.fetchPack(wantAll(author)))
      expect(scene.spent()).toEqual({ reads: 1, writes: 0 })
    })
  })

  it('clones what is too large to be kept in memory in one read and one for each 8 MiB', async () => {
    const name = `${root}/large`
    const author = new Author()
    const scene = isolate(name)
    const large = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`dir-0/large-${i}`, noise(700_000, i).body]),
    )
    await push(scene.remote, author.commit(large), { from: undefined, to: author.head })
    await collect(scene.remote.fetchPack(wantAll(author)))
    scene.spent()
    const pack = await collect(scene.remote.fetchPack(wantAll(author)))
    const bytes = pack.reduce((sum, piece) => sum + piece.length, 0)
    expect(bytes).toBeGreaterThan(3 * 8 * MiB)
    expect(scene.spent().reads).toBeLessThanOrEqual(1 + Math.ceil(bytes / (8 * MiB)))
    // Right after a push it is the same pack and a small one, in windows of 4 MiB.
    await pushOne(scene, author)
    scene.spent()
    await collect(scene.remote.fetchPack(wantAll(author)))
    expect(scene.spent().reads).toBeLessThanOrEqual(2 + Math.ceil(bytes / (4 * MiB)))
  })
})
