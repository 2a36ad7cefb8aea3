import { Objects } from '@datakit/git/objects'
import { makeDelta } from '@datakit/git/pack/delta'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { expect, it } from 'vitest'
import { blob, done, noise, patched, request, stage } from '../test/samples.ts'
import { chooseRun, compact } from './maintenance.ts'
import { memoryPlace } from './memory.ts'

async function keep(place: Place, ...objects: Parameters<typeof stage>[1]): Promise<void> {
  await done(place, request([], { addPacks: [await stage(place, objects)] }))
}

async function packIds(place: Place): Promise<string[]> {
  return (await place.read()).packs.map(({ id }) => id)
}

it('leaves a logarithm of packs, and never copies the base', async () => {
  const place = memoryPlace()
  await keep(place, noise(100_000, 1))
  const [base] = await packIds(place)
  const blobs = Array.from({ length: 200 }, (_, i) => blob(`value ${i}`))
  for (const each of blobs) {
    await keep(place, each)
    await compact(place, nodeRuntime)
    expect((await packIds(place)).length).toBeLessThan(10)
  }
  expect((await packIds(place))[0]).toBe(base)
  const objects = await Objects.open(place, nodeRuntime)
  for (const { oid, body } of blobs) expect((await objects.read(oid)).body).toEqual(body)
})

it('merges a thousand packs a few at a time', async () => {
  const place = memoryPlace()
  const blobs = Array.from({ length: 1000 }, (_, i) => blob(`value ${i}`))
  for (const each of blobs) await keep(place, each)
  const { merged } = await compact(place, nodeRuntime, { maxPacks: 100 })
  expect(merged).toBeGreaterThanOrEqual(1000)
  expect(await packIds(place)).toHaveLength(1)
  const objects = await Objects.open(place, nodeRuntime)
  for (const { oid, body } of blobs) expect((await objects.read(oid)).body).toEqual(body)
})

it('keeps a delta against a pack that stays', async () => {
  const place = memoryPlace()
  const base = noise(50_000, 2)
  await keep(place, base)
  const needs = await packIds(place)
  const target = patched(base.body)
  const delta = { base: base.oid, bytes: makeDelta(base.body, target.body) }
  const thin = await stage(place, [{ ...target, delta }], needs)
  await done(place, request([], { addPacks: [thin] }))
  await keep(place, blob('one'))
  await compact(place, nodeRuntime)
  const { packs } = await place.read()
  expect(packs.map((pack) => pack.needs)).toEqual([[], needs])
  expect(packs[1]?.size).toBeLessThan(500)
  const objects = await Objects.open(place, nodeRuntime)
  expect((await objects.read(target.oid)).body).toEqual(target.body)
})

it('drops copies of what an older pack has', async () => {
  const place = memoryPlace()
  await keep(place, noise(50_000, 3), blob('one'))
  const before = await packIds(place)
  await keep(place, blob('one'))
  await keep(place, blob('one'))
  await compact(place, nodeRuntime)
  expect(await packIds(place)).toEqual(before)
})

it('leaves packs alone that nobody verified, or that others need', () => {
  const pack = (id: string, more = {}) => {
    return { id, size: 100, indexSize: 100, objects: 1, needs: [], verified: true, ...more }
  }
  const ids = (packs: ReturnType<typeof pack>[]) => chooseRun(packs).map(({ id }) => id)
  expect(ids([pack('a'), pack('b')])).toEqual(['a', 'b'])
  expect(ids([pack('a'), pack('b', { verified: false }), pack('c'), pack('d')])).toEqual(['c', 'd'])
  expect(ids([pack('a', { size: 500 }), pack('b'), pack('c')])).toEqual(['b', 'c'])
  expect(ids([pack('a', { size: 1e6, needs: ['c'] }), pack('b'), pack('c'), pack('d')])).toEqual([
    'b',
    'd',
  ])
})

it('stops when it is told to, and leaves the place as it was', async () => {
  const place = memoryPlace()
  await keep(place, blob('one'))
  await keep(place, blob('two'))
  const before = await packIds(place)
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(compact(place, nodeRuntime, { signal })).rejects.toThrow('enough')
  expect(await packIds(place)).toEqual(before)
})
