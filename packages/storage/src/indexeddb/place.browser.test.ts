import { openDB } from 'idb'
import { Objects } from '@datakit/git/objects'
import { encodePack } from '@datakit/git/pack/write-pack'
import type { Place } from '@datakit/git/place'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { afterEach, expect, it } from 'vitest'
import { deletePlaces, openPlace } from '../../test/indexeddb-places.ts'
import { blob, done, move, noise, oid, request, stage } from '../../test/samples.ts'
import type { ChunkRow } from './schema.ts'

const MAIN = 'refs/heads/main'
afterEach(deletePlaces)

async function keep(place: Place, ...objects: Parameters<typeof stage>[1]): Promise<void> {
  await done(place, request([], { addPacks: [await stage(place, objects)] }))
}

it('keeps a thousand commits in a few rows', async () => {
  const place = await openPlace()
  const blobs = Array.from({ length: 1000 }, (_, i) => noise(600, i))
  for (const each of blobs) await keep(place, each)
  const { packs } = await place.read()
  expect(packs.length).toBeLessThan(6)
  const database = await openDB(place.name)
  expect(await database.count('packs')).toBe(packs.length)
  expect(await database.count('chunks')).toBe(2 * packs.length)
  database.close()
  const objects = await Objects.open(await openPlace(place.name), portableRuntime)
  for (const each of blobs) expect((await objects.read(each.oid)).body).toEqual(each.body)
})

it('forgets receipts that are both old and not among the newest, when it is swept', async () => {
  let now = 1e12
  const place = await openPlace(undefined, { clock: () => now })
  const old = request([move(MAIN, undefined, oid(1))])
  await done(place, old)
  now += 31 * 24 * 60 * 60 * 1000
  for (let i = 1; i < 256; i++) await done(place, request([move(MAIN, oid(i), oid(i + 1))]))
  await place.sweep({ grace: 0 })
  const receipt = async () => (await place.read()).receipt(old.id)
  expect(await receipt()).toMatchObject({ outcome: 'done' })
  const last = request([move(MAIN, oid(256), oid(1))])
  await done(place, last)
  await place.sweep({ grace: 0 })
  expect(await receipt()).toBeUndefined()
  expect(await (await place.read()).receipt(last.id)).toBeDefined()
})

it('reads a pack under its old id once it was put into another one', async () => {
  const place = await openPlace()
  await keep(place, blob('one'), blob('two'))
  const [old] = (await place.read()).packs
  const { bytes, table } = await encodePack(portableRuntime, [blob('three')])
  const writer = await place.writePack()
  await writer.write(bytes)
  const staged = await writer.finish({ table, needs: [], verified: true })
  if (!old) throw new Error('Expected a pack')
  const before = await place.readPack(old.id, 0, old.size)
  const index = await place.readIndex(old.id, 0, old.indexSize)
  await done(place, request([], { addPacks: [staged] }))
  await keep(place, blob('four'))
  const other = await openPlace(place.name)
  expect((await other.read()).packs).toHaveLength(1)
  for (const each of [place, other]) {
    expect(await each.readPack(old.id, 0, old.size)).toEqual(before)
    expect(await each.readPack(old.id, 5, old.size - 3)).toEqual(before.subarray(5, -3))
    expect(await each.readIndex(old.id, 0, old.indexSize)).toEqual(index)
    expect(await each.readPack(staged.id, 0, staged.size)).toEqual(bytes)
    expect(await each.readIndex(staged.id, 0, 1e6)).toEqual(table.encodeIndex())
  }
  const reliesOn = [old.id, staged.id]
  await done(other, request([move(MAIN, undefined, oid(1))], { reliesOn }))
  await place.sweep({ grace: 0 })
  await expect(place.readPack(old.id, 0, 12)).rejects.toMatchObject({ missing: old.id })
})

it('puts nothing behind a pack with the same object, or of other trust', async () => {
  const place = await openPlace()
  await keep(place, blob('one'))
  await keep(place, blob('one'), blob('two'))
  expect((await place.read()).packs).toHaveLength(2)
  const { bytes, table } = await encodePack(portableRuntime, [blob('three')])
  const writer = await place.writePack()
  await writer.write(bytes)
  const staged = await writer.finish({ table, needs: [], verified: false })
  await done(place, request([], { addPacks: [staged] }))
  expect((await place.read()).packs.map(({ verified }) => verified)).toEqual([true, true, false])
})

it('appends to what another tab appended', async () => {
  const one = await openPlace()
  const two = await openPlace(one.name)
  for (let i = 0; i < 20; i++) await keep(i % 2 === 0 ? one : two, blob(`value ${i}`))
  expect((await two.read()).packs.map(({ objects }) => objects)).toEqual([20])
})

