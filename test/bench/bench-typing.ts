/**
 * How long the editor's page lets a key wait: the longest time that its thread is busy in one go, while it does what is much
 * work in a large repository.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Page } from 'playwright'
import { corpusFile, corpusPath, makeCorpus, type CorpusOptions } from '../support/corpus.ts'
import { EditorPage, openDevice } from '../support/editor-page.ts'
import { startTestServer, temporaryFolder } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'
import { ensureWeb } from '../../tools/web-build.ts'

/** A piece of work, and what the page's thread was like meanwhile. */
export interface TypingRow {
  readonly work: string
  /** Milliseconds from its begin to its end. */
  readonly took: number
  /** Milliseconds of the longest stretch in which the thread took no turn for anything else. */
  readonly longest: number
}

/** Opens a large repository in the editor, and lets much happen to it. */
export async function benchTyping(corpus: CorpusOptions, commits: number): Promise<TypingRow[]> {
  await ensureWeb()
  const folder = temporaryFolder('bench-typing')
  const source = join(folder.path, 'corpus.git')
  await makeCorpus(source, corpus)
  const server = await startTestServer('node')
  const url = `${server.url}/large.git`
  await git(source, 'push', '--quiet', url, 'main')
  const device = await openDevice()
  const rows: TypingRow[] = []
  const path = corpusPath(0, corpus.layout)
  try {
    const page = await device.context.newPage()
    page.setDefaultTimeout(0)
    await page.goto(server.url)
    await startProbe(page)
    const editor = new EditorPage(page)
    const time = async (work: string, run: () => Promise<void>): Promise<void> => {
      await takeLongest(page)
      const started = performance.now()
      await run()
      rows.push({ work, took: performance.now() - started, longest: await takeLongest(page) })
    }
    await time('clone', async () => {
      await page.getByRole('link', { name: 'large' }).click()
      await page.getByRole('treeitem').first().waitFor()
      await editor.waitForStatus('On server')
    })
    await time('open a file, type 200 keys', async () => {
      await editor.openFile(path)
      await editor.textOf(path).click()
      await page.keyboard.type('a key '.repeat(34).slice(0, 200), { delay: 5 })
    })
    await time('commit and sync', async () => {
      await editor.commit('Change one file')
      await editor.waitForStatus('On server')
    })
    const other = join(folder.path, 'other.git')
    await git(folder.path, 'clone', '--quiet', '--bare', url, other)
    addCommits(other, { corpus, commits, revision: 7000 })
    await time(`${commits.toLocaleString('en')} commits come from the server`, async () => {
      await git(other, 'push', '--quiet', url, 'main')
      await waitForHead(page, await git(other, 'rev-parse', 'main'))
    })
    addCommits(other, { corpus, commits, revision: 8000 })
    await device.context.setOffline(true)
    await git(other, 'push', '--quiet', url, 'main')
    await editor.textOf(path).click()
    await page.keyboard.type('y')
    await editor.commit('Change it again')
    await time('as many, merged with a commit of the page', async () => {
      await device.context.setOffline(false)
      await editor.waitForStatus('On server')
    })
    return rows
  } finally {
    await device.close()
    await server.stop()
    folder.remove()
  }
}

/** Takes a turn of the page's thread after the other, and notes the longest time between two. */
async function startProbe(page: Page): Promise<void> {
  await page.evaluate(() => {
    const probe = globalThis as unknown as { longest: number }
    probe.longest = 0
    const { port1, port2 } = new MessageChannel()
    let last = performance.now()
    port1.addEventListener('message', () => {
      const now = performance.now()
      probe.longest = Math.max(probe.longest, now - last)
      last = now
      // Not at once: the probe is not to be what keeps the thread busy.
      setTimeout(() => {
        last = performance.now()
        port2.postMessage(undefined)
      }, 1)
    })
    port1.start()
    port2.postMessage(undefined)
  })
}

async function takeLongest(page: Page): Promise<number> {
  return page.evaluate(() => {
    const probe = globalThis as unknown as { longest: number }
    const { longest } = probe
    probe.longest = 0
    return longest
  })
}

/** Waits until the page shows the history of this commit. */
async function waitForHead(page: Page, oid: string): Promise<void> {
  await page.waitForFunction(async (oid) => {
    const databases = await indexedDB.databases()
    const name = databases.find((database) => database.name?.startsWith('datakit:'))?.name ?? ''
    const opening = indexedDB.open(name)
    await new Promise((resolve) => opening.addEventListener('success', resolve))
    const reading = opening.result.transaction('blocks').objectStore('blocks').getAll()
    await new Promise((resolve) => reading.addEventListener('success', resolve))
    opening.result.close()
    return (reading.result as { lines: string }[]).some(({ lines }) => lines.includes(oid))
  }, oid)
}

/** Commits of one file each on top of `main`. */
function addCommits(
  repository: string,
  { corpus, commits, revision }: { corpus: CorpusOptions; commits: number; revision: number },
): void {
  let script = ''
  for (let i = 0; i < commits; i++) {
    const file = 100 + ((i * 37) % (corpus.files - 100))
    const content = corpusFile(file, revision + i)
    const message = `Change ${i}`
    script += `commit refs/heads/main\ncommitter Ada <ada@example.org> ${1_800_000_000 + revision + i} +0000\ndata ${message.length}\n${message}\n`
    if (i === 0) script += `from refs/heads/main^0\n`
    script += `M 100644 inline ${corpusPath(file, corpus.layout)}\ndata ${Buffer.byteLength(content)}\n${content}\n`
  }
  execFileSync('git', ['-C', repository, 'fast-import', '--quiet'], { input: script })
}
