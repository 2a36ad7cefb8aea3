/**
 * A page that works on a repository as a program does, and whose process is killed at random moments: while it commits, syncs, clones,
 * compacts and sweeps. Every round must find exactly what was acknowledged, or that and the one commit that was under way, all of it
 * readable; and the server what it was sent, as stock Git sees it.
 *
 * Seen to fail when chunks were written in a transaction behind the one with the refs.
 */
import { join } from 'node:path'
import { chromium } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cases, random } from '../../packages/git/test/seed.ts'
import {
  executable,
  flags,
  serveSite,
  type TestSite,
} from '../../packages/storage/test/indexeddb-browser.ts'
import type { KillNews } from './kill-page.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

/** Pages that are killed; `KILLS` in the environment asks for more. */
const KILLS = Number(process.env['KILLS'] ?? 12)

const folder = temporaryFolder('kill')
let site: TestSite
let server: TestServer
let onNews: (news: KillNews) => void = () => {}

beforeAll(async () => {
  site = await serveSite({ page: '../../../test/flow/kill-page.ts' }, (_path, body) =>
    onNews(JSON.parse(body)),
  )
  server = await startTestServer('node', { cors: [new URL(site.origin).origin] })
})

afterAll(async () => {
  await server.stop()
  await site.close()
  folder.remove()
})

it(
  'leaves a repository as it was before or after, whenever a page dies',
  async () => {
    const rounds = cases(KILLS).numRuns
    const next = random()
    const context = await chromium.launchPersistentContext(site.profile, {
      executablePath: executable,
      args: flags,
    })
    /** What was under way when a page died. */
    const died = new Map<string, number>()
    let acknowledged = 0
    try {
      for (let round = 0; round <= rounds; round++) {
        const page = await context.newPage()
        const reported = newsOf(({ what }) => what === 'found')
        await page.goto(`${site.origin}?remote=${encodeURIComponent(`${server.url}/kill.git`)}`)
        const { commits, problem } = await reported
        expect(problem).toBe('')
        expect(commits).toBeGreaterThanOrEqual(acknowledged)
        expect(commits).toBeLessThanOrEqual(acknowledged + 1)
        acknowledged = commits
        if (round === rounds) break
        let doing = ''
        const enough = commits + 1 + Math.floor(next() * 9)
        const news = await newsOf(({ what, commits: number }) => {
          doing = what
          if (what === 'committed') acknowledged = number
          return number >= enough
        })
        expect(news.problem).toBe('')
        onNews = ({ what, commits: number }) => {
          doing = what
          if (what === 'committed') acknowledged = number
        }
        await new Promise((resolve) => setTimeout(resolve, next() * 80))
        const crashed = page.waitForEvent('crash')
        const session = await context.newCDPSession(page)
        // Never answered: the process that would is gone.
        session.send('Page.crash').catch(() => undefined)
        await crashed
        await page.close()
        died.set(doing, (died.get(doing) ?? 0) + 1)
      }
    } finally {
      await context.close()
    }
    console.log(`${acknowledged} commits; died behind:`, Object.fromEntries(died))
    const clone = join(folder.path, 'clone')
    await git(folder.path, 'clone', '--quiet', `${server.url}/kill.git`, clone)
    await git(clone, 'fsck', '--strict')
    expect(Number(await git(clone, 'rev-list', '--count', 'HEAD'))).toBeGreaterThan(0)
  },
  KILLS * 30_000,
)

/** Resolves with the first news like that, or with those of a problem. */
function newsOf(isWanted: (news: KillNews) => boolean): Promise<KillNews> {
  return new Promise((resolve) => {
    onNews = (news) => {
      if (isWanted(news) || news.problem !== '') resolve(news)
    }
  })
}
