/**
 * Thousands of refs in IndexedDB: what is read of them, and what the log says of updates that move many.
 *
 * Seen to fail with blocks read from number 0 on, and with the batches of the log left out.
 */
import { openDB } from 'idb'
import { afterEach, expect, it, vi } from 'vitest'
import { deletePlaces, openPlace } from '../../test/indexeddb-places.ts'
import { collect, done, move, oid, request } from '../../test/samples.ts'
import { repairRows } from './repair.ts'

const MAIN = 'refs/heads/main'
const topic = (i: number): string => `refs/heads/topic/${i}`

afterEach(async () => {
  vi.restoreAllMocks()
  await deletePlaces()
})

/** Counts the blocks that are read from here on. */
function countBlocks(): () => number {
  let count = 0
  const genuine = IDBIndex.prototype.getAll
  vi.spyOn(IDBIndex.prototype, 'getAll').mockImplementation(function (this: IDBIndex, ...rest) {
    const request = genuine.apply(this, rest)
    if (this.objectStore.name === 'blocks')
      request.addEventListener('success', () => (count += request.result.length))
    return request
  })
  return () => count
}

/** A repository with so many branches, made by one update, and `main`. */
async function begin(branches: number) {
  const place = await openPlace()
  const moves = Array.from({ length: branches }, (_, i) => move(topic(i), undefined, oid(i + 1)))
  await done(place, request([move(MAIN, undefined, oid(1))]))
  await done(place, request(moves))
  return place
}

it('reads only what changed, whoever changed it', async () => {
  const place = await begin(3000)
  const other = await openPlace(place.name)
  const before = await place.read()
  await other.read()
  const read = countBlocks()
  await done(other, request([move(topic(70), oid(71), oid(5))]))
  const after = await place.read()
  expect(await after.ref(topic(70))).toBe(oid(5))
  expect(await before.ref(topic(70))).toBe(oid(71))
  expect(await after.ref(topic(2999))).toBe(oid(3000))
  await place.read()
  expect(read()).toBe(1)
  await done(place, request([move(topic(70), oid(5), undefined)]))
  expect(await (await other.read()).ref(topic(70))).toBe(undefined)
  expect(await collect((await other.read()).refs('refs/heads/topic/'))).toHaveLength(2999)
  expect(read()).toBe(2)
})

it('keeps updates that move many refs as one row, and reads their log with the others', async () => {
  const place = await begin(1000)
  await done(place, request([move(topic(7), oid(8), oid(9))]))
  const all = Array.from({ length: 20 }, (_, i) =>
    move(topic(i), oid(i === 7 ? 9 : i + 1), undefined),
  )
  await done(place, request(all))
  await done(place, request([move(topic(7), undefined, oid(2))]))
  const database = await openDB(place.name)
  expect([await database.count('log'), await database.count('batches')]).toEqual([3, 2])
  const lines = await collect(place.log(topic(7)))
  expect(lines.map(({ from, to }) => [from, to])).toEqual([
    [undefined, oid(2)],
    [oid(9), undefined],
    [oid(8), oid(9)],
    [undefined, oid(8)],
  ])
  expect(lines[1]).toMatchObject({ ref: topic(7), why: 'commit: edit', external: false })
  expect(lines[1]?.at).toBeGreaterThan(1e12)
  expect(await collect(place.log(topic(999)))).toHaveLength(1)
  // Names that this one begins with.
  expect(await collect(place.log(topic(99)))).toHaveLength(1)
  const [batch] = await database.getAll('batches')
  await database.put('batches', { ...batch, why: 'nonsense' })
  const named = { code: 'malformed', message: expect.stringContaining(topic(7)) }
  await expect(collect(place.log(topic(7)))).rejects.toMatchObject(named)
  expect(await repairRows(place.name)).toEqual([expect.stringContaining('update 2')])
  expect(await collect(place.log(topic(7)))).toHaveLength(3)
  database.close()
})

it('makes a block of many anew out of the log', async () => {
  const place = await begin(3000)
  await done(
    place,
    request([move(topic(70), oid(71), undefined), move(topic(71), oid(72), oid(5))]),
  )
  const refs = await collect((await place.read()).refs())
  const database = await openDB(place.name)
  for (const block of await database.getAll('blocks'))
    await database.put('blocks', { ...block, lines: block.lines.replace('\n', '\n\n') })
  const other = await openPlace(place.name)
  expect(await collect((await other.read()).refs())).toEqual(refs)
  expect(await repairRows(place.name)).toHaveLength(await database.count('blocks'))
  database.close()
  expect(await collect((await (await openPlace(place.name)).read()).refs())).toEqual(refs)
})

it('refuses a name that a block would have as something else', async () => {
  const place = await begin(1)
  for (const name of ['refs/heads/a b', 'refs/heads/a\nb'])
    await expect(place.update(request([move(name, undefined, oid(1))]))).rejects.toThrow(RangeError)
})

it('refuses a branch beside one below it, in whichever block that is', async () => {
  const place = await begin(3000)
  const conflict = { code: 'ref-conflict' }
  const wish = (name: string) => place.update(request([move(name, undefined, oid(1))]))
  await expect(wish('refs/heads/topic')).rejects.toMatchObject(conflict)
  await expect(wish(`${topic(2999)}/more`)).rejects.toMatchObject(conflict)
  await done(place, request([move('refs/heads/topi', undefined, oid(1))]))
})
