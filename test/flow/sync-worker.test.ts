/**
 * A page syncs in a worker, so that typing never waits for it; and by itself where no worker starts.
 *
 * Seen to fail when the page does not use the worker, and when it waits for one that failed.
 */
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { EditorPage, openDevice, type Device } from '../support/editor-page.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const folder = temporaryFolder('sync-worker')
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
afterEach(() => device.close())

/** A commit that is made in the page, merged with one that stock Git pushed meanwhile, and on the server afterwards. */
async function commitAndSync(name: string): Promise<void> {
  const editor = await EditorPage.open(device, server.url, name)
  await editor.newFile('limits.json')
  await editor.type('limits.json', '{ "cpu": 1 }\n')
  await editor.commit('Add the limits')
  await editor.waitForStatus('On server')
  const path = join(folder.path, name)
  await git(folder.path, 'clone', '--quiet', `${server.url}/${name}.git`, path)
  await device.context.setOffline(true)
  await git(path, 'commit', '--quiet', '--allow-empty', '--message', 'Beside it')
  await git(path, 'push', '--quiet')
  await editor.openFile('limits.json')
  await editor.type('limits.json', '{ "cpu": 2 }\n')
  await editor.commit('Two processors')
  await device.context.setOffline(false)
  await editor.waitForStatus('On server')
  await git(path, 'pull', '--quiet')
  expect(await git(path, 'show', 'HEAD:limits.json')).toBe('{ "cpu": 2 }')
  expect(await git(path, 'rev-list', '--count', 'HEAD')).toBe('4')
}

it('is the work of a worker', async () => {
  // Init scripts run in pages, not in workers: whoever syncs now is none of the page.
  await device.context.addInitScript(() => {
    const genuine = fetch
    globalThis.fetch = (input, init) =>
      init?.method === 'POST'
        ? Promise.reject(new TypeError('The page does not sync'))
        : genuine(input, init)
  })
  await commitAndSync('worked')
})

it('is the work of the page where no worker starts', async () => {
  await device.context.addInitScript(() => {
    const Genuine = Worker
    globalThis.Worker = class extends Genuine {
      constructor() {
        super('/assets/there-is-no-such-script.js')
      }
    }
  })
  await commitAndSync('alone')
})
