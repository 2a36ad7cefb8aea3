/**
 * The storage of the browser in trouble: full, deleted, broken, or in the hands of a newer version of the page. Nothing that
 * was typed or committed is lost without a word, and there is a way out that needs no reload.
 */
import { randomBytes } from 'node:crypto'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CDPSession, Page } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { EditorPage, openDevice, type Device } from '../support/editor-page.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const folder = temporaryFolder('storage')
let server: TestServer
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
  device = await openDevice()
  device.context.setDefaultTimeout(Number(process.env['T'] ?? 20_000))
})
afterEach(async () => {
  const { problems } = device
  await device.close()
  if (problems.length > 0) throw new Error(`Nobody caught: ${problems.join('; ')}`)
})

/** A repository with one file, made in the page and on the server. */
async function begin(): Promise<{ editor: EditorPage; name: string }> {
  const name = `storage-${++counter}`
  const editor = await EditorPage.open(device, server.url, name)
  await editor.newFile('limits.json')
  await editor.type('limits.json', '{ "cpu": 1 }\n')
  await editor.commit('Add the limits')
  await editor.waitForStatus('On server')
  return { editor, name }
}

/** Changes the file without a network, and commits. */
async function commitOffline(editor: EditorPage, cpu: number): Promise<void> {
  await device.context.setOffline(true)
  await editor.openFile('limits.json')
  await editor.type('limits.json', `{ "cpu": ${cpu} }\n`)
  await editor.commit(`Set cpu to ${cpu}`)
  await editor.waitForStatus('Waiting for network (1 commit)')
}

function panelOf({ page }: EditorPage) {
  return page.getByRole('region', { name: 'Storage' })
}

async function press(editor: EditorPage, name: string | RegExp): Promise<void> {
  await panelOf(editor).getByRole('button', { name }).click()
}

/** Clones by stock git and checks every object. */
async function cloneOf(name: string): Promise<string> {
  const path = join(folder.path, `clone-${++counter}`)
  await git(folder.path, 'clone', '--quiet', `${server.url}/${name}.git`, path)
  await git(path, 'fsck', '--strict')
  return path
}

/** What the server has of the file. */
async function onServer(name: string): Promise<string> {
  return git(await cloneOf(name), 'show', 'HEAD:limits.json')
}

/** Deletes a database of this site, as the browser does. Runs in a page. */
function deleteDatabase(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const deletion = indexedDB.deleteDatabase(name)
    deletion.addEventListener('success', () => resolve())
    deletion.addEventListener('error', () => reject(new Error('not deleted')))
  })
}

/** Lets the origin have so many bytes more than it has; `undefined` ends that. */
async function limit(session: CDPSession, more: number | undefined): Promise<void> {
  const { origin } = new URL(server.url)
  const { usage } = await session.send('Storage.getUsageAndQuota', { origin })
  const quota = more === undefined ? {} : { quotaSize: usage + more }
  await session.send('Storage.overrideQuotaForOrigin', { origin, ...quota })
}

async function commitFails(editor: EditorPage): Promise<void> {
  await editor.page.getByRole('button', { name: /^Commit/ }).click()
  await editor.page.getByText(/^Not committed: /).waitFor()
}

it('says that the disk is full, loses nothing, and goes on when there is room', async () => {
  const session = await beginSmall()
  const { editor, name } = await beginBinary()
  await replaceFile(editor, 4_000_000)
  await editor.waitForStatus('Not saved – the storage of this browser is full')
  await commitFails(editor)
  // What was committed can be taken out, and every Git reads it.
  const downloading = editor.page.waitForEvent('download')
  await press(editor, 'Export everything')
  const bundle = join(folder.path, `${name}.bundle`)
  await (await downloading).saveAs(bundle)
  const copy = join(folder.path, `${name}-copy`)
  await git(folder.path, 'clone', '--quiet', bundle, copy)
  expect(statSync(join(copy, 'blob.bin')).size).toBe(1000)

  await press(editor, 'Free space')
  await panelOf(editor)
    .getByText(/freed|nothing to free/)
    .waitFor()
  await press(editor, 'Try again')
  await panelOf(editor).getByText('It is still so').waitFor()
  await limit(session, undefined)
  await press(editor, 'Try again')
  await panelOf(editor).waitFor({ state: 'detached' })
  await editor.commit('Make it larger')
  await editor.waitForStatus('On server')
  const after = await cloneOf(name)
  expect(statSync(join(after, 'blob.bin')).size).toBe(4_000_000)
})

