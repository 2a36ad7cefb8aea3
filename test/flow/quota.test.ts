/**
 * A quota that goes up and down at random under a page that commits, merges, compacts, syncs and clones: whatever does not fit is said to
 * be so and leaves everything as it was, and goes through in the same page once there is room.
 *
 * Seen to fail when a full storage is another error.
 */
import { join } from 'node:path'
import { chromium, type BrowserContext, type CDPSession, type Page } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { chooseSeed, seededRandom } from '../../packages/datakit/test/random-history.ts'
import {
  executable,
  flags,
  serveSite,
  type TestSite,
} from '../../packages/storage/test/indexeddb-browser.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'
import type { Quota, QuotaOutcome, QuotaWork } from './quota-page.ts'

declare const quota: Quota

/** How often something is done; `QUOTAS` in the environment asks for more. */
const ROUNDS = Number(process.env['QUOTAS'] ?? 30)
/** Bytes that are enough for everything: also for a pack of all that was committed. */
const ROOM = 40_000_000
const NAME = 'quota'
const WORK: readonly QuotaWork[] = ['commit', 'commit', 'merge', 'compact', 'sync', 'clone']

const folder = temporaryFolder('quota')
let server: TestServer
let site: TestSite
let context: BrowserContext
let page: Page
let session: CDPSession

beforeAll(async () => {
  site = await serveSite({ page: '../../../test/flow/quota-page.ts' })
  server = await startTestServer('node', { cors: [new URL(site.origin).origin] })
  context = await chromium.launchPersistentContext(site.profile, {
    executablePath: executable,
    args: flags,
  })
  page = await context.newPage()
  session = await context.newCDPSession(page)
  // Chromium asks for room ahead, and would not notice a smaller quota later.
  await limit(2_500_000)
  await page.goto(site.origin)
})
afterAll(async () => {
  await context.close()
  await site.close()
  await server.stop()
  folder.remove()
})

/** Lets the page have so many bytes more than it has. */
async function limit(more: number): Promise<void> {
  const { origin } = new URL(site.origin)
  const { usage } = await session.send('Storage.getUsageAndQuota', { origin })
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: usage + more })
}

/** Lets the page have ever more until it is done. */
async function makeRoom(what: QuotaWork, size: number, told: string): Promise<void> {
  for (let more = 1_000_000; more < ROOM; more *= 2) {
    await limit(more)
    if ((await run(what, size)) === 'done') return
  }
  throw new Error(`There is room, and it is full all the same: ${told}`)
}

function run(what: QuotaWork, size: number): Promise<QuotaOutcome> {
  return page.evaluate(([name, what, size, url]) => quota.work(name, what, size, url), [
    NAME,
    what,
    size,
    `${server.url}/${NAME}.git`,
  ] as const)
}

function heads(): Promise<Record<string, string>> {
  return page.evaluate((name) => quota.heads(name), NAME)
}

it(
  'loses nothing, says what is wrong, and goes on when there is room',
  async () => {
    const seed = chooseSeed()
    console.log(`SEED=${seed}, ${ROUNDS} rounds`)
    const random = seededRandom(seed)
    await run('commit', 1000)
    await run('sync', 0)
    const ended = { done: 0, full: 0 }
    // One that cannot fit, whatever the seed.
    expect(await run('commit', 3_000_000)).toBe('full')
    for (let round = 0; round < ROUNDS; round++) {
      const what = WORK[Math.floor(random() * WORK.length)] ?? 'commit'
      const size = Math.floor(random() ** 2 * 600_000) + round
      const told = `round ${round} of seed ${seed}: ${what} of ${size} bytes`
      await limit(Math.floor(random() ** 2 * 600_000))
      const before = await heads()
      const outcome = await run(what, size)
      ended[outcome]++
      if (outcome === 'done') continue
      // The side may have its commit, and the merge of it has not found room.
      const after = await heads()
      expect(what === 'merge' ? after['main'] : after, told).toEqual(
        what === 'merge' ? before['main'] : before,
      )
      await makeRoom(what, size, told)
    }
    console.log('How they ended:', ended)
    await limit(ROOM)
    expect(await run('sync', 0)).toBe('done')
    const clone = join(folder.path, 'clone')
    await git(folder.path, 'clone', '--quiet', `${server.url}/${NAME}.git`, clone)
    await git(clone, 'fsck', '--strict')
    expect(await git(clone, 'rev-parse', 'HEAD')).toBe((await heads())['main'])
  },
  ROUNDS * 10_000,
)
