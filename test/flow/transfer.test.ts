/**
 * Large packs in real browsers whose tab is killed in the middle, again and again: the next one goes on where it was, in both
 * directions, by the bytes that went over the socket.
 *
 * In Chromium the process of the tab dies; Firefox and WebKit are killed whole, and come back with the same profile. Seen to fail when
 * nothing is kept, and when all parts are sent again.
 */
import { createHash } from 'node:crypto'
import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium, type BrowserContext, type Page } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PART_BYTES } from '@datakit/git/protocol/sync'
import {
  executable,
  flags,
  serveSite,
  type TestSite,
} from '../../packages/storage/test/indexeddb-browser.ts'
import { installPackages } from '../../tools/debian.ts'
import { mustRun } from '../../tools/must-run.ts'
import { BROWSER_PACKAGES, killBrowser, startBrowser } from '../../tools/other-browsers.ts'
import { EditorPage, openDevice } from '../support/editor-page.ts'
import { CountingProxy } from '../support/counting-proxy.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'
import type { TransferNews } from './transfer-page.ts'

/** Bytes of the file: more than three parts. */
const SIZE = 3 * PART_BYTES + 50_000
/** What may be lost by a kill, in bytes: what was on its way, and gathered to be written. */
const LOSS = 1_500_000
/** Heads, preflights, indexes, scripts. */
const SLACK = 200_000

const noise = new Uint8Array(SIZE)
for (let i = 0, state = 11; i < SIZE; i++) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  noise[i] = state >>> 16
}
const digest = createHash('sha1').update(noise).digest('hex')

/** A browser with one tab, which can be killed. */
interface Browser {
  open(url: string): Promise<void>
  kill(): Promise<void>
  close(): Promise<void>
}

function chromiumBrowser(): Browser {
  const profile = temporaryFolder('transfer-chromium')
  let context: BrowserContext | undefined
  let page: Page | undefined
  return {
    async open(url) {
      context ??= await chromium.launchPersistentContext(profile.path, {
        executablePath: executable,
        args: flags,
      })
      page = await context.newPage()
      await page.goto(url)
    },
    async kill() {
      if (page !== undefined) await crash(page)
    },
    async close() {
      await context?.close()
      profile.remove()
    },
  }
}

/** Kills the process of a page. */
async function crash(page: Page): Promise<void> {
  const crashed = page.waitForEvent('crash')
  const session = await page.context().newCDPSession(page)
  // Never answered: the process that would is gone.
  session.send('Page.crash').catch(() => undefined)
  await crashed
  await page.close()
}

function otherBrowser(name: string): Browser {
  const profile = temporaryFolder(`transfer-${name}`)
  let child: ChildProcess | undefined
  const kill = async (): Promise<void> => {
    if (child !== undefined) await killBrowser(child)
    child = undefined
  }
  return {
    async open(url) {
      child = startBrowser(name, profile.path, url)
    },
    kill,
    async close() {
      await kill()
      profile.remove()
    },
  }
}

const folder = temporaryFolder('transfer')
let site: TestSite
let server: TestServer
let proxy: CountingProxy
let onNews: (news: TransferNews) => void = () => {}

beforeAll(async () => {
  site = await serveSite({ page: '../../../test/flow/transfer-page.ts' }, (_path, body) =>
    onNews(JSON.parse(body)),
  )
  server = await startTestServer('node', { cors: [new URL(site.origin).origin] })
})
afterAll(async () => {
  await server.stop()
  await site.close()
  folder.remove()
})
beforeEach(async () => {
  proxy = await CountingProxy.start(server.url)
})
afterEach(() => proxy.close())

/** Resolves with the first news like that. @throws Error when the page says that it failed */
function newsOf(isWanted: (news: TransferNews) => boolean): Promise<TransferNews> {
  return new Promise((resolve, reject) => {
    onNews = (news) => {
      if (news.what === 'failed') reject(new Error(news.told))
      else if (isWanted(news)) resolve(news)
    }
  })
}

function addressOf(name: string, parameters: Record<string, string> = {}): string {
  const remote = `${proxy.url}/${name}.git`
  return `${site.origin}?${new URLSearchParams({ remote, name, ...parameters }).toString()}`
}

/** Brings the noise to the server, by stock git. */
async function fill(name: string): Promise<void> {
  const path = join(folder.path, name)
  await git(folder.path, 'init', '--quiet', '-b', 'main', path)
  writeFileSync(join(path, 'noise'), noise)
  await git(path, 'add', '.')
  await git(path, 'commit', '--quiet', '-m', 'Make noise')
  await git(path, 'push', '--quiet', `${server.url}/${name}.git`, 'main')
}