it('makes room by what the server has, too', async () => {
  const other = await pushBinary(2_000_000)
  const session = await beginSmall()
  await limit(session, 6_000_000)
  const first = await EditorPage.open(device, server.url, other)
  await first.waitForStatus('On server')
  await first.page.close()
  const { editor, name } = await beginBinary()
  await limit(session, 1_000_000)
  await replaceFile(editor, 4_000_000)
  await editor.waitForStatus(/^Not saved/)
  await press(editor, `Remove “${other}” from this device`)
  await panelOf(editor).getByText('is on the server only').waitFor()
  expect(await editor.page.evaluate(databaseNames)).not.toContain(`datakit:${other}`)
  expect(await editor.page.evaluate(databaseNames)).toContain(`datakit:${name}`)
  await limit(session, 20_000_000)
  await press(editor, 'Try again')
  await panelOf(editor).waitFor({ state: 'detached' })
})

/** Begins with a quota that is small: Chromium asks for room ahead, and would not notice a smaller one. */
async function beginSmall(): Promise<CDPSession> {
  const page = await device.context.newPage()
  const session = await device.context.newCDPSession(page)
  await limit(session, 2_500_000)
  return session
}

/** Pushes a repository with a binary file of so many bytes. Gives its name. */
async function pushBinary(size: number): Promise<string> {
  const name = `storage-${++counter}`
  const path = join(folder.path, name)
  await git(folder.path, 'init', '--quiet', '-b', 'main', path)
  writeFileSync(join(path, 'blob.bin'), randomBytes(size))
  await git(path, 'add', '.')
  await git(path, 'commit', '--quiet', '-m', 'Something binary')
  await git(path, 'push', '--quiet', `${server.url}/${name}.git`, 'main')
  return name
}

/** Opens a repository with a small binary file, and the file. */
async function beginBinary(): Promise<{ editor: EditorPage; name: string }> {
  const name = await pushBinary(1000)
  const editor = await EditorPage.open(device, server.url, name)
  await editor.page.getByRole('treeitem', { name: 'blob.bin' }).click()
  await editor.waitForStatus('On server')
  return { editor, name }
}

async function replaceFile({ page }: EditorPage, size: number): Promise<void> {
  const buffer = randomBytes(size)
  const file = { name: 'blob.bin', mimeType: 'application/octet-stream', buffer }
  await page.getByLabel('Replace with a file').setInputFiles(file)
}

/** Names of the databases of this site. Runs in a page. */
async function databaseNames(): Promise<(string | undefined)[]> {
  return (await indexedDB.databases()).map(({ name }) => name)
}

it('leaves no half of a clone that does not fit', async () => {
  const name = await pushBinary(8_000_000)
  const session = await beginSmall()
  const editor = await EditorPage.open(device, server.url, name)
  await editor.waitForStatus('Not saved – the storage of this browser is full')
  const database = `datakit:${name}`
  const nothing = { packs: 0, chunks: 0, blocks: 0 }
  await expect.poll(() => countRows(editor.page, database)).toEqual(nothing)
  await limit(session, undefined)
  await press(editor, 'Try again')
  await editor.waitForStatus('On server')
  await editor.page.getByRole('treeitem', { name: 'blob.bin' }).waitFor()
})

/** How many rows the stores of a database have. */
function countRows(page: Page, database: string): Promise<Record<string, number>> {
  return page.evaluate(async (name) => {
    const opening = indexedDB.open(name)
    await new Promise((resolve) => opening.addEventListener('success', resolve))
    const counts: Record<string, number> = {}
    for (const store of ['packs', 'chunks', 'blocks']) {
      const counting = opening.result.transaction(store).objectStore(store).count()
      await new Promise((resolve) => counting.addEventListener('success', resolve))
      counts[store] = counting.result
    }
    opening.result.close()
    return counts
  }, database)
}

it('warns before the storage is full', async () => {
  // Chromium tells pages of ten gigabytes that are free, whatever there is.
  await device.context.addInitScript(() => {
    if ('storage' in navigator)
      navigator.storage.estimate = async () => ({ usage: 90_000_000, quota: 93_000_000 })
  })
  const { editor } = await begin()
  await editor.page.getByText(/almost full: .* MB are left/).waitFor()
})

