/**
 * A store in Chromium, ours or the peer's, in all that a person waits for.
 *
 * @module
 */
import type { BrowserContext, Page } from 'playwright'
import { corpusPath, type CorpusOptions } from '../support/corpus.ts'
import { git } from '../support/stock-git.ts'
import { openPage, startBrowser } from './bench-chromium.ts'
import type { Change } from './bench-page.ts'
import { allPaths, changes, DIFFS, hundredPaths, median, tenChanges } from './store-work.ts'

/** A repository on a server, and the page to work from. */
export interface Served {
  readonly corpus: CorpusOptions
  readonly remote: string
  /** The URL of the page. */
  readonly page: string
}

/** How often a side does what a median is taken of, and how many commits it makes before one sync. */
export interface Runs {
  readonly commits: number
  readonly pages: number
  readonly syncs: number
  readonly offline: number
}

/** Milliseconds of each piece of work; `undefined` for what a side was not asked. */
export interface StoreTimes extends ReadTimes {
  readonly clone: number
  readonly commit: number
  readonly diff: number
  readonly merge: number
  readonly sync: number
  readonly many: number | undefined
}

/** Milliseconds in a page that was just opened. */
export interface ReadTimes {
  /** From nothing to the first file. */
  readonly open: number
  /** A hundred more. */
  readonly read: number
}

type Side = 'ours' | 'peer'

/** Times all of it in a profile of its own. */
export async function timeStore(
  side: Side,
  served: Served,
  { runs, digests }: { readonly runs: Runs; readonly digests: readonly string[] },
): Promise<StoreTimes> {
  const browser = await startBrowser()
  try {
    const { context } = browser
    const clone = await timeClone(context, side, { served, digests })
    const reads = await timeReads(context, side, { served, runs })
    return { clone, ...reads, ...(await timeChanges(context, side, { served, runs })) }
  } finally {
    await browser.close()
  }
}

/** The same, of reads alone, after a clone. */
export async function timeReadsOf(served: Served, runs: Runs): Promise<ReadTimes> {
  const browser = await startBrowser()
  try {
    const page = await openPage(browser.context, served.page)
    await sync(page, 'ours', served.remote)
    await page.close()
    return await timeReads(browser.context, 'ours', { served, runs })
  } finally {
    await browser.close()
  }
}

/** The same, of commits alone. */
export async function timeCommitsOf({ corpus, remote, page: url }: Served): Promise<number> {
  const browser = await startBrowser()
  try {
    const page = await openPage(browser.context, url)
    await sync(page, 'ours', remote)
    return median(await commit(page, 'ours', changes(corpus, 40, 9000)))
  } finally {
    await browser.close()
  }
}

/** From an empty database until one file was read; every file is read and hashed afterwards, outside the clock. */
async function timeClone(
  context: BrowserContext,
  side: Side,
  { served, digests }: { readonly served: Served; readonly digests: readonly string[] },
): Promise<number> {
  const { corpus, remote, page: url } = served
  const page = await openPage(context, url)
  const paths = allPaths(corpus)
  const took = await page.evaluate(
    async ({ side, remote, last }) => {
      const started = performance.now()
      const bench = await openBench(side)
      // Ours brings everything in a sync, and needs no work tree for the read.
      await (side === 'ours' ? bench.sync(remote) : bench.clone(remote))
      await bench.read([last])
      return performance.now() - started
    },
    { side, remote, last: paths.at(-1) ?? '' },
  )
  const found = await page.evaluate(
    async ({ side, paths }) => (await openBench(side)).readAll(paths),
    { side, paths },
  )
  if (found.length !== digests.length || found.some((digest, i) => digest !== digests[i]))
    throw new Error(`${side}: the files are not those that were cloned`)
  await page.close()
  return took
}

async function timeReads(
  context: BrowserContext,
  side: Side,
  { served, runs }: { readonly served: Served; readonly runs: Runs },
): Promise<ReadTimes> {
  const times: ReadTimes[] = []
  const first = corpusPath(0, served.corpus.layout)
  for (let i = 0; i < runs.pages; i++) {
    const page = await openPage(context, served.page)
    times.push(
      await page.evaluate(
        async ({ side, first, paths }) => {
          const started = performance.now()
          const bench = await openBench(side)
          await bench.read([first])
          const opened = performance.now()
          await bench.read(paths)
          return { open: opened - started, read: performance.now() - opened }
        },
        { side, first, paths: hundredPaths(served.corpus) },
      ),
    )
    await page.close()
  }
  return {
    open: median(times.map(({ open }) => open)),
    read: median(times.map(({ read }) => read)),
  }
}

async function timeChanges(
  context: BrowserContext,
  side: Side,
  { served: { corpus, remote, page: url }, runs }: { readonly served: Served; readonly runs: Runs },
): Promise<Pick<StoreTimes, 'commit' | 'diff' | 'merge' | 'sync' | 'many'>> {
  const page = await openPage(context, url)
  const diff = await page.evaluate(
    async ({ side, count }) => {
      const bench = await openBench(side)
      const started = performance.now()
      if ((await bench.diff(count)) < count) throw new Error('A commit changed nothing')
      return performance.now() - started
    },
    { side, count: Math.min(DIFFS, corpus.commits) },
  )
  const commits = await commit(page, side, changes(corpus, runs.commits, 9000))
  await sync(page, side, remote)
  const merge = await page.evaluate(
    async ({ side, ours, theirs }) => (await openBench(side)).merge(ours, theirs),
    { side, ours: tenChanges(corpus, 0), theirs: tenChanges(corpus, 1) },
  )
  await sync(page, side, remote)
  const syncs: number[] = []
  for (let i = 0; i < runs.syncs; i++) {
    await commit(page, side, changes(corpus, 1, 9600 + i))
    syncs.push(await sync(page, side, remote))
  }
  let many: number | undefined
  if (runs.offline > 0) {
    await commit(page, side, changes(corpus, runs.offline, 9700))
    many = await sync(page, side, remote)
  }
  await compareHeads(page, side, remote)
  return { commit: median(commits), diff, merge, sync: median(syncs), many }
}

/** Milliseconds of each commit. */
function commit(page: Page, side: Side, list: readonly Change[]): Promise<number[]> {
  return page.evaluate(
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
    { side, list },
  )
}

async function sync(page: Page, side: Side, remote: string): Promise<number> {
  return page.evaluate(
    async ({ side, remote }) => (await (await openBench(side)).sync(remote)).both,
    { side, remote },
  )
}

/** @throws Error when the server is elsewhere than the page */
async function compareHeads(page: Page, side: Side, remote: string): Promise<void> {
  const head = await page.evaluate(async (side) => (await openBench(side)).head(), side)
  const [served = ''] = (await git('/', 'ls-remote', remote, 'refs/heads/main')).split('\t')
  if (served !== head) throw new Error(`${side}: the server is at ${served}, the page at ${head}`)
}
