/**
 * A browser that keeps nothing for the page: that works in memory, says so, and hands out what is in it. In Chromium by the setting of a
 * person who lets sites keep nothing.
 *
 * Seen to fail when the page opens a database all the same, and when the status says "Saved".
 */
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { EditorPage, openDevice, type Device } from '../support/editor-page.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const KEEPS_NOTHING = { profile: { default_content_setting_values: { cookies: 2 } } }
const NOT_SAVED = 'Not saved – it is in this page only'

const folder = temporaryFolder('unkept')
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
  device = await openDevice(KEEPS_NOTHING)
})
afterEach(async () => {
  const { problems } = device
  await device.close()
  if (problems.length > 0) throw new Error(`Nobody caught: ${problems.join('; ')}`)
})

function banner({ page }: EditorPage) {
  return page.getByRole('alert', { name: 'Nothing is kept' })
}

it('commits and syncs, and says all the time that nothing is kept', async () => {
  const editor = await EditorPage.open(device, server.url, 'private')
  await banner(editor).getByText('This browser keeps nothing for this page').waitFor()
  await editor.newFile('limits.json')
  await editor.type('limits.json', '{ "cpu": 1 }\n')
  await editor.waitForStatus(NOT_SAVED)
  await editor.commit('Add the limits')
  await editor.waitForStatus('On server')
  await banner(editor).waitFor()
  const clone = join(folder.path, 'clone')
  await git(folder.path, 'clone', '--quiet', `${server.url}/private.git`, clone)
  expect(await git(clone, 'show', 'HEAD:limits.json')).toBe('{ "cpu": 1 }')
})

it('has another branch, and hears of what others commit', async () => {
  const editor = await EditorPage.open(device, server.url, 'private')
  await editor.page.getByRole('treeitem', { name: /^limits/ }).waitFor()
  await editor.page.getByLabel('Branch').selectOption('new')
  const dialog = editor.page.getByRole('dialog', { name: 'New branch' })
  await dialog.getByLabel('Name').fill('mine')
  await dialog.getByRole('button', { name: 'Create' }).click()
  await dialog.waitFor({ state: 'detached' })
  await editor.page.getByRole('treeitem', { name: /^limits/ }).waitFor()
  // A branch without commits of its own is no reason to say that something is not on the server.
  const branches = () => git(folder.path, 'ls-remote', `${server.url}/private.git`, 'mine')
  await expect.poll(branches, { timeout: 20_000 }).toContain('refs/heads/mine')
  const other = join(folder.path, 'other')
  await git(folder.path, 'clone', '--quiet', '--branch', 'mine', `${server.url}/private.git`, other)
  await git(other, 'mv', 'limits.json', 'moved.json')
  await git(other, 'commit', '--quiet', '-m', 'Move it')
  await git(other, 'push', '--quiet', 'origin', 'mine')
  await editor.page.getByRole('treeitem', { name: /^moved/ }).waitFor({ timeout: 10_000 })
})

it('hands out what is only in the page, and asks before it is closed', async () => {
  const editor = await EditorPage.open(device, server.url, 'private')
  await editor.openFile('limits.json')
  await device.context.setOffline(true)
  await editor.type('limits.json', '{ "cpu": 2 }\n')
  await editor.commit('Two processors')
  await editor.waitForStatus(NOT_SAVED)
  const downloading = editor.page.waitForEvent('download')
  await banner(editor).getByRole('button', { name: 'Export everything' }).click()
  const bundle = join(folder.path, 'private.bundle')
  await (await downloading).saveAs(bundle)
  const copy = join(folder.path, 'copy')
  await git(folder.path, 'clone', '--quiet', '--branch', 'main', bundle, copy)
  expect(await git(copy, 'show', 'HEAD:limits.json')).toBe('{ "cpu": 2 }')

  const asked = editor.page.waitForEvent('dialog')
  const closing = editor.page.close({ runBeforeUnload: true })
  const question = await asked
  expect(question.type()).toBe('beforeunload')
  await question.dismiss()
  await closing
  await device.context.setOffline(false)
  await editor.sync()
  await editor.waitForStatus('On server')
})
