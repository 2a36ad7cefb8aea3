/**
 * Places in IndexedDB for the tests that run in a browser: each under a name of its own, closed and deleted afterwards.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'
import { deleteDB, openDB, unwrap, type IDBPDatabase } from 'idb'
import { openIndexedDbPlace, type IndexedDbOptions } from '../src/indexeddb/place.ts'
import { createStores, SCHEMA_VERSION } from '../src/indexeddb/schema.ts'
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

/** Opens a database as the version before does. */
export function openOlder(name: string): Promise<IDBPDatabase> {
  return openDB(name, SCHEMA_VERSION - 1, {
    upgrade(database, _old, _new, transaction) {
      createStores(unwrap(database))
      const log = transaction.objectStore('log')
      log.deleteIndex('ref')
      log.createIndex('ref', ['ref', 'number', 'line'])
    },
  })
}

/** Closes every place that was opened and deletes its database. */
export async function deletePlaces(): Promise<void> {
  const places = opened.splice(0)
  for (const place of places) await place.close()
  for (const name of new Set(places.map(({ name }) => name))) await deleteDB(name)
}
