/**
 * The whole way: an edit in the page, offline, is a commit in IndexedDB, goes through the server when the network is back,
 * and `git clone` shows it.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { EditorPage, openDevice, type Device } from '../support/editor-page.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const folder = temporaryFolder('flow')
let counter = 0
afterAll(() => folder.remove())

function fresh(): string {
  return join(folder.path, `clone-${++counter}`)
}

/** Clones by stock git and checks every object. */
async function clone(url: string): Promise<string> {
  const path = fresh()
  await git(folder.path, 'clone', '--quiet', url, path)
  await git(path, 'fsck', '--strict')
  return path
}

async function pushChange(path: string, file: string, content: string): Promise<string> {
  mkdirSync(join(path, file, '..'), { recursive: true })
  writeFileSync(join(path, file), content)
  await git(path, 'add', file)
  await git(path, 'commit', '--quiet', '-m', `From the shell: ${file}`)
  await git(path, 'push', '--quiet', 'origin', 'main')
  return git(path, 'rev-parse', 'HEAD')
}

/** The tree that stock git makes of these files. */
function treeOf(files: Readonly<Record<string, string>>): string {
  const path = fresh()
  execFileSync('git', ['init', '--quiet', path])
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true })
    writeFileSync(join(path, name), content)
  }
  execFileSync('git', ['-C', path, 'add', '.'])
  return execFileSync('git', ['-C', path, 'write-tree'], { encoding: 'utf8' }).trim()
}

