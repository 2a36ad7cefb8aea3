/**
 * The store in Chromium with thousands of branches, beside stock git: what a sync costs that finds nothing, or brings one commit,
 * in time and in bytes.
 *
 * @module
 */
import { startServer } from '@datakit/cli/server'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright'
import { corpusFile, corpusPath, makeCorpus, type CorpusOptions } from '../support/corpus.ts'
import { temporaryFolder } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'
import { buildPage, openPage, startBrowser } from './bench-chromium.ts'

/** A sync, and stock git's. */
export interface RefsRow {
  readonly work: string
  /** Milliseconds. */
  readonly ours: number
  readonly git: number
  /** Bytes of requests and answers of ours. */
  readonly sent: number
  readonly received: number
}

/** What was measured. */
export interface RefsResult {
  readonly files: number
  readonly branches: number
  readonly rows: readonly RefsRow[]
}

/** Syncs that the median is taken of. */
const RUNS = 7

interface Wire {
  sent: number
  received: number
}

/** Runs it on a corpus with so many branches of one commit each. */
export async function benchRefs(corpus: CorpusOptions, branches: number): Promise<RefsResult> {
  const folder = temporaryFolder('bench-refs')
  const source = join(folder.path, 'source.git')
  await makeCorpus(source, corpus)
  addBranches(source, corpus, branches)
  const web = join(folder.path, 'web')
  await buildPage(web)
  const root = join(folder.path, 'served')
  const server = await startServer({ root, host: '127.0.0.1', port: 0, token: undefined, web })
  const remote = `${server.url}/refs.git`
  const browser = await startBrowser()
  try {
    await git(source, 'push', '--quiet', remote, 'refs/heads/*:refs/heads/*')
    const clone = join(folder.path, 'clone')
    const page = await openPage(browser.context, server.url)
    await countBytes(page)
    const first = { ...(await timeSync(page, remote)), git: 0 }
    first.git = await timed(() => git(folder.path, 'clone', '--quiet', remote, clone))
    const polls = []
    for (let i = 0; i < RUNS; i++) {
      const ours = await timeSync(page, remote)
      polls.push({ ...ours, git: await timed(() => git(clone, 'fetch', '--quiet')) })
    }
    const pushes = []
    for (let i = 0; i < RUNS; i++) pushes.push(await pushOne(page, { remote, clone, corpus, i }))
    return {
      files: corpus.files,
      branches,
      rows: [
        { work: 'clone', ...first },
        { work: 'sync that finds nothing new', ...medianOf(polls) },
        { work: 'sync of one commit', ...medianOf(pushes) },
      ],
    }
  } finally {
    await browser.close()
    await server.stop(1000)
    folder.remove()
  }
}

type Times = Omit<RefsRow, 'work'>

/** A commit in the page and its sync; then one in the clone, and its push, which the page takes before the next. */
async function pushOne(
  page: Page,
  of: { remote: string; clone: string; corpus: CorpusOptions; i: number },
): Promise<Times> {
  const { remote, clone, corpus, i } = of
  const change = [corpusPath(i, corpus.layout), corpusFile(i, 9000 + i)] as const
  await page.evaluate(
    async ([path, content]) => (await openBench('ours')).commit(path, content),
    change,
  )
  const ours = await timeSync(page, remote)
  await git(clone, 'pull', '--quiet')
  const path = corpusPath(100 + i, corpus.layout)
  writeFileSync(join(clone, path), corpusFile(i, 9500 + i))
  await git(clone, 'commit', '--quiet', '--all', '--message', 'Change')
  const theirs = await timed(() => git(clone, 'push', '--quiet'))
  await timeSync(page, remote)
  const head = await page.evaluate(async () => (await openBench('ours')).head())
  if ((await git(clone, 'rev-parse', 'HEAD')) !== head) throw new Error('The page lacks a commit')
  return { ...ours, git: theirs }
}

async function timeSync(page: Page, remote: string): Promise<Omit<Times, 'git'>> {
  return page.evaluate(async (remote) => {
    // Set by `countBytes`.
    const { wire } = globalThis as unknown as { wire: Wire }
    wire.sent = wire.received = 0
    const { both: ours } = await (await openBench('ours')).sync(remote)
    return { ours, ...wire }
  }, remote)
}

/** Counts what goes over the wire from here on. */
async function countBytes(page: Page): Promise<void> {
  await page.evaluate(() => {
    const wire: Wire = { sent: 0, received: 0 }
    Object.assign(globalThis, { wire })
    const send = globalThis.fetch
    globalThis.fetch = async (input, init) => {
      const answer = await send(input, init)
      // What a sync sends is bytes.
      const body = init?.body as Uint8Array | undefined
      wire.sent += body?.length ?? 0
      const counter = new TransformStream<Uint8Array, Uint8Array>({
        transform(piece, controller) {
          wire.received += piece.length
          controller.enqueue(piece)
        },
      })
      return new Response(answer.body?.pipeThrough(counter), answer)
    }
  })
}

function addBranches(source: string, corpus: CorpusOptions, branches: number): void {
  let script = ''
  for (let i = 0; i < branches; i++) {
    const content = corpusFile(i, 7000)
    script += `commit refs/heads/topic/${i}\ncommitter Ada <ada@example.org> ${1_800_000_000 + i} +0000\ndata 1\nx\nfrom refs/heads/main^0\n`
    script += `M 100644 inline ${corpusPath(i % corpus.files, corpus.layout)}\ndata ${content.length}\n${content}\n`
  }
  execFileSync('git', ['-C', source, 'fast-import', '--quiet'], { input: script })
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

function medianOf(times: readonly Times[]): Times {
  const median = (of: keyof Times): number =>
    times.map((each) => each[of]).toSorted((a, b) => a - b)[times.length >> 1] ?? 0
  return {
    ours: median('ours'),
    git: median('git'),
    sent: median('sent'),
    received: median('received'),
  }
}