it('tells a repository that the browser has deleted from a new one, and clones it again', async () => {
  const { editor, name } = await begin()
  await commitOffline(editor, 2)
  await editor.page.close()
  const other = await device.context.newPage()
  await other.goto(server.url)
  await other.evaluate(deleteDatabase, `datakit:${name}`)
  // Not before: the service worker would send the commit.
  await device.context.setOffline(false)
  await other.reload()
  await other.getByText('deleted by this browser').waitFor()
  await other.getByRole('link', { name }).click()
  const again = new EditorPage(other)
  const panel = panelOf(again)
  await panel.getByText('Set cpu to 2').waitFor()
  await panel.getByText(/^On the server then: main at /).waitFor()
  await device.context.setOffline(true)
  await press(again, 'Clone again from the server')
  await panel.getByText('There is no network').waitFor()
  await device.context.setOffline(false)
  await press(again, 'Clone again from the server')
  await again.openFile('limits.json')
  expect(await again.textOf('limits.json').innerText()).toContain('"cpu": 1')
  await again.waitForStatus('On server')
})

it('notices at once that what is open was deleted, and keeps what was typed', async () => {
  const { editor, name } = await begin()
  await commitOffline(editor, 2)
  await editor.type('limits.json', '{ "cpu": 3 }\n')
  await editor.page.waitForTimeout(400)
  await editor.page.evaluate(deleteDatabase, `datakit:${name}`)
  await editor.page.evaluate(deleteDatabase, 'datakit-web')
  await editor.waitForStatus('Not saved – this browser has deleted what was kept here')
  await panelOf(editor).getByText('Set cpu to 2').waitFor()
  await device.context.setOffline(false)
  await press(editor, 'Clone again from the server')
  await editor.page.getByRole('treeitem', { name: /limits/ }).waitFor()
  await editor.openFile('limits.json')
  expect(await editor.textOf('limits.json').innerText()).toContain('"cpu": 3')
  expect(await onServer(name)).toBe('{ "cpu": 1 }')
})

it('says so when the database fails for good, and takes up again when it works', async () => {
  await device.context.addInitScript(breakDatabases)
  const { editor, name } = await begin()
  await editor.openFile('limits.json')
  await editor.page.evaluate(() => sessionStorage.setItem('broken', 'yes'))
  await editor.type('limits.json', '{ "cpu": 4 }\n')
  await commitFails(editor)
  await editor.waitForStatus('Not saved – the browser lost its storage')
  await panelOf(editor).getByText('fails again and again').waitFor()
  expect(await editor.textOf('limits.json').innerText()).toContain('"cpu": 4')
  await editor.page.evaluate(() => sessionStorage.removeItem('broken'))
  await press(editor, 'Try again')
  await panelOf(editor).waitFor({ state: 'detached' })
  await editor.commit('Four processors')
  await editor.waitForStatus('On server')
  expect(await onServer(name)).toBe('{ "cpu": 4 }')
})

/** Lets every transaction fail while the session says so. Runs in a page before anything else. */
function breakDatabases(): void {
  const genuine = IDBDatabase.prototype.transaction
  IDBDatabase.prototype.transaction = function (...rest) {
    if (sessionStorage.getItem('broken') === 'yes')
      throw new DOMException('Connection to Indexed Database server lost', 'UnknownError')
    return genuine.apply(this, rest)
  }
}

it('reads and exports what only a newer version of the page may write', async () => {
  const { editor, name } = await begin()
  await editor.openFile('limits.json')
  await editor.page.evaluate(becomeNewer, `datakit:${name}`)
  await editor.type('limits.json', '{ "cpu": 5 }\n')
  await commitFails(editor)
  await editor.waitForStatus('Not saved – a newer version of this page')
  const downloading = editor.page.waitForEvent('download')
  await press(editor, 'Export everything')
  const bundle = join(folder.path, `${name}.bundle`)
  await (await downloading).saveAs(bundle)
  const copy = join(folder.path, `${name}-copy`)
  await git(folder.path, 'clone', '--quiet', bundle, copy)
  expect(await git(copy, 'show', 'HEAD:limits.json')).toBe('{ "cpu": 1 }')
  await panelOf(editor).getByRole('button', { name: 'Reload' }).waitFor()
})

/** Does to a database what a newer version does that lets older ones read. Runs in a page. */
async function becomeNewer(database: string): Promise<void> {
  const opening = indexedDB.open(database, 1000)
  await new Promise((resolve) => opening.addEventListener('success', resolve))
  const store = opening.result.transaction('state', 'readwrite').objectStore('state')
  const reading = store.get('header')
  await new Promise((resolve) => reading.addEventListener('success', resolve))
  const { crc: _crc, ...header } = reading.result
  const writing = store.put({ ...header, needs: { read: 2, write: 1000 } }, 'header')
  await new Promise((resolve) => writing.addEventListener('success', resolve))
  opening.result.close()
}
