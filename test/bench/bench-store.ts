/**
 * The store in Chromium beside stock git on the same machine: what a person waits for, and how it grows.
 *
 * @module
 */
import { startServer } from '@datakit/cli/server'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright'
import { corpusFile, corpusPath, makeCorpus, type CorpusOptions } from '../support/corpus.ts'
import { temporaryFolder } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'
import { buildPage, openPage, startBrowser } from './bench-chromium.ts'
import type { Change } from './bench-page.ts'

/** Milliseconds of a piece of work, ours and stock git's. */
export interface StoreRow {
  readonly work: string
  readonly ours: number
  /** `undefined` where stock git has nothing of the kind. */
  readonly git: number | undefined
  /** What it must not take longer than, in milliseconds or in words. */
  readonly must: string
}

/** What was measured. */
export interface StoreResult {
  readonly corpus: CorpusOptions
  readonly rows: readonly StoreRow[]
  /** Median of a commit of one key, by how many files there are. */
  readonly growth: readonly { readonly files: number; readonly commit: number }[]
}

/** Commits that the median is taken of, and runs of what is asked in a page that was just opened. */
const COMMITS = 40
const RUNS = 7

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
  try {
    const growth = []
    for (const other of options.others)
      growth.push(await commitsOf(await serve(folder.path, server.url, other), server.url))
    const served = await serve(folder.path, server.url, corpus)
    const setting = { page: server.url, offline: options.offline, folder: folder.path }
    const rows = [...(await measure(served, setting))]
    rows.splice(3, 0, await readPackedAnew(served, setting))
    return { corpus, rows, growth }
  } finally {
    await server.stop(1000)
    folder.remove()
  }
}

interface Served {
  readonly corpus: CorpusOptions
  readonly remote: string
}

/** Makes a corpus and pushes it to the server. */
async function serve(folder: string, url: string, corpus: CorpusOptions): Promise<Served> {
  const name = `${corpus.layout}-${corpus.files}.git`
  await makeCorpus(join(folder, name), corpus)
  await git(join(folder, name), 'push', '--quiet', `${url}/${name}`, 'main')
  return { corpus, remote: `${url}/${name}` }
}

async function commitsOf(
  { corpus, remote }: Served,
  url: string,
): Promise<{ files: number; commit: number }> {
  const browser = await startBrowser()
  try {
    const page = await openPage(browser.context, url)
    await sync(page, remote)
    return {
      files: corpus.files,
      commit: median(await commits(page, changes(corpus, COMMITS, 9000))),
    }
  } finally {
    await browser.close()
  }
}

interface Setting {
  readonly page: string
  /** Commits that are made before one sync. */
  readonly offline: number
  readonly folder: string
}

async function measure({ corpus, remote }: Served, setting: Setting): Promise<StoreRow[]> {
  const browser = await startBrowser()
  const { context } = browser
  try {
    const clone = join(setting.folder, 'clone')
    const ourClone = await cloneUntilReadable(context, setting.page, { corpus, remote })
    const gitClone = await timed(() => git(setting.folder, 'clone', '--quiet', remote, clone))
    const opened = await inFreshPages(context, setting.page, [corpusPath(0, corpus.layout)])
    const read = await inFreshPages(context, setting.page, hundredOf(corpus))
    const page = await openPage(context, setting.page)
    const commit = median(await commits(page, changes(corpus, COMMITS, 9000)))
    await sync(page, remote)
    const merge = await page.evaluate(
      async ([ours, theirs]) => (await openBench('ours')).merge(ours ?? [], theirs ?? []),
      [tenChanges(corpus, 0), tenChanges(corpus, 1)],
    )
    await sync(page, remote)
    const one: number[] = []
    for (let i = 0; i < RUNS; i++) {
      await commits(page, changes(corpus, 1, 9600 + i))
      one.push(await sync(page, remote))
    }
    await commits(page, changes(corpus, setting.offline, 9700))
    const many = await sync(page, remote)
    await compareHeads(page, remote)
    const stock = await stockGit(clone, corpus, setting.offline)
    return [
      {
        work: 'clone until any file can be read',
        ours: ourClone,
        git: gitClone,
        must: 'faster than git',
      },
      {
        work: 'open a repository that is here, to the first read',
        ours: opened,
        git: stock.read,
        must: '50 ms',
      },
      {
        work: 'read of 100 files, in a page that was just opened',
        ours: read,
        git: undefined,
        must: '25 ms',
      },
      { work: 'commit of one key, durable', ours: commit, git: stock.commit, must: '10 ms' },
      { work: 'merge, ten changes a side', ours: merge, git: undefined, must: '30 ms' },
      { work: 'sync of one commit', ours: median(one), git: stock.push, must: '50 ms' },
      {
        work: `sync of ${setting.offline.toLocaleString('en')} commits`,
        ours: many,
        git: stock.pushMany,
        must: '2 s',
      },
    ]
  } finally {
    await browser.close()
  }
}

/**
 * The read of 100 files of the same repository, whose objects stock git has packed anew, as it packs what was committed one by
 * one: the newest are whole. `git fast-import` makes them deltas of older ones, one of the other.
 */
