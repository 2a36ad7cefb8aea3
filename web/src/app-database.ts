/**
 * What the page itself keeps: drafts and settings, in an IndexedDB database of their own beside the repositories.
 *
 * Connections die (WebKit closes them in the background, a newer page asks for an upgrade), so each call opens again
 * what is gone and is tried a second time. A call that resolves has been committed by the browser; where that keeps nothing
 * (`kept-storage.ts`), all of it is in memory.
 *
 * @module
 */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import type { Draft } from './drafts.ts'
import { isKept } from './kept-storage.ts'

interface Schema extends DBSchema {
  readonly drafts: { key: [repository: string, branch: string, path: string]; value: Draft }
  readonly settings: { key: string; value: string }
}

/** Names of what is set once for this browser. */
export type Setting = 'token' | 'author-name' | 'author-address'

const NAME = 'datakit-web'
let connection: Promise<IDBPDatabase<Schema>> | undefined
/** What a page has whose browser keeps nothing. */
const held = { drafts: new Map<string, Draft>(), settings: new Map<Setting, string>() }

/** Whether the browser lets the page open a database at all. A newer one, which this page cannot read, counts too. */
export async function canOpen(): Promise<boolean> {
  try {
    await run(async () => {})
    return true
  } catch (error) {
    return error instanceof DOMException && error.name === 'VersionError'
  }
}

/** Every draft of a branch. */
export async function readDrafts(repository: string, branch: string): Promise<Draft[]> {
  if (!isKept.value)
    return [...held.drafts.values()].filter(
      (draft) => draft.repository === repository && draft.branch === branch,
    )
  return run((database) => database.getAll('drafts', rangeOf([repository, branch])))
}

/** One draft, as another page may have left it. */
export async function readDraft(place: DraftPlace): Promise<Draft | undefined> {
  if (!isKept.value) return held.drafts.get(keyOf(place))
  return run((database) => database.get('drafts', [place.repository, place.branch, place.path]))
}

/** Keeps a draft in the place of an earlier one. */
export async function keepDraft(draft: Draft): Promise<void> {
  if (!isKept.value) return void held.drafts.set(keyOf(draft), draft)
  return run(async (database) => void (await database.put('drafts', draft)))
}

/** Forgets drafts that are as they were when they were read; a draft that went on since is kept. */
export async function dropDrafts(drafts: readonly Draft[]): Promise<void> {
  if (!isKept.value) {
    for (const draft of drafts) {
      const kept = held.drafts.get(keyOf(draft))
      if (kept !== undefined && kept.at <= draft.at) held.drafts.delete(keyOf(draft))
    }
    return
  }
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
export async function repositoriesWithDrafts(): Promise<string[]> {
  if (!isKept.value)
    return [...new Set([...held.drafts.values()].map(({ repository }) => repository))]
  return run(async (database) => {
    const keys = await database.getAllKeys('drafts')
    return [...new Set(keys.map(([repository]) => repository))]
  })
}

/** A setting; `undefined` while nobody has set it. */
export async function readSetting(name: Setting): Promise<string | undefined> {
  if (!isKept.value) return held.settings.get(name)
  return run((database) => database.get('settings', name))
}

/** Sets a setting; the empty text unsets it. */
export async function keepSetting(name: Setting, value: string): Promise<void> {
  if (!isKept.value) {
    if (value === '') held.settings.delete(name)
    else held.settings.set(name, value)
    return
  }
  return run(async (database) => {
    if (value === '') await database.delete('settings', name)
    else await database.put('settings', value, name)
  })
}

type DraftPlace = Pick<Draft, 'repository' | 'branch' | 'path'>

function keyOf({ repository, branch, path }: DraftPlace): string {
  return JSON.stringify([repository, branch, path])
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
