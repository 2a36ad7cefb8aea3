/**
 * Places in IndexedDB for the tests that run in a browser: each under a name of its own, closed and deleted afterwards.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'
import { deleteDB, openDB, type IDBPDatabase } from 'idb'
import { openIndexedDbPlace, type IndexedDbOptions } from '../src/indexeddb/place.ts'
import { randomId } from '../src/update.ts'

/** A place and the name of its database. */
export type NamedPlace = Place & { readonly name: string }

const opened: NamedPlace[] = []

/** Opens a new repository, or the one of that name. */
export async function openPlace(
  name = `place-${randomId()}`,
  options: IndexedDbOptions = {},
): Promise<NamedPlace> {
  const place = { ...(await openIndexedDbPlace(name, options)), name }
  opened.push(place)
  return place
}

/** Opens a database as an older version does. */
export function openOlder(name: string, version: 1 | 2 = 2): Promise<IDBPDatabase> {
  return openDB(name, version, {
    upgrade(database) {
      for (const store of ['state', 'refs', 'chunks', 'promised']) database.createObjectStore(store)
      const log = database.createObjectStore('log', { keyPath: ['number', 'line'] })
      log.createIndex('ref', version === 1 ? ['ref', 'number', 'line'] : 'ref')
      database.createObjectStore('receipts', { keyPath: 'id' }).createIndex('at', 'at')
      const packs = database.createObjectStore('packs', { keyPath: 'home' })
      packs.createIndex('id', 'id', { unique: true })
      packs.createIndex('changed', 'changed')
      database.createObjectStore('aliases').createIndex('at', 'at')
    },
  })
}

/** Closes every place that was opened and deletes its database. */
export async function deletePlaces(): Promise<void> {
  const places = opened.splice(0)
  for (const place of places) await place.close()
  for (const name of new Set(places.map(({ name }) => name))) await deleteDB(name)
}
