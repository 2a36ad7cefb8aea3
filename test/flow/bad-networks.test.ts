/**
 * The page with networks and servers that are there and do not work: nothing is lost, the status says what is true, and the
 * page goes on by itself, or asks.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { EditorPage, openDevice, type Device } from '../support/editor-page.ts'
import { Network, type Fate } from '../support/network.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const folder = temporaryFolder('bad-networks')
let server: TestServer
let network: Network
let device: Device
let counter = 0
beforeAll(async () => {
  server = await startTestServer('node')
})
afterAll(async () => {
  await server.stop()
  folder.remove()
})
beforeEach(async () => {
  network = await Network.start(server.url)
  device = await openDevice()
})
afterEach(async () => {
  const { problems } = device
  await device.close()
  network.close()
  if (problems.length > 0) throw new Error(`Nobody caught: ${problems.join('; ')}`)
})

async function begin(name: string): Promise<EditorPage> {
  const editor = await EditorPage.open(device, network.url, name)
  await editor.newFile('limits.json')
  await change(editor, 1)
  await editor.waitForStatus('On server')
  return editor
}

async function change(editor: EditorPage, cpu: number): Promise<void> {
  await editor.type('limits.json', `{ "cpu": ${cpu} }\n`)
  await editor.commit(`Set cpu to ${cpu}`)
}

/** What stock git finds on the server, once every object was checked. */
async function onServer(name: string): Promise<string> {
  const path = join(folder.path, `clone-${++counter}`)
  await git(folder.path, 'clone', '--quiet', `${server.url}/${name}.git`, path)
  await git(path, 'fsck', '--strict')
  return git(path, 'show', 'HEAD:limits.json')
}

const bad: readonly (readonly [string, Fate])[] = [
  ['whose login page answers', 'portal'],
  ['that breaks every connection off', 'refuse'],
  ['whose proxy wants less', { status: 429, headers: { 'retry-after': '2' } }],
]
// Seen to say "Saved on this device" where a login page or a proxy is not taken for a network that does not work.
it.each(bad)('waits on a network %s, and sends what is here when it works', async (_what, fate) => {
  const name = `bad-${++counter}`
  const editor = await begin(name)
  network.be(fate)
  await change(editor, 2)
  await editor.waitForStatus('Waiting for network (1 commit)')
  const before = network.asked.length
  await editor.page.waitForTimeout(2_000)
  expect(network.asked.length - before).toBeLessThan(10)
  network.be('pass')
  await editor.waitForStatus('On server')
  expect(await onServer(name)).toBe('{ "cpu": 2 }')
})

