/**
 * What is known of a repository once its database is gone.
 */
import { deleteDB, openDB } from 'idb'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Place } from '@datakit/git/place'
import { done, move, oid, request } from '../../test/samples.ts'
import { randomId } from '../update.ts'
import { openWitnessed, Witness } from './witness.ts'

const MAIN = 'refs/heads/main'
const REMOTE = 'refs/remotes/origin/main'
const witness = new Witness(localStorage)
const GONE = { reason: 'storage-gone' }
let name = ''
const places: Place[] = []

beforeEach(() => {
  name = `witnessed-${randomId()}`
})

afterEach(async () => {
  for (const place of places.splice(0)) await place.close()
  await deleteDB(name)
  witness.forget(name)
})

async function open(): Promise<Place> {
  const place = await openWitnessed(name, witness)
  places.push(place)
  return place
}

/** Moves the branch to each oid in turn, with a log that says so. */
async function commit(place: Place, ...numbers: readonly number[]): Promise<void> {
  for (const number of numbers) {
    const from = await (await place.read()).ref(MAIN)
    const log = { who: 'Ada <ada@example.org>', why: `commit: number ${number}` }
    await done(place, request([move(MAIN, from, oid(number))], { log }))
  }
}

/** Records where the server is. */
async function acknowledge(place: Place, number: number): Promise<void> {
  const from = await (await place.read()).ref(REMOTE)
  await done(place, request([move(REMOTE, from, oid(number))]))
}

function waiting(): number[] {
  return (witness.read(name)?.waiting ?? []).map(({ to }) => Number.parseInt(to, 16))
}

it('knows nothing of a repository that was never written to', async () => {
  await open()
  expect(witness.read(name)).toBeUndefined()
  await (await open()).close()
})

it('names what the server had not got when the database is gone', async () => {
  const place = await open()
  await commit(place, 1)
  await acknowledge(place, 1)
  await commit(place, 2, 3)
  await vi.waitFor(() => expect(waiting()).toEqual([3, 2]))
  const { repository } = await place.read()
  await deleteDB(name)
  await expect(open()).rejects.toMatchObject(GONE)
  const was = witness.read(name)
  expect(was).toMatchObject({
    repository,
    branches: [{ name: 'main', head: oid(3), remote: oid(1) }],
    waiting: [
      { branch: 'main', to: oid(3), why: 'commit: number 3' },
      { branch: 'main', to: oid(2), why: 'commit: number 2' },
    ],
  })
  // The one that was open is told, too, and writes nothing over what is known.
  await expect(place.read()).rejects.toMatchObject(GONE)
  expect(witness.read(name)).toEqual(was)
})

it('asks only for what was made since the server was last seen', async () => {
  const place = await open()
  await commit(place, 1, 2)
  await acknowledge(place, 2)
  await commit(place, 3)
  // Somebody else was faster there, and nothing was merged yet.
  await acknowledge(place, 9)
  await vi.waitFor(() => expect(waiting()).toEqual([3]))
  await commit(place, 4)
  await acknowledge(place, 4)
  await vi.waitFor(() => expect(waiting()).toEqual([]))
})

it('begins anew once what was there is forgotten', async () => {
  await commit(await open(), 1)
  await vi.waitFor(() => expect(witness.names()).toContain(name))
  await deleteDB(name)
  await expect(open()).rejects.toMatchObject(GONE)
  witness.forget(name)
  const anew = await open()
  expect((await anew.read()).exists).toBe(false)
  await commit(anew, 5)
  await vi.waitFor(() => expect(witness.read(name)?.branches).toMatchObject([{ head: oid(5) }]))
})

it('takes no other repository for the one that was there', async () => {
  await commit(await open(), 1)
  await vi.waitFor(() => expect(witness.read(name)).toBeDefined())
  const known = witness.read(name)
  await deleteDB(name)
  witness.forget(name)
  await commit(await open(), 2)
  if (known !== undefined) witness.write(name, known)
  await expect(open()).rejects.toMatchObject(GONE)
})

it('takes up a repository that it has not known', async () => {
  const place = await open()
  await commit(place, 1)
  await place.close()
  witness.forget(name)
  await open()
  expect(witness.read(name)?.branches).toMatchObject([{ name: 'main', head: oid(1) }])
  const database = await openDB(name)
  expect(await database.getAll('blocks')).toMatchObject([{ lines: `\nrefs/heads/main ${oid(1)}` }])
  database.close()
})
