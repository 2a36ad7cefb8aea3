/**
 * Rows of an IndexedDB place that another version wrote, or that are damaged.
 */
import { deleteDB, openDB } from 'idb'
import { encodeName } from '@datakit/git/bytes'
import { afterEach, expect, it } from 'vitest'
import { deletePlaces, openOlder, openPlace } from '../../test/indexeddb-places.ts'
import { collect, done, move, noise, oid, request, stage } from '../../test/samples.ts'
import { randomId } from '../update.ts'
import { seal } from './database.ts'
import { SCHEMA_VERSION, type Header } from './schema.ts'

const MAIN = 'refs/heads/main'
afterEach(deletePlaces)

/** Puts another header into the database of a repository. */
async function changeHeader(name: string, change: (header: Header) => unknown): Promise<void> {
  const database = await openDB(name)
  await database.put('state', change(await database.get('state', 'header')), 'header')
  database.close()
}

it('reads and does not write what only newer programs may write', async () => {
  const place = await openPlace()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const needs = { read: SCHEMA_VERSION, write: SCHEMA_VERSION + 1 }
  await changeHeader(place.name, (header) => seal({ ...header, needs }))
  ;(await openDB(place.name, SCHEMA_VERSION + 1)).close()
  const other = await openPlace(place.name)
  for (const each of [place, other]) {
    expect(await (await each.read()).ref(MAIN)).toBe(oid(1))
    expect(await collect(each.log(MAIN))).toHaveLength(1)
    const newer = { reason: 'storage-newer' }
    const wish = request([move(MAIN, oid(1), oid(2))])
    await expect(each.update(wish)).rejects.toMatchObject(newer)
    await expect(each.sweep({ grace: 0 })).rejects.toMatchObject(newer)
    await expect(stage(each, [noise(400_000, 1)])).rejects.toMatchObject(newer)
    await expect(each.markVerified([randomId()])).rejects.toMatchObject(newer)
  }
})

it('goes on with what a newer program says is for older ones, too', async () => {
  const place = await openPlace()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const needs = { read: 1, write: SCHEMA_VERSION }
  await changeHeader(place.name, (header) => seal({ ...header, needs, more: 'of it' }))
  ;(await openDB(place.name, SCHEMA_VERSION + 1)).close()
  await done(place, request([move(MAIN, oid(1), oid(2))]))
  await changeHeader(place.name, (header) => {
    expect(header).toMatchObject({ number: 2, needs, more: 'of it' })
    return header
  })
})

it('goes on with a repository of the version before', async () => {
  const name = `place-${randomId()}`
  const place = await openPlace(name)
  await done(place, request([move(MAIN, undefined, oid(1))]))
  await place.close()
  // As that version left it: nothing has a checksum.
  const database = await openDB(name)
  const { crc: _crc, ...header } = await database.get('state', 'header')
  const [{ crc: _other, ...ref }] = await database.getAll('refs')
  database.close()
  await deleteDB(name)
  const older = await openOlder(name)
  await older.put('state', header, 'header')
  await older.put('refs', ref, encodeName(MAIN))
  older.close()
  const upgraded = await openPlace(name)
  await done(upgraded, request([move(MAIN, oid(1), oid(2))]))
  expect(await (await upgraded.read()).ref(MAIN)).toBe(oid(2))
})

it('takes a ref whose row is damaged from the log, and names a damaged line of the log', async () => {
  const place = await openPlace()
  const other = 'refs/heads/other'
  await done(place, request([move(MAIN, undefined, oid(1)), move(other, undefined, oid(2))]))
  const database = await openDB(place.name)
  const key = encodeName(other)
  const damage = async () =>
    database.put('refs', { ...(await database.get('refs', key)), oid: oid(9) }, key)
  await damage()
  const state = await (await openPlace(place.name)).read()
  expect((await collect(state.refs())).map((ref) => ref.oid)).toEqual([oid(1), oid(2)])
  await done(place, request([move(other, oid(2), oid(3))]))
  expect(await (await place.read()).ref(other)).toBe(oid(3))

  const [line] = await database.getAllFromIndex('log', 'ref', IDBKeyRange.bound([key], [key, []]))
  await database.put('log', { ...line, to: oid(9) })
  const named = { code: 'malformed', message: expect.stringContaining(other) }
  expect(await collect(place.log(MAIN))).toHaveLength(1)
  await expect(collect(place.log(other))).rejects.toMatchObject(named)
  // The newest line is as it was.
  await damage()
  expect(await (await (await openPlace(place.name)).read()).ref(other)).toBe(oid(3))
  database.close()
})

it('names the root row when it is damaged or missing', async () => {
  const place = await openPlace()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const damaged = (what: string) => ({ code: 'malformed', message: expect.stringContaining(what) })
  await changeHeader(place.name, (header) => ({ ...header, number: 7 }))
  await expect(place.read()).rejects.toMatchObject(damaged('the repository'))
  const wish = request([move(MAIN, oid(1), oid(2))])
  await expect(place.update(wish)).rejects.toMatchObject(damaged('the repository'))
  const database = await openDB(place.name)
  await database.delete('state', 'header')
  database.close()
  await expect(place.read()).rejects.toMatchObject({ reason: 'storage-gone' })
  const other = await openPlace(place.name)
  await expect(other.read()).rejects.toMatchObject(damaged('root row'))
})
