import { expect, it } from 'vitest'
import { placeContract } from '../test/contract.ts'
import { done, move, oid, request } from '../test/samples.ts'
import { memoryDepot, memoryPlace } from './memory.ts'
import { KEPT_RECEIPTS, RECEIPT_LIFETIME } from './update.ts'

placeContract('memory', async () => {
  const depot = memoryDepot()
  return {
    place: await depot.open('one'),
    reopen: () => depot.open('one'),
    destroy: () => depot.close(),
  }
})

it('lists the repositories that exist, ordered by name', async () => {
  const depot = memoryDepot()
  for (const name of ['b', 'a/b', 'a']) {
    await done(await depot.open(name), request([move('refs/heads/main', undefined, oid(1))]))
  }
  await depot.open('never-updated')
  const names = []
  for await (const { name } of depot.list()) names.push(name)
  expect(names).toEqual(['a', 'a/b', 'b'])
})

it('forgets a receipt when it is both old and one of many', async () => {
  let now = 1_000_000_000_000
  const place = memoryPlace({ clock: () => now })
  const first = request([move('refs/heads/main', undefined, oid(1))])
  await done(place, first)
  const update = (i: number) => done(place, request([move('refs/heads/main', oid(i), oid(i + 1))]))
  for (let i = 1; i <= KEPT_RECEIPTS; i++) await update(i)
  expect(await (await place.read()).receipt(first.id)).toBeDefined()
  now += RECEIPT_LIFETIME + 1
  await update(KEPT_RECEIPTS + 1)
  expect(await (await place.read()).receipt(first.id)).toBeUndefined()
})
