/**
 * A part of a repository in the page: chosen, edited without a network, sent, made wider; what is not here is said so, and comes when it
 * is read. The app has no view to choose with: a program does, in a page of its origin.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import type { Page } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { leave, waitUntilQuiet, wake } from '../support/background.ts'
import { EditorPage, openDevice, type Device } from '../support/editor-page.ts'
import { Network } from '../support/network.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git } from '../support/stock-git.ts'
import type { SyncChoice } from '@datakit/datakit/sync-choice'
import type { PartPage } from './part-page.ts'

declare const part: PartPage

const BILLING = 'services/billing/limits.json'
const MAIL = 'services/mail/limits.json'
const NOISE = 'services/billing/noise.bin'
const README = 'README.md'
const SOON = { timeout: 30_000 }
const ALL = [README, BILLING, NOISE, MAIL]

describe.each(SERVER_KINDS)('through the %s server', (kind) => {
  const folder = temporaryFolder('part')
  let library: string
  let clones = 0
  let server: TestServer
  let network: Network
  let device: Device
  beforeAll(async () => {
    server = await startTestServer(kind)
    library = await bundle()
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

  /** A repository on the server, of two services and a file of a megabyte; the folder of the clone that it was pushed from. */
  async function prepare(name: string): Promise<string> {
    const path = join(folder.path, name)
    await git(folder.path, 'init', '--quiet', '-b', 'main', path)
    for (const [file, text] of [
      [README, '# Configuration\n'],
      [BILLING, '{ "cpu": 1 }\n'],
      [NOISE, noise(1_000_000)],
      [MAIL, '{ "cpu": 8 }\n'],
    ] as const) {
      mkdirSync(dirname(join(path, file)), { recursive: true })
      writeFileSync(join(path, file), text)
    }
    await git(path, 'add', '.')
    await git(path, 'commit', '--quiet', '-m', 'Begin')
    await git(path, 'remote', 'add', 'origin', `${server.url}/${name}.git`)
    await git(path, 'push', '--quiet', 'origin', 'main')
    return path
  }

  /** What stock git finds at a path on the server, once every object was checked. */
  async function onServer(name: string, path: string): Promise<string> {
    const clone = join(folder.path, `${name}-clone-${++clones}`)
    await git(folder.path, 'clone', '--quiet', `${server.url}/${name}.git`, clone)
    await git(clone, 'fsck', '--strict')
    return git(clone, 'show', `HEAD:${path}`)
  }

  /** A page of the app's origin with the library in it, and nothing of the app open. */
  async function openLibrary(): Promise<Page> {
    const page = await device.context.newPage()
    await page.goto(network.url)
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
    await page.evaluate(library)
    return page
  }

  /** Chooses services/billing without large files, before anything was synced, and opens the app. */
  async function begin(name: string): Promise<{ editor: EditorPage; chooser: Page }> {
    const chooser = await openLibrary()
    const choice = { paths: ['services/billing'], blobLimit: 100_000 }
    await chooser.evaluate(([name, choice]) => part.choose(name, choice), [name, choice] as const)
    const editor = await EditorPage.open(device, network.url, name)
    await editor.waitForStatus('On server')
    return { editor, chooser }
  }

  async function here(chooser: Page, name: string): Promise<readonly string[]> {
    return chooser.evaluate(([name, paths]) => part.here(name, 'main', paths), [name, ALL] as const)
  }

  it('keeps what was chosen, and is worked in without a network', async () => {
    const clone = await prepare('offline')
    const { editor, chooser } = await begin('offline')
    expect(await here(chooser, 'offline')).toEqual([BILLING])
    network.be('refuse')
    await editor.page.reload()

    await editor.openFile(BILLING)
    await editor.type(BILLING, '{ "cpu": 2 }\n')
    await editor.commit('Two processors')
    await editor.waitForStatus('Waiting for network (1 commit)')
    writeFileSync(join(clone, MAIL), '{ "cpu": 9 }\n')
    await git(clone, 'commit', '--quiet', '-am', 'From the shell')
    await git(clone, 'push', '--quiet', 'origin', 'main')

    network.be('pass')
    await editor.sync()
    await editor.waitForStatus('On server')
    expect(await onServer('offline', BILLING)).toBe('{ "cpu": 2 }')
    expect(await onServer('offline', MAIL)).toBe('{ "cpu": 9 }')
    expect(await here(chooser, 'offline')).toEqual([BILLING])
  })

  it('says of what is not here where it is, and shows it when the server is back', async () => {
    await prepare('outside')
    const { editor, chooser } = await begin('outside')
    const { page } = editor
    network.be('refuse')
    await editor.sync()
    await page.goto(`${network.url}/#/outside/main/${MAIL}`)
    const where = `“${MAIL}” is not on this device: only a part of the repository is kept here, and the rest on the server (origin). Connect and try again`
    await page.getByText(`It cannot be read: ${where}`).waitFor()
    await page.goto(`${network.url}/#/outside/main/${NOISE}`)
    await page.getByText(`“${NOISE}” is not on this device`).waitFor()
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByText(`“${NOISE}” is not on this device`).waitFor()
    await editor.waitForStatus('On server')

    network.be('pass')
    await editor.sync()
    await page.getByLabel('First bytes, in hexadecimal').waitFor()
    await page.goto(`${network.url}/#/outside/main/${MAIL}`)
    await editor.textOf(MAIL).filter({ hasText: '"cpu": 8' }).waitFor()
    // It stays: without the network it is here.
    network.be('refuse')
    await page.reload()
    await editor.textOf(MAIL).filter({ hasText: '"cpu": 8' }).waitFor()
    expect(await here(chooser, 'outside')).toEqual([BILLING, NOISE, MAIL])
  })

  it('lists and edits what is here beside a directory that is not', async () => {
    const clone = await prepare('beside')
    mkdirSync(join(clone, 'archive', 'old'), { recursive: true })
    writeFileSync(join(clone, 'archive', 'old', 'a.txt'), 'old\n')
    await git(clone, 'add', '.')
    await git(clone, 'commit', '--quiet', '-m', 'Archive')
    await git(clone, 'push', '--quiet', 'origin', 'main')
    const { editor } = await begin('beside')
    const { page } = editor
    network.be('refuse')
    await editor.sync()
    await page.getByRole('treeitem', { name: 'archive' }).click()
    await page.getByText(/“archive” is not on this device/).waitFor()
    await editor.openFile(BILLING)
    await editor.type(BILLING, '{ "cpu": 3 }\n')
    await editor.commit('Three processors')
    await editor.waitForStatus('Waiting for network (1 commit)')
    await page.getByRole('treeitem', { name: 'mail' }).waitFor()
    // A new file where nobody here knows what else is there: what was typed is kept, and the commit waits for the network.
    await editor.newFile('archive/new.txt')
    await editor.type('archive/new.txt', 'new\n')
    await page.getByLabel('Commit message').fill('Add to the archive')
    await page.getByRole('button', { name: /^Commit/ }).click()
    await page
      .getByRole('alert')
      .filter({ hasText: '“archive/new.txt” is not on this device' })
      .waitFor()
    await editor.waitForStatus('Waiting for network (1 commit)')
    await page.reload()
    await editor.textOf('archive/new.txt').filter({ hasText: 'new' }).waitFor()

    network.be('pass')
    await editor.sync()
    await editor.commit('Add to the archive')
    await editor.waitForStatus('On server')
    expect(await onServer('beside', 'archive/new.txt')).toBe('new')
    expect(await onServer('beside', 'archive/old/a.txt')).toBe('old')
    expect(await onServer('beside', BILLING)).toBe('{ "cpu": 3 }')
  })

  it('shows a commit of others without a network, and what it changed when there is one', async () => {
    const clone = await prepare('commit')
    const { editor } = await begin('commit')
    writeFileSync(join(clone, MAIL), '{ "cpu": 9 }\n')
    await git(clone, 'commit', '--quiet', '-am', 'More for mail')
    await git(clone, 'push', '--quiet', 'origin', 'main')
    await editor.sync()
    const { page } = editor
    await page.goto(`${network.url}/#/commit/main/?view=history`)
    await page.getByRole('link', { name: 'More for mail' }).waitFor()
    // No sync has met it yet, so that nothing but the next one's answer tells that the server is there.
    network.be('refuse')
    await page.getByRole('link', { name: 'More for mail' }).click()
    await page.getByRole('heading', { name: 'More for mail' }).waitFor()
    await page
      .getByText(/What it changed cannot be read: “services\/mail” is not on this device/)
      .waitFor()
    network.be('pass')
    await editor.sync()
    await page.getByRole('heading', { name: '1 file changed' }).waitFor()
    await page.getByText('{ "cpu": 9 }').waitFor()
  })

  it('is sent by the service worker when the tab is closed, and stays a part', async () => {
    const clone = await prepare('closed')
    const { editor, chooser } = await begin('closed')
    await editor.openFile(BILLING)
    network.be('refuse')
    await editor.type(BILLING, '{ "cpu": 2 }\n')
    await editor.commit('Two processors')
    await editor.waitForStatus('Waiting for network (1 commit)')
    writeFileSync(join(clone, MAIL), '{ "cpu": 9 }\n')
    writeFileSync(join(clone, NOISE), noise(900_000))
    await git(clone, 'commit', '--quiet', '-am', 'From the shell')
    await git(clone, 'push', '--quiet', 'origin', 'main')
    const theirs = await git(clone, 'rev-parse', 'HEAD')
    const tag = await leave(editor.page, 'closed')
    network.be('pass')
    await wake(device, network.url, tag)
    const head = async (): Promise<string> =>
      (await git(clone, 'ls-remote', 'origin', 'refs/heads/main')).slice(0, 40)
    await expect.poll(head, { timeout: 30_000 }).not.toBe(theirs)
    await waitUntilQuiet(device)
    expect(await onServer('closed', BILLING)).toBe('{ "cpu": 2 }')
    expect(await onServer('closed', MAIL)).toBe('{ "cpu": 9 }')
    expect(await here(chooser, 'closed')).toEqual([BILLING])

    network.be('refuse')
    const again = await EditorPage.open(device, network.url, 'closed')
    await again.waitForStatus('On server')
    await again.openFile(BILLING)
    await again.page.goto(`${network.url}/#/closed/main/${MAIL}`)
    await again.page.getByText('“services/mail” is not on this device').waitFor()
  })

  it('is made wider, narrower and all again', async () => {
    await prepare('wider')
    const { editor, chooser } = await begin('wider')
    const choose = async (choice: SyncChoice | undefined): Promise<void> => {
      await chooser.evaluate(([name, choice]) => part.choose(name, choice), [
        'wider',
        choice,
      ] as const)
      await editor.sync()
    }
    await choose({ paths: ['services'], blobLimit: 100_000 })
    await expect.poll(() => here(chooser, 'wider'), SOON).toEqual([BILLING, MAIL])
    await choose({ paths: ['services/billing'] })
    await expect.poll(() => here(chooser, 'wider'), SOON).toEqual([BILLING, NOISE, MAIL])
    await choose(undefined)
    await expect.poll(() => here(chooser, 'wider'), SOON).toEqual(ALL)
    await editor.waitForStatus('On server')
    network.be('refuse')
    await editor.page.goto(`${network.url}/#/wider/main/${README}`)
    await editor.textOf(README).filter({ hasText: '# Configuration' }).waitFor()
  })

  it('is chosen by two tabs at once: the last choice holds for both, and nothing is lost', async () => {
    await prepare('twice')
    const { editor, chooser } = await begin('twice')
    const other = await EditorPage.open(device, network.url, 'twice')
    const second = await openLibrary()
    const choices = [{ paths: ['services/mail'] }, { paths: ['README.md'] }]
    for (let round = 0; round < 3; round++) {
      await Promise.all([
        ...[chooser, second].map((page, i) =>
          page.evaluate(([name, choice]) => part.choose(name, choice), [
            'twice',
            choices[(i + round) % 2],
          ] as const),
        ),
        editor.sync(),
        other.sync(),
      ])
    }
    const chosen = await chooser.evaluate((name) => part.chosen(name), 'twice')
    expect(choices).toContainEqual(chosen)
    await Promise.all([editor.sync(), other.sync()])
    const wanted = chosen?.paths?.[0] === README ? README : MAIL
    await expect.poll(() => here(chooser, 'twice'), SOON).toContain(wanted)
    await editor.openFile(BILLING)
    await editor.type(BILLING, '{ "cpu": 4 }\n')
    await editor.commit('Four processors')
    await editor.waitForStatus('On server')
    await other.waitForStatus('On server')
    expect(await onServer('twice', BILLING)).toBe('{ "cpu": 4 }')
  })
})

function noise(size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let i = 0, state = 11; i < size; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[i] = state >>> 16
  }
  return bytes
}

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'part-page.ts')],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2022',
  })
  return outputFiles[0]?.text ?? ''
}