it('tells other tabs that something changed', async () => {
  const one = await openPlace()
  const two = await openPlace(one.name)
  const heard = new Promise<void>((resolve) => two.subscribe(resolve))
  await done(one, request([move(MAIN, undefined, oid(1))]))
  await heard
})

/** Changes so many bytes of a stored chunk, from one on. */
async function damage(name: string, key: [string, number, number], at: number, count = 50) {
  const database = await openDB(name)
  const chunk: ChunkRow = await database.get('chunks', key)
  for (let i = at; i < at + count; i++) chunk.bytes[i] = (chunk.bytes[i] ?? 0) ^ (i % 7) ^ 0x55
  await database.put('chunks', chunk, key)
  database.close()
}

it('names the pack whose stored bytes are damaged or gone', async () => {
  const place = await openPlace()
  await keep(place, noise(600_000, 1))
  const [pack] = (await place.read()).packs
  if (!pack) throw new Error('Expected a pack')
  await damage(place.name, [pack.id, 0, 1], 1000)
  const damaged = { code: 'malformed', message: expect.stringContaining(pack.id) }
  await expect(place.readPack(pack.id, 300_000, 300_010)).rejects.toMatchObject(damaged)
  expect(await place.readPack(pack.id, 0, 4)).toEqual(Uint8Array.of(0x50, 0x41, 0x43, 0x4b))
  await damage(place.name, [pack.id, 1, 0], 100)
  await expect(place.readIndex(pack.id, 0, 8)).rejects.toMatchObject(damaged)
  const database = await openDB(place.name)
  await database.delete('chunks', [pack.id, 0, 1])
  await expect(place.readPack(pack.id, 0, pack.size)).rejects.toMatchObject(damaged)
  await expect(place.readPack(pack.id, 300_000, 300_010)).rejects.toMatchObject(damaged)
  database.close()
})

it.each([0, 1])('puts nothing behind a damaged pack, and goes on (kind %i)', async (kind) => {
  const place = await openPlace()
  await keep(place, blob('one'))
  const [pack] = (await place.read()).packs
  if (!pack) throw new Error('Expected a pack')
  await damage(place.name, [pack.id, kind, 0], 30)
  const other = await openPlace(place.name)
  await keep(other, blob('two'))
  const { packs } = await other.read()
  expect(packs.map(({ objects }) => objects)).toEqual([1, 1])
  const read = kind === 0 ? other.readPack : other.readIndex
  const damaged = { code: 'malformed', message: expect.stringContaining(pack.id) }
  await expect(read(pack.id, 0, 40)).rejects.toMatchObject(damaged)
  const objects = await Objects.open(other, portableRuntime)
  if (kind === 0) expect((await objects.read(blob('two').oid)).body).toEqual(blob('two').body)
})

it('drops what a writer left behind after a day', async () => {
  let now = Date.now()
  const place = await openPlace(undefined, { clock: () => now })
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const { bytes } = await encodePack(portableRuntime, [noise(3_000_000, 1)])
  await (await place.writePack()).write(bytes)
  now += 23 * 3600 * 1000
  expect(await place.sweep({ grace: 0 })).toEqual({ deleted: 0 })
  now += 2 * 3600 * 1000
  expect(await place.sweep({ grace: 0 })).toEqual({ deleted: 1 })
  const database = await openDB(place.name)
  expect(await database.count('chunks')).toBe(0)
  database.close()
})

it('appends nothing to a pack that was condemned', async () => {
  const place = await openPlace()
  await keep(place, blob('one'))
  await keep(place, blob('one'), blob('two'))
  const [, tail] = (await place.read()).packs
  await done(place, request([], { removePacks: tail && [tail.id] }))
  await keep(place, blob('three'))
  const { packs } = await place.read()
  expect(packs.map(({ objects }) => objects)).toEqual([1, 1])
})

it('remembers what a pack needs when others are appended to it', async () => {
  const place = await openPlace()
  const base = noise(400_000, 1)
  await keep(place, base)
  const [below] = (await place.read()).packs
  if (!below) throw new Error('Expected a pack')
  for (const [i, other] of [place, await openPlace(place.name), place].entries()) {
    const addPacks = [await stage(other, [blob(`value ${i}`)], i === 0 ? [below.id] : [])]
    await done(other, request([], { addPacks }))
  }
  expect((await place.read()).packs.map(({ needs }) => needs)).toEqual([[], [below.id]])
})

it('knows in an old state what was promised again since', async () => {
  const place = await openPlace()
  const promise = (remote: string) =>
    done(place, request([], { promised: { add: [oid(3)], remote } }))
  await promise('origin')
  const state = await place.read()
  await promise('origin')
  expect(await state.promised(oid(3))).toBe('origin')
})
