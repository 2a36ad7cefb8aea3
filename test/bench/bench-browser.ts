/**
 * Our store in Chromium beside isomorphic-git with lightning-fs: the same work on the same repositories, one side after
 * the other, each in a browser profile of its own.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { basename, join } from 'node:path'
import type { BrowserContext, Page } from 'playwright'
import { startServer } from '@datakit/cli/server'
import { corpusFile, corpusPath, makeCorpus, type CorpusOptions } from '../support/corpus.ts'
import { httpBackend } from '../support/http-backend.ts'
import { temporaryFolder } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'
import type { Change, SyncTimes } from './bench-page.ts'
import { buildPage, openPage, startBrowser, type Side } from './bench-chromium.ts'
import { fileDigests } from './file-digests.ts'

/** What is timed, in the order in which it is done. */
export const BROWSER_WORK = [
  'clone',
  'read',
  'log',
  'commit',
  'merge',
  'sync',
  'push alone',
  'sync again',
  'push alone again',
] as const

/** What is timed. */
export type BrowserWork = (typeof BROWSER_WORK)[number]

/** Milliseconds of each piece of work, by its name. */
export type BrowserTimings = Readonly<Record<BrowserWork, number>>

/** Both sides on one corpus. */
export interface BrowserResult {
  readonly corpus: CorpusOptions
  readonly ours: BrowserTimings
  readonly peer: BrowserTimings
  /** The peer's program over a repository of ours; on one corpus. */
  readonly view: BrowserTimings | undefined
}

/** How many commits the median is taken of. */
const COMMITS: Readonly<Record<Side, number>> = { ours: 40, peer: 5, view: 5 }

/** Runs both sides on one corpus, and the peer's program over a repository of ours where that `isViewed`. */
export async function benchBrowser(
  corpus: CorpusOptions,
  { isViewed }: { readonly isViewed: boolean },
): Promise<BrowserResult> {
  const folder = temporaryFolder('bench-browser')
  const source = join(folder.path, 'source.git')
  await makeCorpus(source, corpus)
  const web = join(folder.path, 'web')
  await buildPage(web)
  const ourRoot = join(folder.path, 'ours')
  const peerRoot = join(folder.path, 'peer')
  execFileSync('git', ['init', '--quiet', '--bare', '-b', 'main', join(peerRoot, 'config.git')])
  const server = await startServer({
    root: ourRoot,
    host: '127.0.0.1',
    port: 0,
    token: undefined,
    web,
  })
  const backend = await httpBackend(peerRoot)
  // Both get it as a repository gets to a server.
  for (const { url } of [server, backend])
    await git(source, 'push', '--quiet', `${url}/config.git`, 'main')
  await git(source, 'push', '--quiet', `${server.url}/view.git`, 'main')
  const expected = await fileDigests(source, corpus)
  const run = (side: Side, root: string, remote: string): Promise<BrowserTimings> =>
    runSide({
      side,
      corpus,
      page: server.url,
      remote,
      expected,
      kept: join(root, basename(remote)),
    })
  try {
    const ours = await run('ours', ourRoot, `${server.url}/config.git`)
    const peer = await run('peer', peerRoot, `${backend.url}/config.git`)
    const view = isViewed ? await run('view', ourRoot, `${server.url}/view.git`) : undefined
    return { corpus, ours, peer, view }
  } finally {
    await server.stop(1000)
    await backend.close()
    folder.remove()
  }
}

interface SideOptions {
  readonly side: Side
  readonly corpus: CorpusOptions
  /** Where the page is. */
  readonly page: string
  /** The URL that is cloned. */
  readonly remote: string
  /** SHA-1 of every file of the head. */
  readonly expected: readonly string[]
  /** The bare repository behind the URL. */
  readonly kept: string
}

async function runSide(options: SideOptions): Promise<BrowserTimings> {
  const browser = await startBrowser()
  try {
    return await timeSide(browser.context, options)
  } finally {
    await browser.close()
  }
}

