/**
 * What is committed in one browser is seen in another without anybody asking for it.
 *
 * Pages look by themselves every half minute, at the earliest after 22 s: whatever comes within ten seconds was told by the
 * server. Seen to fail when the page does not listen.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EditorPage, openDevice, type Device } from '../support/editor-page.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const SOON = 10_000

/** The moment at which a file of this name is in the tree, by the clock of the machine. */
function shownAt(page: Page, name: string): Promise<number> {
  return page.evaluate(
    ([name, soon]) =>
      new Promise<number>((resolve, reject) => {
        const isShown = () =>
          [...document.querySelectorAll('[role=treeitem]')].some((item) =>
            item.textContent.includes(name),
          )
        const observer = new MutationObserver(() => {
          if (!isShown()) return
          observer.disconnect()
          resolve(Date.now())
        })
        observer.observe(document.body, { childList: true, subtree: true, characterData: true })
        setTimeout(() => reject(new Error(`${name} is not shown`)), soon)
      }),
    [name, SOON] as const,
  )
}

/** How many pages of this browser listen to the server, and how many would like to. */
function listeners(page: Page): Promise<{ held: number; pending: number }> {
  return page.evaluate(async () => {
    const { held = [], pending = [] } = await navigator.locks.query()
    const count = (locks: LockInfo[]) =>
      locks.filter(({ name }) => name?.startsWith('datakit-live')).length
    return { held: count(held), pending: count(pending) }
  })
}

const SERVERS = [
  ...SERVER_KINDS.map((kind) => ({ title: kind, kind, coordinated: false })),
  { title: 'coordinated worker', kind: 'worker', coordinated: true },
] as const

describe.each(SERVERS)('through the $title server', ({ title, kind, coordinated }) => {
  const folder = temporaryFolder('live')
  let server: TestServer
  let here: Device
  let there: Device
  beforeAll(async () => {
    server = await startTestServer(kind, { coordinated })
    here = await openDevice()
    there = await openDevice()
  })
  afterAll(async () => {
    const problems = [...here.problems, ...there.problems]
    await here.close()
    await there.close()
    await server.stop()
    folder.remove()
    if (problems.length > 0) throw new Error(`Nobody caught: ${problems.join('; ')}`)
  })

  async function commit(editor: EditorPage, path: string): Promise<void> {
    await editor.newFile(path)
    await editor.type(path, `This is ${path}\n`)
    await editor.page.getByLabel('Commit message').fill(`Add ${path}`)
  }

  it('shows the commits of another browser, and of stock git, as they come', async () => {
    const ours = await EditorPage.open(here, server.url, 'shared')
    await ours.newFile('first.txt')
    await ours.type('first.txt', 'first\n')
    await ours.commit('Begin')
    await ours.waitForStatus('On server')
    const theirs = await EditorPage.open(there, server.url, 'shared')
    if (coordinated) await expect.poll(() => there.sockets(), { timeout: SOON }).toBe(1)
    await theirs.page.getByRole('treeitem', { name: /^first/ }).waitFor()
    const times: number[] = []
    for (const path of ['second.txt', 'third.txt', 'fourth.txt']) {
      await commit(ours, path)
      const shown = shownAt(theirs.page, path)
      const started = Date.now()
      await ours.page.getByRole('button', { name: /^Commit/ }).click()
      times.push((await shown) - started)
      await ours.waitForStatus('On server')
    }
    console.log(
      `From the click to the other browser through the ${title} server: ${times.join(', ')} ms`,
    )
    // And back: whoever has pushed goes on listening.
    await commit(theirs, 'back.txt')
    const back = shownAt(ours.page, 'back.txt')
    await theirs.page.getByRole('button', { name: /^Commit/ }).click()
    await back
    await theirs.waitForStatus('On server')

    const clone = join(folder.path, `clone-${title.replace(' ', '-')}`)
    await git(folder.path, 'clone', '--quiet', `${server.url}/shared.git`, clone)
    writeFileSync(join(clone, 'shell.txt'), 'from the shell\n')
    await git(clone, 'add', '.')
    await git(clone, 'commit', '--quiet', '-m', 'From the shell')
    const shell = [shownAt(ours.page, 'shell.txt'), shownAt(theirs.page, 'shell.txt')]
    await git(clone, 'push', '--quiet', 'origin', 'main')
    await Promise.all(shell)
  })

  it('listens once for all tabs of a browser, and goes on when that tab is closed', async () => {
    const name = 'tabs'
    const first = await EditorPage.open(here, server.url, name)
    await first.newFile('first.txt')
    await first.type('first.txt', 'first\n')
    await first.commit('Begin')
    await first.waitForStatus('On server')
    const second = await EditorPage.open(here, server.url, name)
    const others = (await listeners(second.page)).held
    await expect.poll(() => listeners(second.page)).toMatchObject({ pending: 1 })
    await first.page.close()
    await expect.poll(() => listeners(second.page)).toEqual({ held: others, pending: 0 })
    const theirs = await EditorPage.open(there, server.url, name)
    await commit(theirs, 'second.txt')
    const shown = shownAt(second.page, 'second.txt')
    await theirs.page.getByRole('button', { name: /^Commit/ }).click()
    await shown
  })
})
