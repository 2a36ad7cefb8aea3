import { afterEach, expect, it, vi } from 'vitest'
import { blob, done, move, oid, request, stage } from '../../test/samples.ts'
import { openIndexedDbPlace } from './place.ts'
import type * as loading from './loading.ts'

const network = vi.hoisted(() => ({ isOff: false }))
vi.mock('./loading.ts', async (original) => {
  const { later } = await original<typeof loading>()
  const fail = () => Promise.reject(new TypeError('Failed to fetch dynamically imported module'))
  return { later: () => (network.isOff ? fail() : later()) }
})

const MAIN = 'refs/heads/main'

afterEach(() => {
  network.isOff = false
  vi.restoreAllMocks()
})

// Seen to fail when the reason is loaded with the advice.
it('says why a database cannot be used, also where the advice cannot be loaded', async () => {
  network.isOff = true
  vi.spyOn(IDBFactory.prototype, 'open').mockImplementation(() => {
    throw new DOMException('Not here', 'SecurityError')
  })
  await expect(openIndexedDbPlace('hidden')).rejects.toMatchObject({
    code: 'unavailable',
    reason: 'storage-blocked',
    message: 'Cannot use "hidden": storage-blocked (SecurityError: Not here)',
  })
})

it('changes nothing by an update that needs what cannot be loaded', async () => {
  const place = await openIndexedDbPlace(`unloaded ${crypto.randomUUID()}`)
  network.isOff = true
  const update = place.update(request([move(MAIN, undefined, oid(1))]))
  await expect(update).rejects.toThrow('Failed to fetch')
  const state = await place.read()
  expect([state.exists, await state.ref(MAIN)]).toEqual([false, undefined])
  network.isOff = false
  await done(place, request([move(MAIN, undefined, oid(1))]))
  await place.close()
})

it('loads nothing to open, to read and to move a ref with a small pack', async () => {
  const name = `usual ${crypto.randomUUID()}`
  const first = await openIndexedDbPlace(name)
  await done(first, request([move(MAIN, undefined, oid(1))]))
  await first.close()
  network.isOff = true
  const place = await openIndexedDbPlace(name)
  for (const i of [1, 2]) {
    const pack = await stage(place, [blob(`${i}`)])
    await done(place, request([move(MAIN, oid(i), oid(i + 1))], { addPacks: [pack] }))
  }
  const state = await place.read()
  expect(await state.ref(MAIN)).toBe(oid(3))
  const [pack] = state.packs
  expect((await place.readPack(pack?.id ?? '', 0, 4)).length).toBe(4)
  await place.close()
})