async function timeSide(context: BrowserContext, options: SideOptions): Promise<BrowserTimings> {
  const { side, corpus, remote } = options
  const paths = Array.from({ length: corpus.files }, (_, i) => corpusPath(i, corpus.layout))
  const first = await openPage(context, options.page)
  const clone = await first.evaluate(
    async ({ side, remote }) => {
      const bench = await openBench(side)
      const started = performance.now()
      await bench.clone(remote)
      return performance.now() - started
    },
    { side, remote },
  )
  await compareFiles(first, options, paths)
  await first.close()

  const page = await openPage(context, options.page)
  const some = paths.filter((_, i) => i % Math.ceil(paths.length / 100) === 0)
  const read = await timed(page, side, some)
  const log = await page.evaluate(async (side) => {
    const bench = await openBench(side)
    const started = performance.now()
    const commits = await bench.log()
    return { took: performance.now() - started, commits }
  }, side)
  if (log.commits !== corpus.commits + 1)
    throw new Error(`${side}: the log has ${log.commits} commits`)
  const commit = await timeCommits(page, options)
  const merge = await page.evaluate(
    async ({ side, ours, theirs }) => (await openBench(side)).merge(ours, theirs),
    { side, ours: changes(corpus, 0), theirs: changes(corpus, 1) },
  )
  // One side made more commits than the other so far: they go out first, so that both have one to sync.
  await page.evaluate(async ({ side, remote }) => (await openBench(side)).sync(remote), {
    side,
    remote,
  })
  await page.close()
  const fresh = await openPage(context, options.page)
  const sync = await timeSync(fresh, options, 9998)
  const again = await timeSync(fresh, options, 9999)
  return {
    clone,
    read,
    log: log.took,
    commit,
    merge,
    sync: sync.both,
    'push alone': sync.push,
    'sync again': again.both,
    'push alone again': again.push,
  }
}

function timed(page: Page, side: Side, paths: readonly string[]): Promise<number> {
  return page.evaluate(
    async ({ side, paths }) => {
      const bench = await openBench(side)
      const started = performance.now()
      await bench.read(paths)
      return performance.now() - started
    },
    { side, paths },
  )
}

async function timeCommits(page: Page, { side, corpus }: SideOptions): Promise<number> {
  const times = await page.evaluate(
    async ({ side, list }) => {
      const bench = await openBench(side)
      const taken: number[] = []
      for (const [path, content] of list) {
        const started = performance.now()
        await bench.commit(path, content)
        taken.push(performance.now() - started)
      }
      return taken
    },
    {
      side,
      list: Array.from({ length: COMMITS[side] }, (_, i) =>
        change(corpus, (i * 37) % corpus.files, 9000 + i),
      ),
    },
  )
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
}

/** Commits once more and times the way of what the server has not got yet. */
async function timeSync(page: Page, options: SideOptions, revision: number): Promise<SyncTimes> {
  const { side, corpus, remote, kept } = options
  const { took, head } = await page.evaluate(
    async ({ side, remote, change }) => {
      const bench = await openBench(side)
      await bench.commit(change[0], change[1])
      return { took: await bench.sync(remote), head: await bench.head() }
    },
    { side, remote, change: change(corpus, 5, revision) },
  )
  if ((await git(kept, 'rev-parse', 'refs/heads/main')) !== head)
    throw new Error(`${side}: the server has another head`)
  await git(kept, 'fsck', '--strict')
  return took
}

/** The files as the side reads them are those of the source. */
async function compareFiles(
  page: Page,
  options: SideOptions,
  paths: readonly string[],
): Promise<void> {
  const found = await page.evaluate(
    async ({ side, paths }) => (await openBench(side)).readAll(paths),
    { side: options.side, paths },
  )
  const wrong = found.findIndex((digest, i) => digest !== options.expected[i])
  if (wrong >= 0 || found.length !== paths.length)
    throw new Error(`${options.side}: "${paths[wrong]}" is not what was cloned`)
}

function change(corpus: CorpusOptions, i: number, revision: number): Change {
  return [corpusPath(i, corpus.layout), corpusFile(i, revision)]
}

/** Ten changes; those of the two sides do not meet. */
function changes(corpus: CorpusOptions, side: 0 | 1): Change[] {
  const step = Math.floor(corpus.files / 20)
  return Array.from({ length: 10 }, (_, i) => change(corpus, (2 * i + side) * step, 9500 + side))
}
