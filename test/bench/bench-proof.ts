/**
 * The proof of a pack that came along with its index, beside stock git, which indexes the same pack and checks what its objects
 * name; and how it grows.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'
import { readPack } from '@datakit/git/pack/read-pack'
import type { Runtime } from '@datakit/git/runtime'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { memoryPlace } from '@datakit/storage/memory'
import { verifyPacks } from '@datakit/storage/verify'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeCorpus, type CorpusOptions } from '../support/corpus.ts'
import { temporaryFolder } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'
import type { ModelRow } from './bench-model.ts'

const RUNS = 3

type Time = ModelRow['times'][number]

/** Runs it with what Node has, and with what a browser has; `quick` on little. */
export async function proofRows(quick: boolean): Promise<ModelRow[]> {
  const of = { layout: 'directories', seed: 12 } as const
  const corpora = quick
    ? [{ ...of, files: 50, commits: 10 }]
    : [
        { ...of, files: 500, commits: 100 },
        { ...of, files: 6000, commits: 600 },
        { ...of, files: 95_000, commits: 500 },
      ]
  const [inNode, inBrowsers]: [Time[], Time[]] = [[], []]
  for (const corpus of corpora) {
    const { ours, portable, peer, size } = await benchProof(corpus)
    inNode.push({ size, ours, peer })
    inBrowsers.push({ size, ours: portable, peer })
  }
  const peer = '`git index-pack --strict`'
  return [
    { work: 'proof of a pack that came with its index', peer, times: inNode },
    { work: 'the same with the inflate and SHA-1 of browsers', peer, times: inBrowsers },
  ]
}

async function benchProof(
  corpus: CorpusOptions,
): Promise<Time & { readonly portable: number; readonly peer: number }> {
  const folder = temporaryFolder('bench-proof')
  try {
    const source = join(folder.path, 'corpus.git')
    await makeCorpus(source, corpus)
    const packs = join(source, 'objects', 'pack')
    const name = readdirSync(packs).find((name) => name.endsWith('.pack')) ?? ''
    const bytes = new Uint8Array(readFileSync(join(packs, name)))
    const times = { ours: [] as number[], portable: [] as number[], peer: [] as number[] }
    let objects = 0
    for (let i = 0; i < RUNS; i++) {
      objects = await received(bytes).then(({ count }) => count)
      times.ours.push(await timeProof(bytes, nodeRuntime))
      times.portable.push(await timeProof(bytes, portableRuntime))
      const idx = join(folder.path, `${i}.idx`)
      times.peer.push(
        await timed(() => git(source, 'index-pack', '--strict', '-o', idx, join(packs, name))),
      )
    }
    return {
      size: `${objects.toLocaleString('en')} objects`,
      ours: middle(times.ours),
      portable: middle(times.portable),
      peer: middle(times.peer),
    }
  } finally {
    folder.remove()
  }
}

/** A place that has the pack under an index that nobody has proved. */
async function received(
  bytes: Uint8Array,
): Promise<{ readonly place: Place; readonly count: number }> {
  const place = memoryPlace()
  const writer = await place.writePack()
  const { table } = await readPack(pieces(bytes), { runtime: nodeRuntime, writer })
  const staged = await writer.finish({ table, needs: [], verified: false })
  const log = { who: 'Ada <ada@example.org>', why: 'sync: clone' }
  await place.update({ id: randomBytes(16).toString('hex'), refs: [], addPacks: [staged], log })
  return { place, count: table.count }
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

async function timeProof(bytes: Uint8Array, runtime: Runtime): Promise<number> {
  const { place } = await received(bytes)
  const time = await timed(async () => {
    const { verified } = await verifyPacks(place, runtime)
    if (verified !== 1) throw new Error('The pack was not proved')
  })
  await place.close()
  return time
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

function middle(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0
}
