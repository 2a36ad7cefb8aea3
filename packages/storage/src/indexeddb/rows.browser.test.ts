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
const damaged = (what: string) => ({ code: 'malformed', message: expect.stringContaining(what) })

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

/** Leaves a repository of an older version behind, with these refs, the second of which is damaged with its line of the log or not. */
async function leaveOlder(version: 1 | 2, damage: { row?: boolean; line?: boolean } = {}) {
  const place = await openPlace()
  const other = 'refs/heads/other'
  await done(place, request([move(MAIN, undefined, oid(1)), move(other, undefined, oid(2))]))
  await place.close()
  const database = await openDB(place.name)
  const { crc: _crc, ...header } = await database.get('state', 'header')
  const lines = await database.getAll('log')
  database.close()
  await deleteDB(place.name)
  const older = await openOlder(place.name, version)
  // Version 1 had no checksums.
  const put = <Row extends object>(row: Row) => (version === 1 ? row : seal(row))
  await older.put('state', put(header), 'header')
  for (const [i, { crc: _seal, ...line }] of lines.entries()) {
    const ref = put({ oid: line.to, peeled: i === 0 ? oid(7) : undefined, number: 1 })
    await older.put('refs', damage.row && i === 1 ? { ...ref, oid: oid(9) } : ref, line.ref)
    await older.put('log', damage.line && i === 1 ? { ...put(line), to: oid(8) } : put(line))
  }
  older.close()
  return place.name
}

it.each([1, 2] as const)('goes on with a repository of version %i', async (version) => {
  const upgraded = await openPlace(await leaveOlder(version))
  expect(await collect((await upgraded.read()).refs())).toEqual([
    { name: MAIN, oid: oid(1), peeled: oid(7) },
    { name: 'refs/heads/other', oid: oid(2), peeled: undefined },
  ])
  await done(upgraded, request([move(MAIN, oid(1), oid(2))]))
  expect(await (await upgraded.read()).ref(MAIN)).toBe(oid(2))
  expect((await collect(upgraded.log(MAIN))).map(({ to }) => to)).toEqual([oid(2), oid(1)])
})

it('takes a ref from the log whose row an older version has left damaged', async () => {
  const upgraded = await openPlace(await leaveOlder(2, { row: true }))
  expect(await (await upgraded.read()).ref('refs/heads/other')).toBe(oid(2))
})

it('leaves a repository of an older version as it is where a ref would be lost, until it is repaired', async () => {
  const name = await leaveOlder(2, { row: true, line: true })
  await expect(openPlace(name)).rejects.toMatchObject(damaged('refs/heads/other'))
  const older = await openDB(name)
  expect(older.version).toBe(2)
  expect(await older.count('refs')).toBe(2)
  older.close()
  const said = await repairRows(name)
  expect(said).toEqual([expect.stringContaining('it is gone'), expect.stringContaining('log')])
  expect(await collect((await (await openPlace(name)).read()).refs())).toMatchObject([
    { name: MAIN, oid: oid(1) },
  ])
})

/** Changes what the first block of refs says, and not its checksum. */
async function damageBlock(name: string): Promise<void> {
  const database = await openDB(name)
  const [{ lines, ...block }] = await database.getAll('blocks')
  await database.put('blocks', { ...block, lines: lines.replace(/\w(?=\n|$)/, 'e') })
  database.close()
}

it('takes refs whose block is damaged from the log, and names a damaged line of the log', async () => {
  const place = await openPlace()
  const other = 'refs/heads/other'
  await done(place, request([move(MAIN, undefined, oid(1)), move(other, undefined, oid(2))]))
  await damageBlock(place.name)
  const state = await (await openPlace(place.name)).read()
  expect((await collect(state.refs())).map((ref) => ref.oid)).toEqual([oid(1), oid(2)])
  // Who has not read it before an update finds it there.
  await done(await openPlace(place.name), request([move(other, oid(2), oid(3))]))
  expect(await (await place.read()).ref(other)).toBe(oid(3))
  const database = await openDB(place.name)
  const [line] = await database.getAllFromIndex('log', 'ref', encodeName(other))
  await database.put('log', { ...line, to: oid(9) })
  expect(await collect(place.log(MAIN))).toHaveLength(1)
  await expect(collect(place.log(other))).rejects.toMatchObject(damaged(other))
  // The newest line is as it was.
  await damageBlock(place.name)
  expect(await (await (await openPlace(place.name)).read()).ref(other)).toBe(oid(3))
  const [, , newest] = await database.getAll('log')
  await database.put('log', { ...newest, to: oid(9) })
  const unknown = await openPlace(place.name)
  await expect(unknown.read()).rejects.toMatchObject(damaged(other))
  await expect(unknown.update(request([move(MAIN, oid(1), oid(4))]))).rejects.toMatchObject(
    damaged(other),
  )
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
  await damageBlock(place.name)
  const database = await openDB(place.name)
  const [first] = await database.getAll('log')
  await database.put('log', { ...first, why: 'nonsense' })
  expect(await repairRows(place.name)).toHaveLength(2)
  expect(await repairRows(place.name)).toEqual([])
  const [{ lines }] = await database.getAll('blocks')
  expect(lines).toBe(`\n${MAIN} ${oid(1)}\nrefs/heads/side ${oid(2)}`)
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