it('waits where no name is resolved, and sends what is here when one is', async () => {
  const name = `bad-${++counter}`
  const editor = await begin(name)
  await device.context.route(/\.git\//, (route) => route.abort('namenotresolved'))
  await change(editor, 2)
  await editor.waitForStatus('Waiting for network (1 commit)')
  await device.context.unroute(/\.git\//)
  await editor.sync()
  await editor.waitForStatus('On server')
  expect(await onServer(name)).toBe('{ "cpu": 2 }')
})

// Seen to wait for the connection that hangs when it is not given up with the network.
it('says that it waits while a connection hangs, and takes the next network at once', async () => {
  const editor = await begin('hangs')
  network.be('hang')
  await change(editor, 2)
  await editor.waitForStatus('Waiting for network (1 commit)')
  network.be('pass')
  await editor.page.evaluate(() => dispatchEvent(new Event('online')))
  await editor.waitForStatus('On server')
  expect(await onServer('hangs')).toBe('{ "cpu": 2 }')
})

it('opens what is not here without a server that hangs', async () => {
  await begin('first')
  network.be('hang')
  const { page } = await EditorPage.open(device, network.url, 'first')
  await page.goto(`${network.url}/#/second`)
  await page.getByRole('button', { name: 'Open it without the server' }).click()
  const editor = new EditorPage(page)
  await editor.newFile('limits.json')
  await change(editor, 3)
  network.be('pass')
  await page.evaluate(() => dispatchEvent(new Event('online')))
  await editor.waitForStatus('On server')
  expect(await onServer('second')).toBe('{ "cpu": 3 }')
})

// Seen to install the login page as the app when only the status of the answers is looked at.
it('never takes the login page of a network for a part of the app', async () => {
  network.decide = ({ headers, url }) =>
    headers['sec-fetch-dest'] === 'empty' && !url?.includes('.git') ? 'portal' : 'pass'
  const editor = await begin('portal')
  await editor.page.waitForTimeout(1_000)
  network.be('pass')
  await editor.page.reload()
  await editor.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
  await device.context.setOffline(true)
  await editor.page.reload()
  await editor.openFile('limits.json')
  await change(editor, 2)
  await editor.waitForStatus('Waiting for network (1 commit)')
})

// Seen to fail with what the page loads when it is wanted.
it('works on the first visit of all, though the network goes at once', async () => {
  network.decide = ({ url }) => (url === '/service-worker.js' ? { status: 503 } : 'pass')
  const editor = await begin('first-visit')
  await device.context.setOffline(true)
  await change(editor, 2)
  await editor.page.getByRole('button', { name: 'Rename' }).click()
  const dialog = editor.page.getByRole('dialog')
  await dialog.getByLabel('New path').fill('config/limits.json')
  await dialog.getByRole('button', { name: 'Rename' }).click()
  await editor.waitForStatus('Waiting for network (2 commits)')
  await editor.page.getByRole('link', { name: 'History' }).first().click()
  await editor.page.getByRole('link', { name: 'Set cpu to 2' }).waitFor()
})

it('asks what to do when the server has lost everything, and sends it again', async () => {
  const editor = await begin('lost')
  rmSync(join(server.data, 'lost.git'), { recursive: true })
  await change(editor, 2)
  await editor.waitForStatus('Needs your decision (1)')
  const { page } = editor
  await page.getByRole('link', { name: /decide/i }).click()
  await page.getByRole('button', { name: 'Go on with the server’s repository' }).click()
  await page.getByRole('heading', { name: 'main is gone on the server' }).waitFor()
  await page.getByRole('button', { name: 'Send it to the server again' }).click()
  await editor.waitForStatus('On server')
  expect(await onServer('lost')).toBe('{ "cpu": 2 }')
})

it('asks about a branch that was deleted on the server, where there are commits on it', async () => {
  const editor = await begin('deleted')
  const { page } = editor
  await page.getByRole('combobox', { name: 'Branch' }).selectOption({ label: 'New branch…' })
  await page.getByRole('dialog').getByLabel('Name').fill('topic')
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click()
  await page.getByRole('combobox', { name: 'Branch' }).selectOption({ label: 'topic' })
  // A branch without commits of its own is no reason to say that something is not on the server.
  const branches = () => git(folder.path, 'ls-remote', `${server.url}/deleted.git`, 'topic')
  await expect.poll(branches, { timeout: 20_000 }).toContain('refs/heads/topic')
  const path = join(folder.path, 'deleted')
  await git(folder.path, 'clone', '--quiet', `${server.url}/deleted.git`, path)
  await device.context.setOffline(true)
  await editor.openFile('limits.json')
  await change(editor, 2)
  await editor.waitForStatus('Waiting for network (1 commit)')
  await git(path, 'push', '--quiet', '--delete', 'origin', 'topic')
  await device.context.setOffline(false)
  await editor.waitForStatus('Needs your decision (1)')
  await page.reload()
  await editor.waitForStatus('Needs your decision (1)')
  await page.getByRole('link', { name: /decide/i }).click()
  await page.getByRole('button', { name: 'Delete it here, too' }).click()
  await page.getByRole('button', { name: 'Really delete it with my commits' }).click()
  await page.getByText('Nothing is on topic yet').waitFor()
  expect(await git(path, 'ls-remote', '--heads', 'origin')).not.toContain('topic')
})