const hasOthers = mustRun('Firefox and WebKit', installPackages(BROWSER_PACKAGES))
const BROWSERS = [
  { title: 'Chromium', make: chromiumBrowser },
  ...(hasOthers
    ? [
        { title: 'Firefox', make: () => otherBrowser('firefox') },
        { title: 'WebKit', make: () => otherBrowser('webkit') },
      ]
    : []),
]

describe.each(BROWSERS)('a large pack in $title', ({ title, make }) => {
  let browser: Browser
  beforeEach(() => {
    browser = make()
  })
  afterEach(() => browser.close())

  it('is fetched once, over tabs that are killed', async () => {
    const name = `down-${title}`
    await fill(name)
    const stalls = [4_000_000, 6_000_000]
    let told = 0
    for (const bytes of stalls) {
      const before = proxy.passed.answer
      const stalled = proxy.stallAfter('answer', bytes)
      // A page that is killed while what came waits to be written loses it: it is given the time.
      told += bytes
      const enough = told - LOSS
      const arrived = newsOf((news) => news.what === 'kept' && Number(news.told) > enough)
      await browser.open(addressOf(name))
      await Promise.all([stalled, arrived])
      expect(proxy.passed.answer - before).toBe(bytes)
      await browser.kill()
      proxy.goOn()
    }
    const done = newsOf(({ what }) => what === 'done')
    await browser.open(addressOf(name))
    expect((await done).told).toBe(digest)
    expect(proxy.passed.answer).toBeGreaterThan(SIZE)
    expect(proxy.passed.answer).toBeLessThan(SIZE + stalls.length * LOSS + SLACK)
  })

  it('is sent once, over a tab that is killed, and a part more', async () => {
    const name = `up-${title}`
    const parameters = { send: String(SIZE) }
    // In the middle of the third part.
    const stalled = proxy.stallAfter('request', 2.5 * PART_BYTES)
    await browser.open(addressOf(name, parameters))
    await stalled
    await browser.kill()
    proxy.goOn()
    const done = newsOf(({ what }) => what === 'done')
    await browser.open(addressOf(name, parameters))
    expect((await done).told).toBe(digest)
    expect(proxy.passed.request).toBeGreaterThan(SIZE)
    expect(proxy.passed.request).toBeLessThan(SIZE + PART_BYTES / 2 + SLACK)
    const clone = join(folder.path, `${name}-clone`)
    await git(folder.path, 'clone', '--quiet', `${server.url}/${name}.git`, clone)
    await git(clone, 'fsck', '--strict', '--full')
    expect(await git(clone, 'cat-file', '-s', 'HEAD:noise')).toBe(String(SIZE))
  })
})

describe('the editor', () => {
  it('goes on with what a tab was fetching that was killed', async () => {
    await fill('editor')
    const device = await openDevice()
    try {
      // The app itself comes first, which is kept from then on.
      const first = await EditorPage.open(device, proxy.url, 'other')
      await first.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
      const before = proxy.passed.answer
      const stalled = proxy.stallAfter('answer', 5_000_000)
      const page = await device.context.newPage()
      await page.goto(`${proxy.url}/#/editor/main`)
      await stalled
      await expect
        .poll(() => first.page.evaluate(keptBytes, 'editor'), { timeout: 10_000 })
        .toBeGreaterThan(5_000_000 - LOSS)
      await crash(page)
      proxy.goOn()
      const next = new EditorPage(await device.context.newPage())
      await next.page.goto(`${proxy.url}/#/editor/main`)
      await next.page.getByRole('treeitem', { name: /^noise/ }).waitFor()
      await next.waitForStatus('On server')
      expect(proxy.passed.answer - before).toBeGreaterThan(SIZE)
      expect(proxy.passed.answer - before).toBeLessThan(SIZE + LOSS + SLACK)
      await expect.poll(() => next.page.evaluate(keptBytes, 'editor')).toBe(0)
    } finally {
      await device.close()
    }
  })
})

/** How much is kept of an answer. Runs in a page. */
async function keptBytes(name: string): Promise<number> {
  const request = indexedDB.open('datakit-answers')
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result))
    request.addEventListener('error', () => reject(new Error('not opened')))
  })
  const row = database.transaction('fronts').objectStore('fronts').get(name)
  const size = await new Promise<number>((resolve) => {
    row.addEventListener('success', () => resolve(row.result?.size ?? 0))
    row.addEventListener('error', () => resolve(-1))
  })
  database.close()
  return size
}
