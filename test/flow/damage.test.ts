/**
 * What is kept in the browser is damaged: it is noticed where it is read, fetched from the server again when there is one, and
 * everything else goes on. Seen to fail when nothing was fetched, and when packs were not written anew.
 */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { EditorPage, openDevice, type Device } from '../support/editor-page.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const SIZE = 50_000
const folder = temporaryFolder('damage')
let server: TestServer
let device: Device
let name = ''
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
  name = `damage-${++counter}`
  const path = join(folder.path, name)
  await git(folder.path, 'init', '--quiet', '-b', 'main', path)
  writeFileSync(join(path, 'limits.json'), '{ "cpu": 1 }\n')
  writeFileSync(join(path, 'blob.bin'), randomBytes(SIZE))
  await git(path, 'add', '.')
  await git(path, 'commit', '--quiet', '-m', 'Two files')
  await git(path, 'push', '--quiet', `${server.url}/${name}.git`, 'main')
  const first = await EditorPage.open(device, server.url, name)
  await first.waitForStatus('On server')
  await first.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
  await first.page.close()
})
afterEach(async () => {
  const { problems } = device
  await device.close()
  if (problems.length > 0) throw new Error(`Nobody caught: ${problems.join('; ')}`)
})

/** Changes bytes of the only pack of the repository (kind 0) or of its index (1). */
async function damage(kind: 0 | 1, from: number, to: number): Promise<void> {
  const page = await device.context.newPage()
  await page.goto(server.url)
  const count = await page.evaluate(changeChunks, { name: `datakit:${name}`, kind, from, to })
  expect(count).toBe(1)
  await page.close()
}

/** Runs in a page. */
async function changeChunks(what: {
  name: string
  kind: number
  from: number
  to: number
}): Promise<number> {
  const opening = indexedDB.open(what.name)
  await new Promise((resolve) => opening.addEventListener('success', resolve))
  const transaction = opening.result.transaction('chunks', 'readwrite')
  const store = transaction.objectStore('chunks')
  const reading = store.openCursor()
  let count = 0
  reading.addEventListener('success', () => {
    const cursor = reading.result
    if (cursor === null) return
    const [, kind] = cursor.key as [string, number, number]
    if (kind === what.kind) {
      count++
      const chunk = cursor.value
      for (let i = what.from; i < what.to; i++) chunk.bytes[i] ^= (i % 250) + 1
      cursor.update(chunk)
    }
    cursor.continue()
  })
  await new Promise((resolve) => transaction.addEventListener('complete', resolve))
  opening.result.close()
  return count
}

async function open(): Promise<EditorPage> {
  return EditorPage.open(device, server.url, name)
}

async function choose({ page }: EditorPage, file: string): Promise<void> {
  await page.getByRole('treeitem', { name: file }).click()
}

it('names the one file that is damaged, and fetches it when the server is back', async () => {
  // The middle of the pack is in the large file.
  await damage(0, SIZE / 2, SIZE / 2 + 100)
  const editor = await open()
  await editor.openFile('limits.json')
  await device.context.setOffline(true)
  await choose(editor, 'blob.bin')
  await editor.page.getByText(/It cannot be read: Cannot read object .* pack /).waitFor()
  await editor.openFile('limits.json')
  await editor.type('limits.json', '{ "cpu": 2 }\n')
  await editor.commit('Two processors')
  await editor.waitForStatus('Waiting for network (1 commit)')

  await device.context.setOffline(false)
  await editor.waitForStatus('On server')
  const mended = editor.page.waitForEvent('console', {
    predicate: (message) => message.text().includes('was written anew'),
  })
  await choose(editor, 'blob.bin')
  await editor.page.getByText(/ 50 kB\./).waitFor()
  await mended
  // From here on it is whole without a server.
  await device.context.setOffline(true)
  await editor.page.reload()
  await choose(editor, 'blob.bin')
  await editor.page.getByText(/ 50 kB\./).waitFor()
})

it('makes an index anew without a server', async () => {
  await damage(1, 60, 100)
  const page = await device.context.newPage()
  await page.goto(server.url)
  await device.context.setOffline(true)
  await page.getByRole('link', { name }).click()
  const editor = new EditorPage(page)
  await editor.openFile('limits.json')
  await editor.type('limits.json', '{ "cpu": 2 }\n')
  await editor.commit('Two processors')
  await device.context.setOffline(false)
  await editor.waitForStatus('On server')
})

it('makes the root row anew, with what was never on the server', async () => {
  const first = await open()
  await device.context.setOffline(true)
  await first.openFile('limits.json')
  await first.type('limits.json', '{ "cpu": 3 }\n')
  await first.commit('Three processors')
  await first.waitForStatus('Waiting for network (1 commit)')
  await first.page.evaluate(loseRoot, `datakit:${name}`)
  await first.page.reload()
  const panel = first.page.getByRole('region', { name: 'Storage' })
  await panel.getByText('the disk or the browser has damaged it').waitFor()
  await panel.getByText('Three processors').waitFor()
  await panel.getByRole('button', { name: 'Repair' }).click()
  await first.waitForStatus('Waiting for network (1 commit)')
  await device.context.setOffline(false)
  await first.waitForStatus('On server')
  const path = join(folder.path, `${name}-after`)
  await git(folder.path, 'clone', '--quiet', `${server.url}/${name}.git`, path)
  expect(await git(path, 'show', 'HEAD:limits.json')).toBe('{ "cpu": 3 }')
})

/** Deletes the root row. Runs in a page. */
async function loseRoot(database: string): Promise<void> {
  const opening = indexedDB.open(database)
  await new Promise((resolve) => opening.addEventListener('success', resolve))
  const transaction = opening.result.transaction('state', 'readwrite')
  transaction.objectStore('state').delete('header')
  await new Promise((resolve) => transaction.addEventListener('complete', resolve))
  opening.result.close()
}
