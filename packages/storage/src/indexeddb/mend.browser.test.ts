/**
 * Stored bytes that are not what was written. Seen to fail when a byte was put right without a look at its entry, and when a
 * window was given up for one object in it.
 */
import { openDB } from 'idb'
import { Objects } from '@datakit/git/objects'
import type { Place } from '@datakit/git/place'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { checkPlace } from '../fsck/check-place.ts'
import { repairPlace } from '../fsck/repair-place.ts'
import { afterEach, expect, it } from 'vitest'
import { deletePlaces, openPlace, type NamedPlace } from '../../test/indexeddb-places.ts'
import { collect, done, noise, request, stage } from '../../test/samples.ts'
import type { ChunkRow } from './schema.ts'

afterEach(deletePlaces)

const SIZES = [30_000, 90_000, 20_000, 400_000, 50_000]
const objects = SIZES.map((size, i) => noise(size, i + 1))

/** A place with one pack of objects, and the id of it. */
async function begin(): Promise<{ place: NamedPlace; pack: string }> {
  const place = await openPlace()
  await done(place, request([], { addPacks: [await stage(place, objects)] }))
  const [pack] = (await place.read()).packs
  if (pack === undefined) throw new Error('Expected a pack')
  return { place, pack: pack.id }
}

/** Changes a stored chunk. */
async function change(
  name: string,
  key: [string, number, number],
  edit: (bytes: Uint8Array) => void,
): Promise<void> {
  const database = await openDB(name)
  const chunk: ChunkRow = await database.get('chunks', key)
  edit(chunk.bytes)
  await database.put('chunks', chunk, key)
  database.close()
}

/** Which of the objects cannot be read, by number, and how that is said. */
async function unreadable(place: Place): Promise<Map<number, unknown>> {
  const found = await Objects.open(place, portableRuntime)
  const failures = new Map<number, unknown>()
  for (const [i, { oid, body }] of objects.entries()) {
    try {
      expect((await found.read(oid)).body).toEqual(body)
    } catch (error) {
      failures.set(i, error)
    }
  }
  return failures
}

it('puts a byte right that changed, wherever it is', async () => {
  const { place, pack } = await begin()
  const { size } = (await place.read()).packs[0] ?? { size: 0 }
  const whole = await place.readPack(pack, 0, size)
  let state = 7
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
  for (let round = 0; round < 20; round++) {
    const at = [0, 11, size - 1][round] ?? Math.floor(next() * size)
    const chunk = Math.floor(at / (256 * 1024))
    const difference = 1 + Math.floor(next() * 255)
    await change(place.name, [pack, 0, chunk], (bytes) => {
      const i = at % (256 * 1024)
      bytes[i] = (bytes[i] ?? 0) ^ difference
    })
    expect(await place.readPack(pack, 0, size)).toEqual(whole)
    expect(await unreadable(await openPlace(place.name))).toEqual(new Map())
  }
  // What was put right was kept.
  const database = await openDB(place.name)
  const rows: ChunkRow[] = await database.getAll('chunks', IDBKeyRange.bound([pack, 0], [pack, 1]))
  expect(rows.flatMap(({ bytes }) => [...bytes])).toEqual([...whole])
  database.close()
})

it('gives every object but the one that is damaged, which it names', async () => {
  const { place, pack } = await begin()
  // In the second object: behind the first, and before the third.
  await change(place.name, [pack, 0, 0], (bytes) => bytes.fill(0, 50_000, 51_000))
  const failures = await unreadable(place)
  expect([...failures.keys()]).toEqual([1])
  const message = expect.stringMatching(`${objects[1]?.oid}.*pack ${pack}`)
  expect(failures.get(1)).toMatchObject({ code: 'malformed', oid: objects[1]?.oid, message })
})

it('gives every object that has no part in a chunk that is missing', async () => {
  const { place, pack } = await begin()
  const database = await openDB(place.name)
  await database.delete('chunks', [pack, 0, 1])
  database.close()
  expect([...(await unreadable(place)).keys()]).toEqual([3])
})

it('is repaired from the other copies, an index from its pack', async () => {
  const { place, pack } = await begin()
  const damaged = objects[1]
  if (damaged === undefined) throw new Error('Expected an object')
  await change(place.name, [pack, 0, 0], (bytes) => bytes.fill(0, 50_000, 51_000))
  await done(place, request([], { addPacks: [await stage(place, [damaged])] }))
  expect(await unreadable(place)).toEqual(new Map())
  await repair(place)
  const first = (await place.read()).packs.find(({ objects: count }) => count === objects.length)
  expect(first?.id).not.toBe(pack)
  await change(place.name, [first?.id ?? '', 1, 0], (bytes) => bytes.fill(1, 40, 80))
  const other = await openPlace(place.name)
  expect((await unreadable(other)).size).toBeGreaterThan(0)
  await repair(other)
  expect(await unreadable(await openPlace(place.name))).toEqual(new Map())
  expect((await check(other)).map(({ kind }) => kind)).not.toContain('finding')
})

async function repair(place: Place): Promise<void> {
  const check = checkPlace(place, portableRuntime)
  let step = await check.next()
  while (step.done !== true) step = await check.next()
  await collect(repairPlace(place, portableRuntime, { health: step.value, options: {} }))
}

function check(place: Place) {
  return collect(checkPlace(place, portableRuntime))
}
