/**
 * What a browser does to a database: it ends connections, deletes and upgrades, refuses and fills up.
 */
import { deleteDB, openDB } from 'idb'
import { encodePack } from '@datakit/git/pack/write-pack'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { afterEach, expect, it, vi } from 'vitest'
import { deletePlaces, openOlder, openPlace } from '../../test/indexeddb-places.ts'
import {
  blob,
  collect,
  done,
  move,
  noise,
  oid,
  request,
  settle,
  stage,
} from '../../test/samples.ts'
import { randomId } from '../update.ts'
import { indexedDbDepot, openIndexedDbPlace } from './place.ts'
import { SCHEMA_VERSION } from './schema.ts'

const MAIN = 'refs/heads/main'

afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  await deletePlaces()
})

/** Lets the next transaction commit, but all that the page hears is that the connection is gone. */
function loseNextAnswer(): void {
  const genuine = IDBDatabase.prototype.transaction
  vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementationOnce(function (
    this: IDBDatabase,
    ...rest
  ) {
    const transaction = genuine.apply(this, rest)
    const listen = transaction.addEventListener.bind(transaction)
    transaction.addEventListener = (type: string, listener: EventListener) => {
      if (type !== 'complete') return listen(type, listener)
      listen('complete', () => {
        const error = new DOMException('lost', 'UnknownError')
        Object.defineProperty(transaction, 'error', { value: error })
        transaction.dispatchEvent(new Event('error'))
      })
    }
    return transaction
  })
}

/** Makes the browser refuse to open databases. */
function refuseToOpen(name: string): void {
  vi.spyOn(IDBFactory.prototype, 'open').mockImplementation(() => {
    throw new DOMException('No', name)
  })
}

it.each(['InvalidStateError', 'UnknownError'])(
  'survives a connection that dies with %s',
  async (name) => {
    const place = await openPlace()
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

/** Makes transactions fail as on a connection that is gone, so many times. */
function dieTimes(times: number) {
  const genuine = IDBDatabase.prototype.transaction
  let left = times
  return vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (
    this: IDBDatabase,
    ...rest
  ) {
    if (left-- > 0) throw new DOMException('The connection was lost', 'UnknownError')
    return genuine.apply(this, rest)
  })
}

it.each([2, 3, 4])('goes on after %i connections that died one after the other', async (times) => {
  const place = await openPlace()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  dieTimes(times)
  await done(place, request([move(MAIN, oid(1), oid(2))]))
  expect(await collect(place.log(MAIN))).toHaveLength(2)
})

it('gives up on a database that never works, and takes up again when it does', async () => {
  const place = await openPlace()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const transact = dieTimes(Infinity)
  const broken = { code: 'unavailable', reason: 'storage-broken' }
  await expect(place.read()).rejects.toMatchObject(broken)
  expect(transact.mock.calls.length).toBe(5)
  const failed = place.update(request([move(MAIN, oid(1), oid(2))]))
  await expect(failed).rejects.toMatchObject(broken)
  transact.mockRestore()
  expect(await (await place.read()).ref(MAIN)).toBe(oid(1))
})

it('loses nothing when each of its connections is closed under it', async () => {
  const place = await openPlace()
  const genuine = IDBDatabase.prototype.transaction
  let count = 0
  vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (
    this: IDBDatabase,
    ...rest
  ) {
    const transaction = genuine.apply(this, rest)
    if (++count % 3 === 0) transaction.abort()
    if (count % 3 === 1) this.close()
    return transaction
  })
  for (let i = 0; i < 20; i++)
    await done(place, request([move(MAIN, i === 0 ? undefined : oid(i), oid(i + 1))]))
  expect(await collect(place.log(MAIN))).toHaveLength(20)
})

it('opens a database once for all who were using it when its connection died', async () => {
  const place = await openPlace()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const open = vi.spyOn(IDBFactory.prototype, 'open')
  const transact = vi.spyOn(IDBDatabase.prototype, 'transaction')
  for (let i = 0; i < 5; i++) {
    transact.mockImplementationOnce(() => {
      throw new DOMException('The connection was lost', 'InvalidStateError')
    })
  }
  const found = await Promise.all(
    Array.from({ length: 5 }, async () => (await place.read()).ref(MAIN)),
  )
  expect(found).toEqual(Array(5).fill(oid(1)))
  expect(open).toHaveBeenCalledTimes(1)
})

