/**
 * A tab that is closed with commits that the server has not got: the service worker sends them when the browser wakes it.
 *
 * After a failure the browser wakes it by its own clock, minutes later; here it is told to, by its debugger, for a tag that
 * the page has registered. Seen to fail when the service worker does nothing, when it has no token, when it opens what is gone, and when
 * the page asks for nothing.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { leave, waitUntilQuiet, wake } from '../support/background.ts'
import { EditorPage, openDevice, type Device } from '../support/editor-page.ts'
import {
  freePort,
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git, tryGit } from '../support/stock-git.ts'

const TOKEN = 'open-sesame'
const SOON = { timeout: 30_000 }

/** Counts what is asked of the network from here on. Runs in a service worker. */
function countRequests(): void {
  const genuine = fetch
  let asked = 0
  Reflect.defineProperty(globalThis, 'asked', { get: () => asked })
  globalThis.fetch = (...rest) => {
    asked++
    return genuine(...rest)
  }
}

describe.each(SERVER_KINDS)('through the %s server', (kind) => {
  const folder = temporaryFolder('background')
  const data = temporaryFolder('background-data')
  let port: number
  let server: TestServer
  let device: Device
  const start = async (): Promise<void> => {
    server = await startTestServer(kind, { port, data: data.path, token: TOKEN })
  }
  const gitUrl = (name: string): string =>
    `${server.url.replace('//', `//ada:${TOKEN}@`)}/${name}.git`
  const heads = async (name: string): Promise<Map<string, string>> => {
    const { out } = await tryGit(folder.path, 'ls-remote', '--heads', gitUrl(name))
    const lines = out.trim().split('\n')
    return new Map(lines.map((line) => [line.slice('refs/heads/'.length + 41), line.slice(0, 40)]))
  }

  beforeAll(async () => {
    port = await freePort()
    await start()
  })
  afterAll(async () => {
    await server.stop()
    folder.remove()
    data.remove()
  })
  beforeEach(async () => {
    device = await openDevice()
    const page = await device.context.newPage()
    await page.goto(server.url)
    await page.getByRole('dialog', { name: 'Sign in' }).getByLabel('Token').fill(TOKEN)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
    await page.close()
  })
  afterEach(async () => {
    const { problems } = device
    await device.close()
    if (problems.length > 0) throw new Error(`Nobody caught: ${problems.join('; ')}`)
  })

  /** A repository on the server with a file, and a clone of it by stock git. */
  async function begin(name: string): Promise<{ editor: EditorPage; other: string }> {
    const editor = await EditorPage.open(device, server.url, name)
    await editor.newFile('limits.json')
    await editor.type('limits.json', '{ "cpu": 1 }\n')
    await editor.commit('Add the limits')
    await editor.waitForStatus('On server')
    const other = join(folder.path, name)
    await git(folder.path, 'clone', '--quiet', gitUrl(name), other)
    return { editor, other }
  }

  /** Commits in the page while the server is away. */
  async function commitAlone(editor: EditorPage): Promise<void> {
    await server.stop()
    await editor.type('limits.json', '{ "cpu": 2 }\n')
    await editor.commit('Two processors')
    await editor.waitForStatus('Waiting for network (1 commit)')
  }

  /**
   * A push of somebody else's while the browser has no server: through another one to the same repositories, because the
   * browser may sync as soon as its own is back.
   */
  async function pushElsewhere(name: string, file: string, content: string): Promise<string> {
    const path = join(folder.path, name)
    const elsewhere = await startTestServer(kind, {
      port: await freePort(),
      data: data.path,
      token: TOKEN,
    })
    const url = `${elsewhere.url.replace('//', `//ada:${TOKEN}@`)}/${name}.git`
    writeFileSync(join(path, file), content)
    await git(path, 'add', file)
    await git(path, 'commit', '--quiet', '-m', `From the shell: ${file}`)
    await git(path, 'push', '--quiet', url, 'main')
    await elsewhere.stop()
    return git(path, 'rev-parse', 'HEAD')
  }

  it('sends what a closed tab has left, merged with what others sent', async () => {
    const { editor } = await begin('closed')
    await commitAlone(editor)
    const tag = await leave(editor.page, 'closed')
    const theirs = await pushElsewhere('closed', 'owners.txt', 'ada\n')
    await start()

    await wake(device, server.url, tag)
    await expect.poll(async () => (await heads('closed')).get('main'), SOON).not.toBe(theirs)
    expect((await heads('closed')).has('main')).toBe(true)
    const path = join(folder.path, 'closed-clone')
    await git(folder.path, 'clone', '--quiet', gitUrl('closed'), path)
    await git(path, 'fsck', '--strict')
    expect((await git(path, 'log', '-1', '--format=%P')).split(' ')[0]).toBe(theirs)
    expect(await git(path, 'show', 'HEAD:limits.json')).toBe('{ "cpu": 2 }')
    expect(await git(path, 'show', 'HEAD:owners.txt')).toBe('ada')
    await waitUntilQuiet(device)

    // The next page shows what is so, without the server.
    await server.stop()
    const again = await EditorPage.open(device, server.url, 'closed')
    await again.page.getByRole('treeitem', { name: /^owners/ }).waitFor()
    await again.waitForStatus('On server')
    await start()
  })

  it('sends what a tab was sending when it was closed, and the browser needs no telling', async () => {
    const { editor } = await begin('sending')
    await editor.page.route('**/sending.git/sync', () => undefined)
    await editor.type('limits.json', '{ "cpu": 2 }\n')
    await editor.commit('Two processors')
    await editor.page.getByRole('button', { name: 'Syncing' }).waitFor()
    const before = (await heads('sending')).get('main')
    expect(before).toMatch(/^[0-9a-f]{40}$/)
    await leave(editor.page, 'sending')
    await expect.poll(async () => (await heads('sending')).get('main'), SOON).not.toBe(before)
    await waitUntilQuiet(device)
    const path = join(folder.path, 'sending-clone')
    await git(folder.path, 'clone', '--quiet', gitUrl('sending'), path)
    expect(await git(path, 'show', 'HEAD:limits.json')).toBe('{ "cpu": 2 }')
  })

  // Seen to fail when the service worker does not look first.
  it('asks nothing of the server when a page has sent all', async () => {
    const { editor } = await begin('sent')
    await editor.page.close()
    await waitUntilQuiet(device)
    const [worker] = device.context.serviceWorkers()
    await worker?.evaluate(countRequests)
    await wake(device, server.url, 'datakit-sync:sent')
    await waitUntilQuiet(device)
    expect(await worker?.evaluate(() => Reflect.get(globalThis, 'asked'))).toBe(0)
  })

  it('leaves a conflict to the next page, and sends everything else', async () => {
    const { editor, other } = await begin('conflict')
    await commitAlone(editor)
    await editor.page.getByLabel('Branch').selectOption('new')
    const dialog = editor.page.getByRole('dialog', { name: 'New branch' })
    await dialog.getByLabel('Name').fill('mine')
    await dialog.getByRole('button', { name: 'Create' }).click()
    await dialog.waitFor({ state: 'detached' })
    const tag = await leave(editor.page, 'conflict')
    const theirs = await pushElsewhere('conflict', 'limits.json', '{ "cpu": 8 }\n')
    await start()

    await wake(device, server.url, tag)
    await expect.poll(async () => (await heads('conflict')).has('mine'), SOON).toBe(true)
    await waitUntilQuiet(device)
    const after = await heads('conflict')
    expect(after.get('main')).toBe(theirs)
    await git(other, 'fetch', '--quiet', 'origin')
    expect(await git(other, 'show', 'origin/mine:limits.json')).toBe('{ "cpu": 2 }')

    await server.stop()
    const again = await EditorPage.open(device, server.url, 'conflict')
    await again.waitForStatus('Needs your decision (1)')
    await start()
  })

  it('makes nothing of a repository that is not in this browser any more', async () => {
    await wake(device, server.url, 'datakit-sync:removed')
    await waitUntilQuiet(device)
    const page = await device.context.newPage()
    await page.goto(server.url)
    await page.waitForTimeout(1_000)
    const names = await page.evaluate(async () =>
      (await indexedDB.databases()).map(({ name }) => name),
    )
    expect(names).not.toContain('datakit:removed')
  })
})
