import { concat, equal } from '@datakit/git/bytes'
import { nameObject } from '@datakit/git/object'
import { makeDelta } from '@datakit/git/pack/delta'
import { encodePack, type PackObject } from '@datakit/git/pack/write-pack'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { expect, it } from 'vitest'
import { done, request } from '../test/samples.ts'
import { memoryPlace } from './memory.ts'
import { StoredPack } from './stored-pack.ts'
import { verifyPacks } from './verify.ts'

/** A place that counts how often bytes of packs are asked for. */
function counting(place: Place): { readonly place: Place; readonly count: () => number } {
  let count = 0
  const readPack: Place['readPack'] = (...span) => {
    count++
    return place.readPack(...span)
  }
  return { place: { ...place, readPack }, count: () => count }
}

async function keep(place: Place, bytes: Uint8Array, table: Parameters<Finish>[0]['table']) {
  const writer = await place.writePack()
  await writer.write(bytes)
  const staged = await writer.finish({ table, needs: [], verified: false })
  await done(place, request([], { addPacks: [staged] }))
}

type Finish = Awaited<ReturnType<Place['writePack']>>['finish']

it('is asked of its place once, however often its deltas go back to it', async () => {
  const bodies = Array.from({ length: 100 }, (_, i) => new Uint8Array(300_000).fill(i))
  const whole = bodies.map((body): PackObject => {
    return { type: 'blob', body, oid: nameObject(nodeRuntime, { type: 'blob', body }) }
  })
  // More than is kept of bodies lies between each and what is made of it.
  const deltas = whole.map(({ body: old, oid }): PackObject => {
    const body = old.with(7, 200)
    const made = { type: 'blob', body } as const
    const bytes = makeDelta(old, body)
    return { ...made, oid: nameObject(nodeRuntime, made), delta: { base: oid, bytes } }
  })
  const { bytes, table } = await encodePack(nodeRuntime, [...whole, ...deltas])
  const { place, count } = counting(memoryPlace())
  await keep(place, bytes, table)
  const before = count()
  expect((await verifyPacks(place, nodeRuntime)).verified).toBe(1)
  expect(count() - before).toBe(Math.ceil(bytes.length / 2 ** 20))
})

it('gives any bytes of a pack, kept or not', async () => {
  const body = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * i) >> 7)
  const oid = nameObject(nodeRuntime, { type: 'blob', body })
  const { bytes, table } = await encodePack(nodeRuntime, [{ type: 'blob', body, oid }], 0)
  const place = memoryPlace()
  await keep(place, bytes, table)
  const [pack] = (await place.read()).packs
  if (pack === undefined) return expect.unreachable()
  const stored = new StoredPack(place, pack)
  const spans = [0, 5, 262_143, 262_144, 300_000, 1_048_577, 2_999_999, bytes.length]
  const check = async (): Promise<void> => {
    for (const start of spans)
      for (const end of spans.filter((end) => end >= start))
        expect(equal(await stored.read(start, end), bytes.subarray(start, end))).toBe(true)
  }
  await check()
  const pieces: Uint8Array[] = []
  for await (const piece of stored.pieces()) pieces.push(piece)
  expect(equal(concat(pieces), bytes)).toBe(true)
  await check()
})
