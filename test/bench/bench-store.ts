/**
 * The store in Chromium beside isomorphic-git with lightning-fs, beside stock git on the same machine, and beside the least
 * that a clone can take: what a person waits for, and how it grows.
 *
 * @module
 */
import { startServer } from '@datakit/cli/server'
import { copyFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { makeCorpus, type CorpusOptions } from '../support/corpus.ts'
import { temporaryFolder } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'
import { buildPage, openPage, startBrowser } from './bench-chromium.ts'
import { fileDigests } from './file-digests.ts'
import { timeGit, timeGitClone } from './store-git.ts'
import {
  timeCommitsOf,
  timeReadsOf,
  timeStore,
  type Runs,
  type Served,
  type StoreTimes,
} from './store-pages.ts'
import { DIFFS, median } from './store-work.ts'

/** Milliseconds of a piece of work on each side; `undefined` where a side has nothing of the kind or was not asked. */
export interface StoreRow {
  readonly work: string
  readonly ours: number
  readonly git: number | undefined
  readonly peer: number | undefined
  /** What it must not take longer than, in milliseconds or in words. */
  readonly must: string
}

/** What was measured. */
export interface StoreResult {
  readonly corpus: CorpusOptions
  readonly rows: readonly StoreRow[]
  /** Milliseconds in which the same pack is downloaded, digested and stored as one value. */
  readonly limit: number
  /** Median of a commit of one key, by how many files there are. */
  readonly growth: readonly { readonly files: number; readonly commit: number }[]
}

/** What the peer takes seconds for it does less often, and it makes no thousand commits: that would take minutes. */
const PEER_RUNS: Runs = { commits: 5, pages: 3, syncs: 2, offline: 0 }

/** Runs everything on one corpus, and commits on corpora of other sizes. */
export async function benchStore(
  corpus: CorpusOptions,
  options: { readonly others: readonly CorpusOptions[]; readonly offline: number },
): Promise<StoreResult> {
  const folder = temporaryFolder('bench-store')
  const web = join(folder.path, 'web')
  await buildPage(web)
  const root = join(folder.path, 'served')
  const server = await startServer({ root, host: '127.0.0.1', port: 0, token: undefined, web })
  const place = { folder: folder.path, web, page: server.url }
  try {
    const growth = []
    for (const other of options.others) {
      const served = await serve(place, await source(place, other))
      growth.push({ files: other.files, commit: await timeCommitsOf(served) })
    }
    return { corpus, ...(await compare(place, corpus, options.offline)), growth }
  } finally {
    await server.stop(1000)
    folder.remove()
  }
}

interface Place {
  readonly folder: string
  /** What the server serves besides repositories. */
  readonly web: string
  /** The URL of the server. */
  readonly page: string
}

interface Source {
  readonly corpus: CorpusOptions
  readonly path: string
}

async function source({ folder }: Place, corpus: CorpusOptions): Promise<Source> {
  const path = join(folder, `${corpus.layout}-${corpus.files}.git`)
  await makeCorpus(path, corpus)
  return { corpus, path }
}

/** Pushes a corpus to the server, as a repository of its own. */
async function serve(
  { page }: Place,
  { corpus, path }: Source,
  name = `${corpus.files}`,
): Promise<Served> {
  const remote = `${page}/${name}.git`
  await git(path, 'push', '--quiet', remote, 'main')
  return { corpus, remote, page }
}

async function compare(
  place: Place,
  corpus: CorpusOptions,
  offline: number,
): Promise<Pick<StoreResult, 'rows' | 'limit'>> {
  const made = await source(place, corpus)
  const digests = await fileDigests(made.path, corpus)
  const limit = await timeLimit(place, made)
  const runs = { commits: 40, pages: 15, syncs: 7, offline }
  const served = await serve(place, made, 'ours')
  const ours = await timeStore('ours', served, { runs, digests })
  const stock = await serve(place, made, 'git')
  const clone = join(place.folder, 'clone')
  const gitClone = await timeGitClone(place.folder, stock.remote, clone)
  const gitTimes = { clone: gitClone, ...(await timeGit(clone, corpus, offline)) }
  const peer = await timeStore('peer', await serve(place, made, 'peer'), {
    runs: PEER_RUNS,
    digests,
  })
  await git(made.path, 'repack', '-a', '-d', '-f', '--quiet')
  const anew = await timeReadsOf(await serve(place, made, 'anew'), runs)
  const row = (work: string, key: keyof StoreTimes, must: string): StoreRow => ({
    work,
    ours: ours[key] ?? Number.NaN,
    git: key === 'read' || key === 'merge' ? undefined : gitTimes[key],
    peer: peer[key],
    must,
  })
  const rows = [
    row('clone until any file can be read', 'clone', 'faster than git'),
    row('open a repository that is here, to the first read', 'open', '50 ms'),
    row('read of 100 files that nobody has read, in a page that was just opened', 'read', '25 ms'),
    { ...only(anew.open, '50 ms'), work: 'open, where git packed the objects anew' },
    { ...only(anew.read, '25 ms'), work: 'read of 100 files there' },
    row('commit of one key, durable', 'commit', '10 ms'),
    row('merge, ten changes a side', 'merge', '30 ms'),
    row(`diff of ${Math.min(DIFFS, corpus.commits)} commits`, 'diff', ''),
    row('sync of one commit', 'sync', '50 ms'),
    row(`sync of ${offline.toLocaleString('en')} commits`, 'many', '2 s'),
  ]
  return { rows, limit }
}

function only(ours: number, must: string): Omit<StoreRow, 'work'> {
  return { ours, git: undefined, peer: undefined, must }
}

/** Downloads the corpus's pack as a file, in seven pages of profiles of their own. */
async function timeLimit({ web, page: url }: Place, { path }: Source): Promise<number> {
  const packs = join(path, 'objects', 'pack')
  const pack = readdirSync(packs).find((name) => name.endsWith('.pack')) ?? ''
  copyFileSync(join(packs, pack), join(web, 'limit.pack'))
  const times: number[] = []
  for (let i = 0; i < 7; i++) {
    const browser = await startBrowser()
    const page = await openPage(browser.context, url)
    times.push(await page.evaluate((pack) => measureLimit(pack), `${url}/limit.pack`))
    await browser.close()
  }
  return median(times)
}