it('settles an update whose answer died with the connection', async () => {
  const place = await openPlace()
  loseNextAnswer()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  expect(await collect(place.log(MAIN))).toHaveLength(1)
})

it('does not say that nothing has happened when it cannot know', async () => {
  const place = await openPlace()
  const wish = request([move(MAIN, undefined, oid(1))])
  loseNextAnswer()
  refuseToOpen('UnknownError')
  expect(await place.update(wish)).toMatchObject({ state: 'unknown' })
  await expect(place.read()).rejects.toMatchObject({ code: 'unavailable' })
  vi.restoreAllMocks()
  expect((await settle(place, wish)).state).toBe('done')
  expect(await collect(place.log(MAIN))).toHaveLength(1)
})

it('says that nothing has happened when the connection dies before the commit', async () => {
  const place = await openPlace()
  vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(() => {
    throw new DOMException('The connection was lost', 'UnknownError')
  })
  const failed = place.update(request([move(MAIN, undefined, oid(1))]))
  await expect(failed).rejects.toMatchObject({ code: 'unavailable', reason: 'storage-broken' })
})

it.each(['SecurityError', 'InvalidStateError'])(
  'names the repository when the browser keeps no data: %s',
  async (name) => {
    refuseToOpen(name)
    await expect(openIndexedDbPlace('hidden')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('"hidden"'),
    })
  },
)

it('says what to do when the disk is full, and changes nothing', async () => {
  const place = await openPlace()
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

it('leaves nothing of a pack that cannot be finished', async () => {
  const place = await openPlace()
  const { bytes, table } = await encodePack(portableRuntime, [noise(3_000_000, 1)])
  const writer = await place.writePack()
  await writer.write(bytes)
  vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
    throw new DOMException('Full', 'QuotaExceededError')
  })
  const finished = writer.finish({ table, needs: [], verified: true })
  await expect(finished).rejects.toMatchObject({ code: 'unavailable' })
  vi.restoreAllMocks()
  await writer.abort()
  const database = await openDB(place.name)
  expect(await database.count('chunks')).toBe(0)
  expect(await database.count('packs')).toBe(0)
  database.close()
})

it('makes way for a newer version of the program, and writes no more', async () => {
  const place = await openPlace()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const writing = place.update(request([move(MAIN, oid(1), oid(2))]))
  const newer = await openDB(place.name, SCHEMA_VERSION + 1)
  expect((await writing).state).toBe('done')
  const reload = { reason: 'storage-newer', message: expect.stringContaining('reload') }
  await expect(place.read()).rejects.toMatchObject(reload)
  await expect(place.update(request([move(MAIN, oid(2), oid(3))]))).rejects.toMatchObject(reload)
  expect(await newer.getAll('blocks')).toMatchObject([{ lines: `\n${MAIN} ${oid(2)}` }])
  newer.close()
})

it('lets go of the database when the page is frozen, and takes it up again', async () => {
  const place = await openPlace()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const close = vi.spyOn(IDBDatabase.prototype, 'close')
  document.dispatchEvent(new Event('freeze'))
  await vi.waitFor(() => expect(close).toHaveBeenCalledTimes(1))
  expect(await (await place.read()).ref(MAIN)).toBe(oid(1))
})

it('waits until a tab of an older version closes', async () => {
  const name = `place-${randomId()}`
  const old = await openOlder(name)
  const setTimer = vi.spyOn(globalThis, 'setTimeout')
  const opening = openPlace(name)
  await vi.waitFor(() => expect(setTimer).toHaveBeenCalledWith(expect.any(Function), 5000))
  old.close()
  await done(await opening, request([move(MAIN, undefined, oid(1))]))
})

it('does not wait for ever for a tab of an older version', async () => {
  const name = `place-${randomId()}`
  const old = await openOlder(name)
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  const refused = expect(openIndexedDbPlace(name)).rejects.toMatchObject({
    reason: 'storage-older',
    message: expect.stringContaining('close its other tabs'),
  })
  await vi.waitUntil(() => vi.getTimerCount() > 0)
  vi.runAllTimers()
  await refused
  old.close()
  await deleteDB(name)
})