async function readPackedAnew({ corpus }: Served, { page, folder }: Setting): Promise<StoreRow> {
  const source = join(folder, `${corpus.layout}-${corpus.files}.git`)
  await git(source, 'repack', '-a', '-d', '-f', '--quiet')
  const remote = `${page}/anew.git`
  await git(source, 'push', '--quiet', remote, 'main')
  const browser = await startBrowser()
  try {
    const first = await openPage(browser.context, page)
    await sync(first, remote)
    await first.close()
    return {
      work: 'the same, where git packed the objects anew',
      ours: await inFreshPages(browser.context, page, hundredOf(corpus)),
      git: undefined,
      must: '25 ms',
    }
  } finally {
    await browser.close()
  }
}

function hundredOf({ files, layout }: CorpusOptions): string[] {
  return Array.from({ length: 100 }, (_, i) => corpusPath(Math.floor((i * files) / 100), layout))
}

/** From an empty database until one file was read; every file is read and hashed afterwards, outside the clock. */
async function cloneUntilReadable(
  context: BrowserContext,
  url: string,
  { corpus, remote }: Served,
): Promise<number> {
  const page = await openPage(context, url)
  const paths = Array.from({ length: corpus.files }, (_, i) => corpusPath(i, corpus.layout))
  const took = await page.evaluate(
    async ({ remote, first }) => {
      const started = performance.now()
      const bench = await openBench('ours')
      await bench.sync(remote)
      await bench.read([first])
      return performance.now() - started
    },
    { remote, first: paths.at(-1) ?? '' },
  )
  const digests = await page.evaluate(
    async (paths) => (await openBench('ours')).readAll(paths),
    paths,
  )
  if (digests.length !== corpus.files) throw new Error('Not every file was cloned')
  await page.close()
  return took
}

/** The median of opening the repository in a new page and reading these files. */
async function inFreshPages(
  context: BrowserContext,
  url: string,
  paths: readonly string[],
): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < RUNS; i++) {
    const page = await openPage(context, url)
    times.push(
      await page.evaluate(async (paths) => {
        const started = performance.now()
        await (await openBench('ours')).read(paths)
        return performance.now() - started
      }, paths),
    )
    await page.close()
  }
  return median(times)
}

/** Milliseconds of each commit. */
function commits(page: Page, list: readonly Change[]): Promise<number[]> {
  return page.evaluate(async (list) => {
    const bench = await openBench('ours')
    const taken: number[] = []
    for (const [path, content] of list) {
      const started = performance.now()
      await bench.commit(path, content)
      taken.push(performance.now() - started)
    }
    return taken
  }, list)
}

async function sync(page: Page, remote: string): Promise<number> {
  return page.evaluate(
    async (remote) => (await (await openBench('ours')).sync(remote)).both,
    remote,
  )
}

/** @throws Error when the server is elsewhere than the page */
async function compareHeads(page: Page, remote: string): Promise<void> {
  const head = await page.evaluate(async () => (await openBench('ours')).head())
  const [served = ''] = (await git('/', 'ls-remote', remote, 'refs/heads/main')).split('\t')
  if (served !== head) throw new Error(`The server is at ${served}, the page at ${head}`)
}

/** What stock git takes in a clone with a work tree. Each command is a process. */
async function stockGit(clone: string, corpus: CorpusOptions, offline: number) {
  await git(clone, 'pull', '--quiet')
  const read = await timed(() =>
    git(clone, 'cat-file', 'blob', `main:${corpusPath(0, corpus.layout)}`),
  )
  const times: number[] = []
  const commit = (i: number) => {
    const [[path, content] = ['', '']] = changes(corpus, 1, 20_000 + i)
    writeFileSync(join(clone, path), content)
    return timed(async () => {
      await git(clone, 'add', path)
      await git(clone, 'commit', '--quiet', '--message', 'Change')
    })
  }
  for (let i = 0; i < RUNS; i++) times.push(await commit(i))
  await git(clone, 'push', '--quiet')
  await commit(RUNS)
  const push = await timed(() => git(clone, 'push', '--quiet'))
  for (let i = 1; i <= offline; i++) await commit(RUNS + i)
  const pushMany = await timed(() => git(clone, 'push', '--quiet'))
  return { read, commit: median(times), push, pushMany }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
}

function changes(corpus: CorpusOptions, count: number, revision: number): Change[] {
  return Array.from({ length: count }, (_, i) => {
    const file = ((revision + i) * 37) % corpus.files
    return [corpusPath(file, corpus.layout), corpusFile(file, revision + i)] as const
  })
}

/** Ten changes; those of the two sides do not meet. */
function tenChanges(corpus: CorpusOptions, side: 0 | 1): Change[] {
  const step = Math.floor(corpus.files / 20)
  return Array.from({ length: 10 }, (_, i) => {
    const file = (2 * i + side) * step
    return [corpusPath(file, corpus.layout), corpusFile(file, 9500 + side)] as const
  })
}
