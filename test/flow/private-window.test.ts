/**
 * Windows of Firefox whose browser keeps nothing, or only until they are closed: the page works, and says which of it is so.
 *
 * Private windows of Chromium and of WebKitGTK are like any other to a page; what cannot be known is not said. Seen to fail when the page
 * does not look, and when every window counts as private.
 */
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { installPackages } from '../../tools/debian.ts'
import { mustRun } from '../../tools/must-run.ts'
import { BROWSER_PACKAGES } from '../../tools/other-browsers.ts'
import { FirefoxPage } from '../support/firefox-page.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const PRIVATE = '[aria-label="Private window"]'
const UNKEPT = '[aria-label="Nothing is kept"]'
const SECONDS = 180_000

const isThere = mustRun('private windows of Firefox', installPackages(BROWSER_PACKAGES))
const folder = temporaryFolder('private')
let server: TestServer
let page: FirefoxPage | undefined

beforeAll(async () => {
  server = await startTestServer('node')
  const source = join(folder.path, 'source')
  await git(folder.path, 'init', '--quiet', '-b', 'main', source)
  await git(source, 'commit', '--quiet', '--allow-empty', '-m', 'Begin')
  await git(source, 'push', '--quiet', `${server.url}/config.git`, 'main')
})
afterEach(async () => {
  await page?.close()
  page = undefined
})
afterAll(async () => {
  await server.stop()
  folder.remove()
})

/** Opens the repository, and begins a file in it. */
async function begin(preferences: Parameters<typeof FirefoxPage.open>[1]): Promise<FirefoxPage> {
  const opened = await FirefoxPage.open(`${server.url}/#/config`, preferences)
  page = opened
  await opened.waitForStatus('On server')
  await opened.press('New file')
  await opened.fill('dialog input, [role=dialog] input', 'limits.json')
  await opened.press('Create')
  return opened
}

it.skipIf(!isThere)(
  'says nothing of the kind in a window like any other',
  { timeout: SECONDS },
  async () => {
    const opened = await begin({})
    await opened.waitForStatus('Saved on this device')
    expect(await opened.has(PRIVATE)).toBe(false)
    expect(await opened.has(UNKEPT)).toBe(false)
  },
)

it.skipIf(!isThere)(
  'says in a private window how long it is kept, and hands it out',
  { timeout: SECONDS },
  async () => {
    const opened = await begin({ 'browser.privatebrowsing.autostart': true })
    await opened.waitForStatus('Saved until this window is closed')
    const said = await opened.textOf(PRIVATE)
    expect(said).toContain('may be gone when it is closed')
    expect(said).toContain('Export everything')
    expect(said).toContain('Download drafts')
  },
)

it.skipIf(!isThere)(
  'works where a person lets no site keep anything',
  { timeout: SECONDS },
  async () => {
    const opened = await begin({ 'network.cookie.cookieBehavior': 2 })
    await opened.waitForStatus('Not saved')
    const said = await opened.textOf(UNKEPT)
    expect(said).toContain('Export everything')
    expect(said).toContain('Download drafts')
    expect(await opened.has(PRIVATE)).toBe(false)
  },
)
