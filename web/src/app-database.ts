/**
 * What the page itself keeps: drafts and settings, in an IndexedDB database of their own beside the repositories.
 *
 * Connections die (WebKit closes them in the background, a newer page asks for an upgrade), so each call opens again
 * what is gone and is tried a second time. A call that resolves has been committed by the browser.
 *
 * @module
 */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import type { Draft } from './drafts.ts'

interface Schema extends DBSchema {
  readonly drafts: { key: [repository: string, branch: string, path: string]; value: Draft }
  readonly settings: { key: string; value: string }
}

/** Names of what is set once for this browser. */
export type Setting = 'token' | 'author-name' | 'author-address'

const NAME = 'datakit-web'
let connection: Promise<IDBPDatabase<Schema>> | undefined

/** Every draft of a branch. */
export function readDrafts(repository: string, branch: string): Promise<Draft[]> {
  return run((database) => database.getAll('drafts', rangeOf([repository, branch])))
}

/** One draft, as another page may have left it. */
export function readDraft(
  place: Pick<Draft, 'repository' | 'branch' | 'path'>,
): Promise<Draft | undefined> {
  return run((database) => database.get('drafts', [place.repository, place.branch, place.path]))
}

/** Keeps a draft in the place of an earlier one. */
export function keepDraft(draft: Draft): Promise<void> {
  return run(async (database) => void (await database.put('drafts', draft)))
}

/** Forgets drafts that are as they were when they were read; a draft that went on since is kept. */
export function dropDrafts(drafts: readonly Draft[]): Promise<void> {
  return run(async (database) => {
    const transaction = database.transaction('drafts', 'readwrite')
    for (const { repository, branch, path, at } of drafts) {
      const kept = await transaction.store.get([repository, branch, path])
      if (kept !== undefined && kept.at <= at)
        await transaction.store.delete([repository, branch, path])
    }
    await transaction.done
  })
}

/** Names of the repositories that have drafts. */
export function repositoriesWithDrafts(): Promise<string[]> {
  return run(async (database) => {
    const keys = await database.getAllKeys('drafts')
    return [...new Set(keys.map(([repository]) => repository))]
  })
}

/** A setting; `undefined` while nobody has set it. */
export function readSetting(name: Setting): Promise<string | undefined> {
  return run((database) => database.get('settings', name))
}

/** Sets a setting; the empty text unsets it. */
export function keepSetting(name: Setting, value: string): Promise<void> {
  return run(async (database) => {
    if (value === '') await database.delete('settings', name)
    else await database.put('settings', value, name)
  })
}

async function run<T>(use: (database: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
  try {
    return await use(await open())
  } catch (error) {
    if (!isConnectionLost(error)) throw error
    connection = undefined
    return use(await open())
  }
}

function open(): Promise<IDBPDatabase<Schema>> {
  connection ??= openDB<Schema>(NAME, 1, {
    upgrade(database) {
      database.createObjectStore('drafts', { keyPath: ['repository', 'branch', 'path'] })
      database.createObjectStore('settings')
    },
    // A newer page wants to change the schema: give way, and open again when needed.
    blocking: (_current, _blocked, event) => {
      connection = undefined
      if (event.target instanceof IDBDatabase) event.target.close()
    },
    terminated: () => {
      connection = undefined
    },
  }).catch((error: unknown) => {
    connection = undefined
    throw error
  })
  return connection
}

function isConnectionLost(error: unknown): boolean {
  return (
    error instanceof DOMException &&
    (error.name === 'InvalidStateError' || error.name === 'UnknownError')
  )
}

/** All keys that begin with these: arrays sort after every string in IndexedDB, so an empty one ends the range. */
function rangeOf(front: readonly string[]): IDBKeyRange {
  return IDBKeyRange.bound([...front], [...front, []])
}
