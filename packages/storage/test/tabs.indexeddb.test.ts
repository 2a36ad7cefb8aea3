/**
 * IndexedDB under several tabs of one browser, with workers in each: real pages, each with a process and connections of
 * its own.
 *
 * Seen to fail when a listing did not undo later updates, and when the writer of a pack that could not be finished dropped
 * nothing.
 */
import type { Oid } from '@datakit/git/oid'
import { chromium, type BrowserContext, type Page } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { randomId } from '../src/update.ts'
import { executable, flags, serveSite, type TestSite } from './indexeddb-browser.ts'
import { oid } from './samples.ts'
import type { Tab } from './tab-page.ts'
import { objectOf } from './tab-writer.ts'

declare const tab: Tab

const TABS = 4
const WORKERS = 7
const WRITERS = TABS * (WORKERS + 1)

let site: TestSite
let context: BrowserContext

beforeAll(async () => {
  site = await serveSite({ page: 'tab-page.ts', worker: 'tab-worker.ts' })
  context = await chromium.launchPersistentContext(site.profile, {
    executablePath: executable,
    args: flags,
  })
})

afterAll(async () => {
  await context.close()
  await site.close()
})

/** Opens tabs on one new database, and tells its name. */
async function openTabs(count: number, workers = 0): Promise<{ name: string; tabs: Page[] }> {
  const name = randomId()
  const tabs = await Promise.all(Array.from({ length: count }, () => context.newPage()))
  for (const page of tabs) {
    await page.goto(site.origin)
    await page.evaluate(([name, workers]) => tab.open(name, workers), [name, workers] as const)
  }
  return { name, tabs }
}

/** The first of the tabs. */
function firstOf([page]: readonly Page[]): Page {
  if (page === undefined) throw new Error('Expected a tab')
  return page
}

it(`lets exactly one of ${WRITERS} writers in ${TABS} tabs win each round`, async () => {
  const { tabs } = await openTabs(TABS, WORKERS)
  let from: Oid | undefined
  const winners: Oid[] = []
  for (let round = 0; round < 8; round++) {
    const base = round * WRITERS
    const states = await Promise.all(
      tabs.map((page, i) =>
        page.evaluate(([from, first]) => tab.compete(from, first), [
          from,
          base + i * (WORKERS + 1),
        ] as const),
      ),
    )
    const flat = states.flat()
    expect(flat.toSorted()).toEqual(['done', ...Array<string>(WRITERS - 1).fill('lost')])
    from = objectOf(base + flat.indexOf('done')).oid
    winners.push(from)
  }
  for (const page of tabs) {
    const { moves, unreadable } = await page.evaluate(() => tab.history())
    expect(moves.map(([, to]) => to)).toEqual(winners)
    expect(unreadable).toEqual([])
  }
}, 120_000)

it(`loses no commit of ${WRITERS} writers in ${TABS} tabs who all try until they are done`, async () => {
  const { tabs } = await openTabs(TABS, WORKERS)
  const each = 3
  const share = (WORKERS + 1) * each
  const states = await Promise.all(
    tabs.map((page, i) =>
      page.evaluate(([first, each]) => tab.insist(first, each), [i * share, each] as const),
    ),
  )
  expect(states.flat()).toEqual(Array<string>(WRITERS).fill('done'))
  const { moves, unreadable } = await firstOf(tabs).evaluate(() => tab.history())
  const all = Array.from({ length: WRITERS * each }, (_, i) => objectOf(i).oid)
  expect(moves.map(([, to]) => to).toSorted()).toEqual(all.toSorted())
  expect(moves.map(([from]) => from)).toEqual(
    [undefined, ...moves.map(([, to]) => to)].slice(0, -1),
  )
  expect(unreadable).toEqual([])
}, 300_000)

it('shows updates over many refs whole or not at all in another page', async () => {
  const { tabs } = await openTabs(3)
  const [writer, ...readers] = tabs
  const last = oid(13)
  const watching = readers.map((page) => page.evaluate((last) => tab.watchTogether(last), last))
  await writer?.evaluate(() => tab.moveTogether(13))
  for (const { moments, torn } of await Promise.all(watching)) {
    expect(torn).toEqual([])
    expect(moments).toBeGreaterThan(2)
  }
}, 120_000)

it('says that the quota is used up, and keeps all that was there and nothing by halves', async () => {
  const { name, tabs } = await openTabs(1)
  const page = firstOf(tabs)
  const session = await context.newCDPSession(page)
  const origin = new URL(site.origin).origin
  for (const size of [100_000, 700_000, 3_000_000]) {
    const before = await page.evaluate(() => tab.history())
    const { usage } = await session.send('Storage.getUsageAndQuota', { origin })
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: usage + 6_000_000 })
    const report = await page.evaluate((size) => tab.fill(size), size)
    expect(report).toMatchObject({
      reason: 'storage-full',
      message: expect.stringContaining('full'),
    })
    await session.send('Storage.overrideQuotaForOrigin', { origin })
    const after = await page.evaluate(() => tab.history())
    expect(after.unreadable).toEqual([])
    expect(after.moves).toHaveLength(before.moves.length + report.committed)
    expect(await page.evaluate((name) => tab.staged(name), name)).toBe(0)
  }
  await page.evaluate(() => tab.add(1000, 700_000))
}, 120_000)

it('is not kept from an upgrade by a tab that is frozen', async () => {
  const { name, tabs } = await openTabs(2)
  const [frozen, newer] = tabs
  await frozen?.evaluate(() => tab.add(1, 1000))
  const session = await context.newCDPSession(firstOf(tabs))
  await session.send('Page.setWebLifecycleState', { state: 'frozen' })
  const upgraded = newer?.evaluate((name) => tab.upgrade(name), name)
  const late = new Promise((resolve) => setTimeout(resolve, 10_000, 'late'))
  expect(await Promise.race([upgraded, late])).toBe('upgraded')
  await session.send('Page.setWebLifecycleState', { state: 'active' })
  const refused = frozen?.evaluate(() => tab.add(2, 1000))
  await expect(refused).rejects.toThrow('newer version')
}, 60_000)