const GONE = { reason: 'storage-gone', message: expect.stringContaining('deleted') }

it('takes no repository for a new one because its data was cleared', async () => {
  const place = await openPlace()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  await deleteDB(place.name)
  await expect(place.read()).rejects.toMatchObject(GONE)
  const again = place.update(request([move(MAIN, undefined, oid(1))]))
  await expect(again).rejects.toMatchObject(GONE)
  const database = await openDB(place.name)
  expect(await database.count('state')).toBe(0)
  database.close()
})

it('begins anew for who asks anew, and tells those who saw the one before', async () => {
  const before = await openPlace()
  await done(before, request([move(MAIN, undefined, oid(1))]))
  const { repository } = await before.read()
  await deleteDB(before.name)
  const expecting = await openPlace(before.name, { repository })
  await expect(expecting.read()).rejects.toMatchObject(GONE)
  const after = await openPlace(before.name)
  expect((await after.read()).exists).toBe(false)
  await done(after, request([move(MAIN, undefined, oid(1))]))
  for (const place of [before, expecting]) {
    await expect(place.read()).rejects.toMatchObject(GONE)
    const late = place.update(request([move(MAIN, oid(1), oid(2))]))
    await expect(late).rejects.toMatchObject(GONE)
  }
  expect(await (await after.read()).ref(MAIN)).toBe(oid(1))
})

it('takes no ref for absent because the data was cleared', async () => {
  const place = await openPlace()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const state = await place.read()
  await deleteDB(place.name)
  expect(await state.ref(MAIN)).toBe(oid(1))
  expect(await collect(state.refs())).toMatchObject([{ name: MAIN, oid: oid(1) }])
  await expect(state.promised(oid(1))).rejects.toMatchObject(GONE)
  await expect(state.receipt(randomId())).rejects.toMatchObject(GONE)
})

it('keeps no pack whose first half was cleared', async () => {
  const place = await openPlace()
  const { bytes, table } = await encodePack(portableRuntime, [noise(5_000_000, 1)])
  const writer = await place.writePack()
  await writer.write(bytes.subarray(0, 3_000_000))
  await deleteDB(place.name)
  await expect(
    (async () => {
      await writer.write(bytes.subarray(3_000_000))
      await writer.finish({ table, needs: [], verified: true })
    })(),
  ).rejects.toMatchObject({ code: 'missing' })
})

it('loses what was staged when the data was cleared', async () => {
  const place = await openPlace()
  const needs = [randomId()]
  const large = await stage(place, [noise(400_000, 1)])
  const thin = await stage(place, [blob('small')], needs)
  await deleteDB(place.name)
  const update = (pack: typeof thin) =>
    settle(place, request([move(MAIN, undefined, oid(1))], { addPacks: [pack] }))
  expect(await update(large)).toMatchObject({ state: 'lost', packs: [large.id] })
  expect(await update(thin)).toMatchObject({ state: 'lost', packs: needs })
})

it('lists the repositories that exist', async () => {
  const prefix = `depot-${randomId()}:`
  const depot = indexedDbDepot(prefix)
  for (const name of ['b', 'a/c', 'empty']) {
    const place = await openPlace(prefix + name)
    if (name !== 'empty') await done(place, request([move(MAIN, undefined, oid(1))]))
  }
  expect((await collect(depot.list())).map(({ name }) => name)).toEqual(['a/c', 'b'])
})

it('lists a repository of a newer version of the program with the reason', async () => {
  const prefix = `depot-${randomId()}:`
  const depot = indexedDbDepot(prefix)
  for (const name of ['new', 'old']) {
    await done(await openPlace(prefix + name), request([move(MAIN, undefined, oid(1))]))
  }
  ;(await openDB(`${prefix}new`, SCHEMA_VERSION + 1)).close()
  expect(await collect(depot.list())).toEqual([
    { name: 'new', refused: expect.stringContaining('newer version') },
    { name: 'old', refused: undefined },
  ])
})
