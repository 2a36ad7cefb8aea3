/**
 * Ways out when the storage of this browser is in trouble. Loaded when it is.
 *
 * @module
 */
import { repositoriesWithDrafts } from './app-database.ts'
import { openRepository } from './data-store.ts'
import type { RepositoryStore } from './data.ts'
import { databaseOf, localRepositories, removeLocal } from './local-repositories.ts'
import type { Session } from './session.ts'
import { measureStorage } from './storage-watch.ts'
import { repairInWorker } from './upkeep.ts'
import { downloadBlob } from './views/download.ts'

/** Hands out all commits as a file. Gives a sentence about it. */
export async function exportBundle(store: RepositoryStore): Promise<string> {
  const file = `${store.name.replaceAll('/', '-')}.bundle`
  downloadBlob(file, await store.bundle())
  return `“git clone ${file}” has every commit that is here`
}

/** Gives back the room of what is not needed any more, and tries again what could not be kept. Gives a sentence about it. */
export async function makeRoom(session: Session): Promise<string> {
  const before = await usage()
  await session.store.free()
  await session.retry()
  await measureStorage()
  const freed = before - (await usage())
  return freed > 0 ? `${Math.ceil(freed / 1000)} kB were freed` : 'There was nothing to free'
}

/** Makes anew what can be made from the rest of a repository, and from its other copies. Gives a sentence about it. */
export async function repair(name: string): Promise<string> {
  const { repairRows } = await import('@datakit/storage/indexeddb/repair')
  const said = await repairRows(databaseOf(name))
  await repairInWorker(name)
  return said.length === 0 ? 'Nothing was found that can be repaired here' : said.join('. ')
}

/** Other repositories that the server has all of, and nothing was typed in. */
export async function findRemovable(name: string): Promise<readonly string[]> {
  const drafts = new Set(await repositoriesWithDrafts())
  const removable: string[] = []
  for (const other of await localRepositories())
    if (other !== name && !drafts.has(other) && (await isOnServer(other))) removable.push(other)
  return removable
}

/** Removes a repository from this device. @throws Error when something in it is only here by now */
export async function removeCopy(name: string): Promise<void> {
  const drafts = await repositoriesWithDrafts()
  if (drafts.includes(name) || !(await isOnServer(name)))
    throw new Error(`Something in “${name}” is not on the server`)
  await removeLocal(name)
  await measureStorage()
}

/** Whether the server was known to have every branch as it is here. */
async function isOnServer(name: string): Promise<boolean> {
  const store = await openRepository(name)
  try {
    const branches = await store.branches()
    return branches.length > 0 && branches.every(({ head, remote }) => head === remote)
  } finally {
    await store.close()
  }
}

async function usage(): Promise<number> {
  return (await navigator.storage.estimate()).usage ?? 0
}
