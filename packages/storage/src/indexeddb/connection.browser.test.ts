/**
 * What a browser does to a database: it ends connections, deletes and upgrades, refuses and fills up.
 */
import { deleteDB, openDB, type IDBPDatabase } from 'idb'
import { encodePack } from '@datakit/git/pack/write-pack'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { afterEach, expect, it, vi } from 'vitest'
import { deletePlaces, openPlace } from '../../test/indexeddb-places.ts'
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
  await expect(failed).rejects.toMatchObject({ code: 'unavailable' })
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
  const newer = await openDB(place.name, 2)
  expect((await writing).state).toBe('done')
  const reload = { code: 'unavailable', message: expect.stringContaining('reload') }
  await expect(place.read()).rejects.toMatchObject(reload)
  await expect(place.update(request([move(MAIN, oid(2), oid(3))]))).rejects.toMatchObject(reload)
  expect((await newer.getAll('refs')).map(({ oid }) => oid)).toEqual([oid(2)])
  newer.close()
})

/** A database that an older version keeps open, and the newer program. */
async function beNewerThan(name: string): Promise<IDBPDatabase> {
  const old = await openDB(name, 1)
  const genuine = IDBFactory.prototype.open
  vi.spyOn(IDBFactory.prototype, 'open').mockImplementation(function (this: IDBFactory, name) {
    return genuine.call(this, name, 2)
  })
  return old
}

it('waits until a tab of an older version closes', async () => {
  const name = `place-${randomId()}`
  const old = await beNewerThan(name)
  const setTimer = vi.spyOn(globalThis, 'setTimeout')
  const opening = openPlace(name)
  await vi.waitFor(() => expect(setTimer).toHaveBeenCalledWith(expect.any(Function), 5000))
  old.close()
  await done(await opening, request([move(MAIN, undefined, oid(1))]))
})

it('does not wait for ever for a tab of an older version', async () => {
  const name = `place-${randomId()}`
  const old = await beNewerThan(name)
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  const refused = expect(openIndexedDbPlace(name)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('close its other tabs'),
  })
  await vi.waitUntil(() => vi.getTimerCount() > 0)
  vi.runAllTimers()
  await refused
  old.close()
  await deleteDB(name)
})

it('reads as a repository that does not exist when its data was cleared', async () => {
  const place = await openPlace()
  await done(place, request([move(MAIN, undefined, oid(1))]))
  const { repository } = await place.read()
  await deleteDB(place.name)
  expect((await place.read()).exists).toBe(false)
  await done(place, request([move(MAIN, undefined, oid(1))]))
  expect((await place.read()).repository).not.toBe(repository)
})

it('takes no ref for absent because the data was cleared', async () => {
  const place = await openPlace()
  // As many as a state does not read along.
  const many = Array.from({ length: 300 }, (_, i) =>
    move(`refs/heads/b${i}`, undefined, oid(i + 1)),
  )
  await done(place, request([move(MAIN, undefined, oid(1)), ...many]))
  const state = await place.read()
  await deleteDB(place.name)
  const gone = { code: 'unavailable', message: expect.stringContaining('deleted') }
  await expect(state.ref(MAIN)).rejects.toMatchObject(gone)
  await expect(collect(state.refs())).rejects.toMatchObject(gone)
  await expect(state.promised(oid(1))).rejects.toMatchObject(gone)
  expect(await (await place.read()).ref(MAIN)).toBeUndefined()
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
  await done(place, request([move(MAIN, undefined, oid(1))]))
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
  ;(await openDB(`${prefix}new`, 2)).close()
  expect(await collect(depot.list())).toEqual([
    { name: 'new', refused: expect.stringContaining('newer version') },
    { name: 'old', refused: undefined },
  ])
})
