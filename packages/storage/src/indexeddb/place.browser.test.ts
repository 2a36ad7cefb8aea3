import { deleteDB, openDB } from 'idb'
import { Objects } from '@datakit/git/objects'
import { encodePack } from '@datakit/git/pack/write-pack'
import type { Place } from '@datakit/git/place'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { afterEach, expect, it, vi } from 'vitest'
import { blob, collect, done, move, noise, oid, request, stage } from '../../test/samples.ts'
import { randomId } from '../update.ts'
import { indexedDbDepot, openIndexedDbPlace } from './place.ts'
import type { ChunkRow } from './schema.ts'
import type { WriterOrder } from './writer.worker.ts'

const MAIN = 'refs/heads/main'
const opened: { name: string; place: Place }[] = []

async function open(name = `place-${randomId()}`): Promise<Place & { readonly name: string }> {
  const place = await openIndexedDbPlace(name)
  opened.push({ name, place })
  return { ...place, name }
}

afterEach(async () => {
  vi.restoreAllMocks()
  for (const { place } of opened) await place.close()
  for (const name of new Set(opened.splice(0).map(({ name }) => name))) await deleteDB(name)
})

async function keep(place: Place, ...objects: Parameters<typeof stage>[1]): Promise<void> {
  await done(place, request([], { addPacks: [await stage(place, objects)] }))
}

it('keeps a thousand commits in a few rows', async () => {
  const place = await open()
  const blobs = Array.from({ length: 1000 }, (_, i) => noise(600, i))
  for (const each of blobs) await keep(place, each)
  const { packs } = await place.read()
  expect(packs.length).toBeLessThan(6)
  const database = await openDB(place.name)
  expect(await database.count('packs')).toBe(packs.length)
  expect(await database.count('chunks')).toBe(2 * packs.length)
  database.close()
  const objects = await Objects.open(await open(place.name), portableRuntime)
  for (const each of blobs) expect((await objects.read(each.oid)).body).toEqual(each.body)
})

it('reads a pack under its old id once it was put into another one', async () => {
  const place = await open()
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
  const other = await open(place.name)
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
  const place = await open()
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
  const [one, two] = [await open(), await open(opened[0]?.name)]
  for (let i = 0; i < 20; i++) await keep(i % 2 === 0 ? one : two, blob(`value ${i}`))
  expect((await two.read()).packs.map(({ objects }) => objects)).toEqual([20])
})

it('lets exactly one of 32 workers win each round', async () => {
  const place = await open()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const workers = Array.from(
    { length: 32 },
    () => new Worker(new URL('./writer.worker.ts', import.meta.url), { type: 'module' }),
  )
  const ask = (worker: Worker, order: WriterOrder) =>
    new Promise<string>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data)
      worker.onerror = ({ message }) => reject(new Error(message))
      worker.postMessage(order)
    })
  await Promise.all(workers.map((worker) => ask(worker, { open: place.name })))
  let current = oid(1)
  for (let round = 1; round <= 5; round++) {
    const states = await Promise.all(
      workers.map((worker, i) =>
        ask(worker, { update: request([move(MAIN, current, oid(round * 100 + i))]) }),
      ),
    )
    const winner = states.indexOf('done')
    expect(states.filter((state) => state === 'done')).toHaveLength(1)
    current = oid(round * 100 + winner)
    expect(await (await place.read()).ref(MAIN)).toBe(current)
  }
  expect(await collect(place.log(MAIN))).toHaveLength(6)
  for (const worker of workers) worker.terminate()
})

it('tells other tabs that something changed', async () => {
  const [one, two] = [await open(), await open(opened[0]?.name)]
  const heard = new Promise<void>((resolve) => two.subscribe(resolve))
  await done(one, request([move(MAIN, undefined, oid(1))]))
  await heard
})

it.each(['InvalidStateError', 'UnknownError'])(
  'survives a connection that dies with %s',
  async (name) => {
    const place = await open()
    await done(place, request([move(MAIN, undefined, oid(1))]))
    const die = () =>
      vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementationOnce(() => {
        throw new DOMException('The connection was lost', name)
      })
    die()
    await done(place, request([move(MAIN, oid(1), oid(2))]))
    die()
    expect(await (await place.read()).ref(MAIN)).toBe(oid(2))
  },
)

