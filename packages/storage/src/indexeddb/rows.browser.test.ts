/**
 * Rows of an IndexedDB place that another version wrote, or that are damaged.
 */
import { deleteDB, openDB } from 'idb'
import { encodeName } from '@datakit/git/bytes'
import { afterEach, expect, it } from 'vitest'
import { deletePlaces, openOlder, openPlace, type NamedPlace } from '../../test/indexeddb-places.ts'
import { collect, done, move, noise, oid, request, stage } from '../../test/samples.ts'
import { randomId } from '../update.ts'
import { seal } from './database.ts'
import { repairRows } from './repair.ts'
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
  const [{ crc: _third, ...line }] = await database.getAll('log')
  database.close()
  await deleteDB(name)
  const older = await openOlder(name)
  await older.put('state', header, 'header')
  await older.put('refs', ref, encodeName(MAIN))
  await older.put('log', line)
  older.close()
  const upgraded = await openPlace(name)
  await done(upgraded, request([move(MAIN, oid(1), oid(2))]))
  expect(await (await upgraded.read()).ref(MAIN)).toBe(oid(2))
  expect((await collect(upgraded.log(MAIN))).map(({ to }) => to)).toEqual([oid(2), oid(1)])
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

  const [line] = await database.getAllFromIndex('log', 'ref', key)
  await database.put('log', { ...line, to: oid(9) })
  const named = { code: 'malformed', message: expect.stringContaining(other) }
  expect(await collect(place.log(MAIN))).toHaveLength(1)
  await expect(collect(place.log(other))).rejects.toMatchObject(named)
  // The newest line is as it was.
  await damage()
  expect(await (await (await openPlace(place.name)).read()).ref(other)).toBe(oid(3))
  database.close()
})

/** A repository with a branch that is not `main`, and a pack. */
async function begin(): Promise<NamedPlace> {
  const place = await openPlace()
  const side = 'refs/heads/side'
  const head = { from: { ref: MAIN }, to: { ref: side } }
  const addPacks = [await stage(place, [noise(1000, 1)])]
  await done(place, request([move(side, undefined, oid(1))], { addPacks, head }))
  await done(place, request([move(side, oid(1), oid(2)), move(MAIN, undefined, oid(1))]))
  return place
}

const damaged = (what: string) => ({ code: 'malformed', message: expect.stringContaining(what) })

it('names the root row when it is damaged, and makes it anew', async () => {
  const place = await begin()
  const before = await place.read()
  await changeHeader(place.name, (header) => ({ ...header, number: 7, tail: 'x' }))
  await expect(place.read()).rejects.toMatchObject(damaged('the repository'))
  const wish = request([move(MAIN, oid(1), oid(2))])
  await expect(place.update(wish)).rejects.toMatchObject(damaged('the repository'))
  expect(await repairRows(place.name)).toEqual([expect.stringContaining('root row')])
  const { repository, head, packs } = await place.read()
  expect({ repository, head, packs }).toEqual({
    repository: before.repository,
    head: { ref: 'refs/heads/side' },
    packs: before.packs,
  })
  await done(place, wish)
  expect(await repairRows(place.name)).toEqual([])
})

it('tells a root row that is missing from a repository that was deleted, and makes it anew', async () => {
  const place = await begin()
  const database = await openDB(place.name)
  await database.delete('state', 'header')
  database.close()
  const other = await openPlace(place.name)
  for (const each of [place, other])
    await expect(each.read()).rejects.toMatchObject(damaged('root row'))
  await repairRows(place.name)
  for (const each of [place, other]) expect(await (await each.read()).ref(MAIN)).toBe(oid(1))
  // Which branch it was at, nobody else knew.
  expect((await place.read()).head).toEqual({ ref: MAIN })
  const addPacks = [await stage(other, [noise(500, 2)])]
  await done(other, request([move(MAIN, oid(1), oid(3))], { addPacks }))
  expect(await collect(place.log(MAIN))).toHaveLength(2)
})

it('writes refs anew out of the log, and gives up lines that are damaged', async () => {
  const place = await begin()
  const database = await openDB(place.name)
  const key = encodeName(MAIN)
  await database.put('refs', { ...(await database.get('refs', key)), oid: oid(9) }, key)
  const [first] = await database.getAll('log')
  await database.put('log', { ...first, why: 'nonsense' })
  expect(await repairRows(place.name)).toHaveLength(2)
  expect(await repairRows(place.name)).toEqual([])
  expect((await database.get('refs', key)).oid).toBe(oid(1))
  expect(await collect(place.log('refs/heads/side'))).toHaveLength(1)
  database.close()
})

it('leaves alone what is empty, and what nobody knows enough of', async () => {
  const place = await openPlace()
  expect(await repairRows(place.name)).toEqual([])
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const database = await openDB(place.name)
  await database.clear('receipts')
  await database.delete('state', 'header')
  await expect(repairRows(place.name)).rejects.toMatchObject(damaged('no update is known'))
  expect(await database.count('state')).toBe(0)
  database.close()
})
