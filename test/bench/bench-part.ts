/**
 * First syncs of a part of a large repository with large files, beside all of it and beside clones of stock Git from the same server.
 *
 * @module
 */
import { Repository } from '@datakit/datakit/repository'
import { setChoice, type SyncChoice } from '@datakit/datakit/sync-choice'
import { sync } from '@datakit/datakit/sync'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { join } from 'node:path'
import { corpusPath, makeCorpus, type CorpusOptions } from '../support/corpus.ts'
import { startTestServer, temporaryFolder } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

/** What one way of getting the repository, or a part of it, took. */
export interface PartRow {
  readonly work: string
  /** Milliseconds, the median of {@link RUNS}. */
  readonly time: number
  /** Bytes that came: bodies of answers, or the packs of stock Git's clone. */
  readonly bytes: number
}

/** The rows, and what they are about. */
export interface PartResult {
  readonly corpus: CorpusOptions
  readonly rows: readonly PartRow[]
}

const RUNS = 3

/** Runs everything. The server is that of `npm start`, the client keeps what comes in memory. */
export async function benchPart(corpus: CorpusOptions): Promise<PartResult> {
  const folder = temporaryFolder('bench-part')
  const root = temporaryFolder('bench-part-root')
  const source = join(folder.path, 'corpus.git')
  await makeCorpus(source, corpus)
  const server = await startTestServer('node', { data: root.path })
  try {
    const url = `${server.url}/config.git`
    await git(source, 'push', '-q', url, 'main')
    const directory = corpusPath(0, 'directories').split('/')[0] ?? ''
    const other = corpusPath(corpus.files - 1, 'directories').split('/')[0] ?? ''
    const blobLimit = 4096
    const rows: PartRow[] = []
    // What a server does for a repository that it has never read is in nobody's row.
    await syncPart(url, { blobLimit: 0 })
    const ways: readonly (readonly [string, SyncChoice])[] = [
      ['all', {}],
      [`one of its directories`, { paths: [directory] }],
      [`no files of 4 kB or more`, { blobLimit }],
      ['no files', { blobLimit: 0 }],
      ['one directory without its files', { paths: [directory], blobLimit: 0 }],
    ]
    for (const [work, choice] of ways)
      rows.push(await median(`sync of ${work}`, () => syncPart(url, choice)))
    const reads = () => syncPart(url, { paths: [directory] }, async (part) => readAll(part, other))
    rows.push(await median('the files of another directory, read then', reads))
    const widen = () =>
      syncPart(url, { paths: [directory] }, async (part, again) => {
        await setChoice(part, { paths: [directory, other] })
        await again()
      })
    rows.push(await median('another directory, asked for then', widen))
    let clones = 0
    for (const filter of [[], ['--filter=blob:none']]) {
      const work = ['`git clone --bare', ...filter].join(' ').concat('`')
      rows.push(
        await median(work, async () => {
          const clone = join(folder.path, `clone-${clones++}.git`)
          const began = performance.now()
          await git(folder.path, 'clone', '-q', '--bare', ...filter, url, clone)
          const time = performance.now() - began
          const [, kilobytes = '0'] =
            /size-pack: (\d+)/.exec(await git(clone, 'count-objects', '-v')) ?? []
          return { time, bytes: Number(kilobytes) * 1024 }
        }),
      )
    }
    return { corpus, rows }
  } finally {
    await server.stop()
    folder.remove()
    root.remove()
  }
}

type Cost = Omit<PartRow, 'work'>

/** A first sync with this choice; or what is done `then` alone, with how to sync again. */
async function syncPart(
  url: string,
  choice: SyncChoice,
  then?: (part: Repository, again: () => Promise<unknown>) => Promise<void>,
): Promise<Cost> {
  const part = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
  let bytes = 0
  const counted = async (to: string, init: RequestInit): Promise<Response> => {
    const answer = await fetch(to, init)
    const counter = new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        bytes += piece.length
        controller.enqueue(piece)
      },
    })
    return new Response(answer.body?.pipeThrough(counter), answer)
  }
  const again = () => sync(part, { url, fetch: counted })
  await setChoice(part, choice)
  let began = performance.now()
  await again()
  if (then !== undefined) {
    bytes = 0
    began = performance.now()
    await then(part, again)
  }
  const time = performance.now() - began
  const cost = { time, bytes }
  await check(part, choice)
  return cost
}

/** Reads what was asked for without the network; every name is checked on the way. */
async function check(part: Repository, { paths = [''], blobLimit }: SyncChoice): Promise<void> {
  part.store.onDemand = undefined
  const head = await part.branch('main').head()
  for (const path of paths) {
    if (blobLimit === undefined) await readAll(part, path)
    else for await (const _ of head?.walk(path === '' ? {} : { path }) ?? []);
  }
}

async function readAll(part: Repository, path: string): Promise<void> {
  const head = await part.branch('main').head()
  let files = 0
  for await (const { body } of head?.readAll(path === '' ? {} : { path }) ?? [])
    if (body.length > 0) files++
  if (files === 0) throw new Error(`Nothing was read of "${path}"`)
}

async function median(work: string, run: () => Promise<Cost>): Promise<PartRow> {
  const costs: Cost[] = []
  for (let i = 0; i < RUNS; i++) costs.push(await run())
  const sorted = costs.toSorted((a, b) => a.time - b.time)
  const { time, bytes } = sorted[RUNS >> 1] ?? { time: 0, bytes: 0 }
  return { work, time, bytes }
}
