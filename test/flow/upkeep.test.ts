/**
 * Upkeep in the page: what a server sent is proved in a worker, and is passed on as it is from then on.
 */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import { EditorPage, openDevice } from '../support/editor-page.ts'
import { startTestServer, temporaryFolder } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

/** Whether each live pack of a repository in this browser was proved, oldest first. Runs in the page. */
async function provedPacks(database: string): Promise<boolean[]> {
  const db = await new Promise<IDBDatabase>((resolve, reject) => {
    const opening = indexedDB.open(database)
    opening.addEventListener('success', () => resolve(opening.result))
    opening.addEventListener('error', () => reject(opening.error ?? new Error('no database')))
  })
  const all = db.transaction('packs').objectStore('packs').getAll()
  await new Promise((resolve) => all.addEventListener('success', resolve))
  db.close()
  const rows = all.result as { state: string; verified: boolean }[]
  return rows.filter(({ state }) => state === 'live').map(({ verified }) => verified)
}

it('proves what a server sent, in a worker of the page', async () => {
  const folder = temporaryFolder('upkeep')
  const server = await startTestServer('node')
  const device = await openDevice()
  try {
    const corpus = join(folder.path, 'corpus.git')
    await makeCorpus(corpus, { files: 300, commits: 40, layout: 'directories', seed: 5 })
    await git(corpus, 'push', '--quiet', `${server.url}/config.git`, 'main')
    const { page } = await EditorPage.open(device, server.url, 'config')
    await page.getByRole('treeitem').first().waitFor()
    await expect
      .poll(() => page.evaluate(provedPacks, 'datakit:config'), { timeout: 20_000 })
      .toEqual([true])
    expect(device.problems).toEqual([])
  } finally {
    await device.close()
    await server.stop()
    folder.remove()
  }
})
