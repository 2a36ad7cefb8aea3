/**
 * The service worker's side of background sync: an ordinary sync when no page may be open.
 *
 * What merges goes through. What is in conflict, or wants a token, waits for a page, which finds it in the state that a sync
 * leaves. A script of its own, because the service worker wants it only when the browser says so.
 *
 * @module
 */
import { portableRuntime } from '@datakit/git/runtime/portable'
import { Repository } from '@datakit/datakit/repository'
import { readKnown } from '@datakit/datakit/sync-refs'
import { indexedDbDepot } from '@datakit/storage/indexeddb'
import { readSetting } from './app-database.ts'
import { readAuthor } from './author.ts'
import type { SyncReport } from './data.ts'
import { syncWithServer } from './data-sync.ts'

/** How long a page has to finish its sync, in milliseconds; after that the browser asks again, some minutes later. */
const PATIENCE = 60_000
/** After this long a sync is given up, in milliseconds: browsers end an event after five minutes. */
const LIMIT = 200_000

const depot = indexedDbDepot()

/**
 * Syncs a repository of this browser once, if it is still here.
 *
 * @throws Error when it is to be tried again later: the server is away, or a page is at it
 */
export async function syncInBackground(name: string): Promise<void> {
  const options = { signal: AbortSignal.timeout(PATIENCE) }
  await navigator.locks.request(`datakit-sync ${name}`, options, async () => {
    // Opening what is gone makes a new database, and a page could not tell any more that the browser deleted it.
    if (!(await isHere(name))) return
    const { state, message } = await syncOnce(name)
    if (state === 'done' || state === 'unauthorized') return
    throw new Error(`Cannot sync "${name}" in the background: ${message ?? 'the server is away'}`)
  })
}

async function isHere(name: string): Promise<boolean> {
  for await (const found of depot.list()) if (found.name === name) return true
  return false
}

async function syncOnce(name: string): Promise<SyncReport> {
  const [token, author] = await Promise.all([readSetting('token'), readAuthor()])
  const place = await depot.open(name)
  const repository = await Repository.open(place, {
    runtime: portableRuntime,
    identity: () => author,
  })
  try {
    if (await isSent(repository)) return { state: 'done', decisions: [], message: undefined }
    return await syncWithServer(repository, name, { token, signal: AbortSignal.timeout(LIMIT) })
  } finally {
    await repository.close()
  }
}

/** Whether the server has all that is here: pages ask as soon as they begin to send, and mostly are done themselves. */
async function isSent({ store }: Repository): Promise<boolean> {
  const { own, heads } = await readKnown(await store.state())
  return [...own].every(([branch, oid]) => heads.get(branch) === oid)
}
