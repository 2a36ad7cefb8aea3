/**
 * A conflict of a file that is merged by key, decided value by value in the page: by the keyboard, on a phone, in the dark.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { EditorPage, openDevice, type Device } from '../support/editor-page.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const folder = temporaryFolder('keys')
let server: TestServer
let device: Device
beforeAll(async () => {
  server = await startTestServer('node')
})
afterAll(async () => {
  await server.stop()
  folder.remove()
})
beforeEach(async () => {
  device = await openDevice()
})
afterEach(async () => {
  const { problems } = device
  await device.close()
  if (problems.length > 0) throw new Error(`Nobody caught: ${problems.join('; ')}`)
})

const LIMITS = (users: number, disk: string, note = 'a'): string =>
  `{\n  "limits": { "users": ${users}, "disk": "${disk}" },\n  "note": "${note}"\n}\n`

async function begin(name: string): Promise<EditorPage> {
  const editor = await EditorPage.open(device, server.url, name)
  await editor.newFile('limits.json')
  await editor.type('limits.json', LIMITS(10, '1G'))
  await editor.commit('Add the limits')
  await editor.waitForStatus('On server')
  return editor
}

/** What axe finds wrong for those who do not see, or not well. */
async function findBarriers({ page }: EditorPage): Promise<string[]> {
  await page.evaluate(
    readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'),
  )
  return page.evaluate(async () => {
    const axe = Reflect.get(globalThis, 'axe') as {
      run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>
    }
    const { violations } = await axe.run()
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(', ')}`)
  })
}

/** Keeps a picture where a person who works on the page wants one. */
async function picture({ page }: EditorPage, name: string): Promise<void> {
  const to = process.env['PICTURES']
  if (to !== undefined) await page.screenshot({ path: join(to, `${name}.png`), fullPage: true })
}

describe('values in conflict', () => {
  // Seen to fail when: what was chosen counts before all values are decided; a key is told from others by its last step.
  it('are shown with their keys, chosen by the keyboard, and the rest is merged', async () => {
    const editor = await begin('by-key')
    const { page } = editor
    const other = join(folder.path, 'other')
    await git(folder.path, 'clone', '-q', `${server.url}/by-key.git`, other)
    await device.context.setOffline(true)
    await editor.openFile('limits.json')
    await editor.type('limits.json', LIMITS(20, '2G'))
    await editor.commit('More for us')
    await editor.waitForStatus('Waiting for network (1 commit)')
    writeFileSync(join(other, 'limits.json'), LIMITS(30, '3G', 'b'))
    await git(other, 'commit', '-q', '-a', '-m', 'More for them')
    await git(other, 'push', '-q', 'origin', 'main')
    await device.context.setOffline(false)
    await editor.waitForStatus('Needs your decision (1)')

    await page.getByRole('link', { name: /decision/i }).click()
    await page.getByText('Both changed it; 2 values were changed in two ways').waitFor()
    await page.getByRole('radio', { name: 'Value by value' }).check()
    const resolve = page.getByRole('button', { name: 'Resolve and commit' })
    const users = page.getByRole('group', { name: 'limits › users' })
    expect(await users.getByRole('radio').count()).toBe(3)
    await users.getByRole('radio', { name: 'Mine 20' }).focus()
    await page.keyboard.press('ArrowDown')
    expect(await users.getByRole('radio', { name: 'Theirs 30' }).isChecked()).toBe(true)
    await page.getByRole('status').filter({ hasText: 'One value is open' }).waitFor()
    expect(await resolve.isDisabled()).toBe(true)
    await page.getByRole('radio', { name: 'Mine "2G"' }).focus()
    await page.keyboard.press('Space')
    await page.getByRole('status').filter({ hasText: 'All values are decided' }).waitFor()
    await picture(editor, 'keys')
    expect(await findBarriers(editor)).toEqual([])
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await findBarriers(editor)).toEqual([])
    await picture(editor, 'keys-dark')
    await page.setViewportSize({ width: 360, height: 740 })
    await picture(editor, 'keys-phone')
    const width = await page.evaluate(() => document.documentElement.scrollWidth)
    expect(width).toBeLessThanOrEqual(360)
    await resolve.click()
    await editor.waitForStatus('On server')
    await git(other, 'pull', '-q')
    expect(await git(other, 'show', 'HEAD:limits.json')).toBe(LIMITS(30, '2G', 'b').trimEnd())
  })

  it('of a draft are decided in the same way, before its commit is made', async () => {
    const editor = await begin('by-key-draft')
    await editor.openFile('limits.json')
    await editor.type('limits.json', LIMITS(20, '1G', 'mine'))
    const tab = await EditorPage.open(device, server.url, 'by-key-draft')
    await tab.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
    const other = join(folder.path, 'other-draft')
    await git(folder.path, 'clone', '-q', `${server.url}/by-key-draft.git`, other)
    writeFileSync(join(other, 'limits.json'), LIMITS(30, '3G'))
    await git(other, 'commit', '-q', '-a', '-m', 'More for them')
    await git(other, 'push', '-q', 'origin', 'main')
    await tab.sync()
    await tab.page.getByRole('link', { name: 'History' }).click()
    await tab.page.getByText('More for them').waitFor()
    const { page } = editor
    await page.getByLabel('Commit message').fill('More for us')
    await page.getByRole('button', { name: /^Commit/ }).click()
    await page.getByRole('radio', { name: 'Value by value' }).check()
    await page.getByRole('group', { name: 'limits › users' }).getByLabel('Mine').check()
    await page.getByRole('button', { name: 'Resolve and commit' }).click()
    await editor.waitForStatus('On server')
    await git(other, 'pull', '-q')
    expect(await git(other, 'show', 'HEAD:limits.json')).toBe(LIMITS(20, '3G', 'mine').trimEnd())
  })
})