it('settles an update whose answer died with the connection', async () => {
  const place = await open()
  const genuine = IDBDatabase.prototype.transaction
  vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementationOnce(function (
    this: IDBDatabase,
    ...rest
  ) {
    const transaction = genuine.apply(this, rest)
    // It commits, but all that we hear is that the connection is gone.
    const listen = transaction.addEventListener.bind(transaction)
    transaction.addEventListener = (type: string, listener: EventListener) => {
      if (type !== 'complete') return listen(type, listener)
      listen('complete', () => {
        Object.defineProperty(transaction, 'error', {
          value: new DOMException('lost', 'UnknownError'),
        })
        transaction.dispatchEvent(new Event('error'))
      })
    }
    return transaction
  })
  await done(place, request([move(MAIN, undefined, oid(1))]))
  expect(await collect(place.log(MAIN))).toHaveLength(1)
})

it('says what to do when the disk is full, and changes nothing', async () => {
  const place = await open()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const { version } = await place.read()
  vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
    throw new DOMException('Full', 'QuotaExceededError')
  })
  await expect(place.update(request([move(MAIN, oid(1), oid(2))]))).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('free space'),
  })
  vi.restoreAllMocks()
  expect((await place.read()).version).toBe(version)
  expect(await (await place.read()).ref(MAIN)).toBe(oid(1))
})

it('names the pack whose stored bytes are damaged or gone', async () => {
  const place = await open()
  await keep(place, noise(600_000, 1))
  const [pack] = (await place.read()).packs
  if (!pack) throw new Error('Expected a pack')
  const database = await openDB(place.name)
  const chunk: ChunkRow = await database.get('chunks', [pack.id, 0, 1])
  chunk.bytes[1000] = (chunk.bytes[1000] ?? 0) ^ 1
  await database.put('chunks', chunk, [pack.id, 0, 1])
  const damaged = { code: 'malformed', message: expect.stringContaining(pack.id) }
  await expect(place.readPack(pack.id, 300_000, 300_010)).rejects.toMatchObject(damaged)
  expect(await place.readPack(pack.id, 0, 4)).toEqual(Uint8Array.of(0x50, 0x41, 0x43, 0x4b))
  await database.delete('chunks', [pack.id, 0, 1])
  await expect(place.readPack(pack.id, 0, pack.size)).rejects.toMatchObject(damaged)
  await expect(place.readPack(pack.id, 300_000, 300_010)).rejects.toMatchObject(damaged)
  database.close()
})

it('makes way for a newer version of the program', async () => {
  const place = await open()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const newer = await openDB(place.name, 2)
  await expect(place.read()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('reload'),
  })
  newer.close()
})

it('reads as a repository that does not exist when its data was cleared', async () => {
  const place = await open()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const { repository } = await place.read()
  await deleteDB(place.name)
  expect((await place.read()).exists).toBe(false)
  await done(place, request([move(MAIN, undefined, oid(1))]))
  expect((await place.read()).repository).not.toBe(repository)
})

it('drops what a writer left behind after a day', async () => {
  let now = Date.now()
  const name = `place-${randomId()}`
  const place = await openIndexedDbPlace(name, { clock: () => now })
  opened.push({ name, place })
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const { bytes } = await encodePack(portableRuntime, [noise(3_000_000, 1)])
  await (await place.writePack()).write(bytes)
  now += 23 * 3600 * 1000
  expect(await place.sweep({ grace: 0 })).toEqual({ deleted: 0 })
  now += 2 * 3600 * 1000
  expect(await place.sweep({ grace: 0 })).toEqual({ deleted: 1 })
  const database = await openDB(name)
  expect(await database.count('chunks')).toBe(0)
  database.close()
})

it('lists the repositories that exist', async () => {
  const prefix = `depot-${randomId()}:`
  const depot = indexedDbDepot(prefix)
  for (const name of ['b', 'a/c', 'empty']) {
    const place = await depot.open(name)
    opened.push({ name: prefix + name, place })
    if (name !== 'empty') await done(place, request([move(MAIN, undefined, oid(1))]))
  }
  expect((await collect(depot.list())).map(({ name }) => name)).toEqual(['a/c', 'b'])
})
