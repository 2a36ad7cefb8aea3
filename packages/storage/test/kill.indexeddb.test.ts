/**
 * IndexedDB under SIGKILL: the browser, or the page alone, is killed at random moments while the page commits, and opened
 * again on the same profile. Every round must find exactly what was acknowledged, or that and the one commit that was
 * under way. The one exception is Chromium's: it throws away all databases of an origin whose log it tore, which is looked for before each start.
 *
 * Seen to fail when chunks were written in a transaction behind the one with the refs.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { cases, random } from '../../git/test/seed.ts'
import { chromium } from 'playwright'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { executable, flags, serveSite, type TestSite } from './indexeddb-browser.ts'
import type { KillReport } from './kill-page.ts'
import { hasTornLog } from './leveldb-log.ts'

let site: TestSite
let acknowledged = 0
let onReport: (report: KillReport) => void = () => {}
let onAcknowledged: () => void = () => {}

beforeAll(async () => {
  site = await serveSite({ page: 'kill-page.ts' }, (path, body) => {
    const report: KillReport = JSON.parse(body)
    if (path === '/report') onReport(report)
    else {
      acknowledged = Math.max(acknowledged, report.commits)
      onAcknowledged()
    }
  })
})

afterAll(() => site.close())

beforeEach(() => {
  acknowledged = 0
  wiped = false
  torn = false
})

/** What the next page finds. */
function nextReport(): Promise<KillReport> {
  return new Promise((resolve) => (onReport = resolve))
}

/** Whether Chromium has thrown away all databases of the origin, and that it was bound to do so (`leveldb-log.ts`). */
let wiped = false
let torn = false

/** Checks a round; tells how many commits there are. */
function check(report: KillReport, before: number): number {
  expect(report.problem).toBe('')
  if (torn && before > 0 && !report.hasControl) {
    console.log(`Chromium tore its own log and threw ${before} commits away`)
    expect(report.commits).toBe(0)
    wiped = true
    acknowledged = 0
    return 0
  }
  expect(report.hasControl || before === 0).toBe(true)
  expect(report.commits).toBeGreaterThanOrEqual(before)
  return report.commits
}

/** Starts a browser on the profile; gives what its page found. */
async function start(): Promise<{ browser: ChildProcess; report: KillReport }> {
  torn = await hasTornLog(site.profile)
  const reported = nextReport()
  const all = [...flags, '--headless=new', '--disable-background-networking']
  all.push(`--user-data-dir=${site.profile}`, `${site.origin}browser`)
  // A process group of its own, so that the kill reaches every process of the browser at once.
  const browser = spawn(executable, all, { detached: true, stdio: 'ignore' })
  const died = new Promise<never>((_, reject) => {
    browser.once('error', reject)
    browser.once('exit', (code) => reject(new Error(`The browser ended by itself: ${code}`)))
  })
  died.catch(() => undefined)
  return { browser, report: await Promise.race([reported, died]) }
}

async function kill(browser: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => browser.once('exit', resolve))
  if (browser.pid !== undefined) process.kill(-browser.pid, 'SIGKILL')
  await exited
}

/** Lets the page commit some times, and then a little more: the moment of the kill is the input of these tests. */
async function letCommit(next: () => number): Promise<void> {
  const enough = acknowledged + Math.floor(next() * 8)
  while (acknowledged < enough) await new Promise<void>((resolve) => (onAcknowledged = resolve))
  await new Promise((resolve) => setTimeout(resolve, next() * 50))
}

it('loses nothing that was acknowledged when the browser is killed', async () => {
  const rounds = cases(10).numRuns
  const next = random()
  let commits = 0
  for (let round = 0; round <= rounds; round++) {
    const before = acknowledged
    const { browser, report } = await start()
    try {
      commits = check(report, before)
      if (round < rounds) await letCommit(next)
    } finally {
      await kill(browser)
    }
  }
  expect(wiped || commits > rounds).toBe(true)
}, 300_000)

it('loses nothing that was acknowledged when a page crashes', async () => {
  const rounds = cases(30).numRuns
  const next = random()
  const context = await chromium.launchPersistentContext(site.profile, {
    executablePath: executable,
    args: flags,
  })
  try {
    let commits = 0
    for (let round = 0; round <= rounds; round++) {
      const before = acknowledged
      const reported = nextReport()
      const page = await context.newPage()
      await page.goto(`${site.origin}crash`)
      commits = check(await reported, before)
      await letCommit(next)
      const crashed = page.waitForEvent('crash')
      const session = await context.newCDPSession(page)
      // Never answered: the process that would is gone.
      session.send('Page.crash').catch(() => undefined)
      await crashed
      await page.close()
    }
    expect(commits).toBeGreaterThan(rounds)
  } finally {
    await context.close()
  }
}, 300_000)