describe.each(SERVER_KINDS)('through the %s server', (kind) => {
  let server: TestServer
  let device: Device
  beforeAll(async () => {
    server = await startTestServer(kind)
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    device = await openDevice()
  })
  afterEach(async () => {
    const { problems } = device
    await device.close()
    if (problems.length > 0) throw new Error(`Nobody caught: ${problems.join('; ')}`)
  })

  /** A repository with two files, made in the page and on the server. */
  async function begin(name: string): Promise<EditorPage> {
    const editor = await EditorPage.open(device, server.url, name)
    await editor.newFile('limits.json')
    await editor.type('limits.json', '{ "cpu": 1 }\n')
    await editor.commit('Add the limits')
    await editor.waitForStatus('On server')
    await editor.newFile('team/owners.txt')
    await editor.type('team/owners.txt', 'ada\n')
    await editor.commit('Add the owners')
    await editor.waitForStatus('On server')
    return editor
  }

  it('brings two commits that were made offline, across a reload, into a stock clone', async () => {
    const editor = await begin('offline')
    await editor.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
    await device.context.setOffline(true)
    await editor.page.reload()

    await editor.openFile('limits.json')
    await editor.type('limits.json', '{ "cpu": 2 }\n')
    await editor.commit('Two processors')
    await editor.waitForStatus('Waiting for network (1 commit)')
    await editor.openFile('team/owners.txt')
    await editor.type('team/owners.txt', 'ada\ngrace\n')
    await editor.commit('Grace joins')
    await editor.waitForStatus('Waiting for network (2 commits)')

    await device.context.setOffline(false)
    await editor.waitForStatus('On server')
    const path = await clone(`${server.url}/offline.git`)
    expect(await git(path, 'log', '--format=%s')).toBe(
      'Grace joins\nTwo processors\nAdd the owners\nAdd the limits',
    )
    expect(await git(path, 'rev-parse', 'HEAD^{tree}')).toBe(
      treeOf({ 'limits.json': '{ "cpu": 2 }\n', 'team/owners.txt': 'ada\ngrace\n' }),
    )
  })

  it('merges with a second client who pushed other paths by git meanwhile', async () => {
    const editor = await begin('merged')
    const other = await clone(`${server.url}/merged.git`)
    await device.context.setOffline(true)
    await editor.openFile('limits.json')
    await editor.type('limits.json', '{ "cpu": 3 }\n')
    await editor.commit('Three processors')
    await editor.waitForStatus('Waiting for network (1 commit)')
    const theirs = await pushChange(other, 'team/owners.txt', 'ada\nhedy\n')

    await device.context.setOffline(false)
    await editor.waitForStatus('On server')
    const path = await clone(`${server.url}/merged.git`)
    const parents = (await git(path, 'log', '-1', '--format=%P')).split(' ')
    expect(parents).toHaveLength(2)
    // What was on the server comes first.
    expect(parents[0]).toBe(theirs)
    expect(await git(path, 'rev-parse', 'HEAD^{tree}')).toBe(
      treeOf({ 'limits.json': '{ "cpu": 3 }\n', 'team/owners.txt': 'ada\nhedy\n' }),
    )
  })

  it('shows a conflict, takes the decision and syncs it', async () => {
    const editor = await begin('conflict')
    const other = await clone(`${server.url}/conflict.git`)
    await device.context.setOffline(true)
    await editor.openFile('limits.json')
    await editor.type('limits.json', '{ "cpu": 4 }\n')
    await editor.commit('Four processors')
    await editor.waitForStatus('Waiting for network (1 commit)')
    const theirs = await pushChange(other, 'limits.json', '{ "cpu": 8 }\n')

    await device.context.setOffline(false)
    await editor.waitForStatus('Needs your decision (1)')
    await decide(editor)
    await editor.waitForStatus('On server')
    const path = await clone(`${server.url}/conflict.git`)
    expect((await git(path, 'log', '-1', '--format=%P')).split(' ')[0]).toBe(theirs)
    expect(await git(path, 'show', 'HEAD:limits.json')).toBe('{ "cpu": 4 }')
  })

  it('asks about a branch that was rewritten on the server, and brings nothing back', async () => {
    const editor = await begin('rewritten')
    const other = await clone(`${server.url}/rewritten.git`)
    await pushChange(other, 'secret', 'oops\n')
    await editor.sync()
    await editor.page.getByRole('treeitem', { name: 'secret' }).waitFor()
    await device.context.setOffline(true)
    await editor.openFile('limits.json')
    await editor.type('limits.json', '{ "cpu": 4 }\n')
    await editor.commit('Four processors')
    await editor.waitForStatus('Waiting for network (1 commit)')
    await git(other, 'reset', '--quiet', '--hard', 'HEAD~1')
    await git(other, 'push', '--quiet', '--force', 'origin', 'main')

    await device.context.setOffline(false)
    await editor.waitForStatus('Needs your decision (1)')
    const { page } = editor
    await page.getByRole('link', { name: /decide/i }).click()
    await page.getByRole('heading', { name: 'main was rewritten on the server' }).waitFor()
    await page.getByLabel('Keep mine under this name').fill('mine')
    await page.getByRole('button', { name: /^Keep mine/ }).click()
    await editor.waitForStatus('On server')
    await page.getByRole('treeitem', { name: 'secret' }).waitFor({ state: 'detached' })
    const remote = await git(other, 'ls-remote', '--heads', 'origin')
    expect(remote).toContain(`${await git(other, 'rev-parse', 'HEAD')}\trefs/heads/main`)
    expect(remote).toContain('refs/heads/mine')
  })

  it('keeps what was typed and not committed when the tab is closed', async () => {
    const editor = await begin('draft')
    await editor.openFile('limits.json')
    await editor.type('limits.json', '{ "cpu": 16 }\n')
    // A draft is on disk 300 ms after the last key.
    await editor.page.waitForTimeout(400)
    await editor.page.close({ runBeforeUnload: false })
    const again = await EditorPage.open(device, server.url, 'draft')
    await again.openFile('limits.json')
    expect(await again.textOf('limits.json').innerText()).toContain('"cpu": 16')
  })
})

/** Takes one's own side of the only conflict. */
async function decide(editor: EditorPage): Promise<void> {
  const { page } = editor
  await page.getByRole('link', { name: /decision/i }).click()
  await page.getByRole('radio', { name: /mine/i }).check()
  await page.getByRole('button', { name: /resolve|commit|merge/i }).click()
}
