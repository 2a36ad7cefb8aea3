/** What is special to R2; what it shares with other places is in the contract (`place.workerd.test.ts`). */
import { env } from 'cloudflare:workers'
import { utf8 } from '@datakit/git/bytes'
import { nameObject } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { encodePack } from '@datakit/git/pack/write-pack'
import type { Place, RefUpdate, StagedPack, UpdateRequest } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { expect, it } from 'vitest'
import { faultyBucket, type Fault } from '../../test/faulty-bucket.ts'
import { randomId } from '../update.ts'
import type { Bucket } from './bucket.ts'
import { r2Depot } from './depot.ts'

const bucket: Bucket = (env as unknown as { BUCKET: R2Bucket }).BUCKET

const log = { who: 'Ada <ada@example.org>', why: 'test' }

function request(refs: readonly RefUpdate[], more: Partial<UpdateRequest> = {}): UpdateRequest {
  return { id: randomId(), refs, log, ...more }
}

function oidOf(number: number): Oid {
  return nameObject(nodeRuntime, { type: 'blob', body: utf8(`${number}`) })
}

function create(name: string, number: number): RefUpdate {
  return { name, from: undefined, to: oidOf(number) }
}

async function stage(place: Place, ...texts: string[]): Promise<StagedPack> {
  const objects = texts.map((content) => {
    const body = utf8(content)
    return { oid: nameObject(nodeRuntime, { type: 'blob', body }), type: 'blob' as const, body }
  })
  const { bytes, table } = await encodePack(nodeRuntime, objects)
  const writer = await place.writePack()
  await writer.write(bytes)
  return writer.finish({ table, needs: [], verified: true })
}

let number = 0
const uniqueName = () => `test/${++number}-${randomId().slice(0, 6)}`

it('creates a repository by its first update, in one read and one write', async () => {
  const counted = faultyBucket(bucket)
  const name = uniqueName()
  const place = await r2Depot(counted).open(name)
  const main = create('refs/heads/main', 1)
  const outcome = await place.update(request([main]))
  expect(outcome).toMatchObject({ state: 'done' })
  expect(counted.calls).toEqual([`get root/${name}`, `put root/${name}`])
  const state = await (await r2Depot(bucket).open(name)).read()
  expect(state.exists).toBe(true)
  expect(await state.ref('refs/heads/main')).toBe(main.to)
})

it('lists refs with one read, cold and warm', async () => {
  const name = uniqueName()
  const writer = await r2Depot(bucket).open(name)
  await writer.update(request([create('refs/heads/main', 1), create('refs/heads/next', 2)]))
  const counted = faultyBucket(bucket)
  const place = await r2Depot(counted).open(name)
  for (let i = 1; i <= 3; i++) {
    const names = []
    for await (const ref of (await place.read()).refs()) names.push(ref.name)
    expect(names).toEqual(['refs/heads/main', 'refs/heads/next'])
    expect(counted.calls).toHaveLength(i)
  }
})

it('makes a small update in at most five reads and two writes from a cold start', async () => {
  const name = uniqueName()
  const first = await r2Depot(bucket).open(name)
  await first.update(
    request([create('refs/heads/main', 1)], {
      addPacks: [await stage(first, 'one'), await stage(first, 'two')],
    }),
  )
  const counted = faultyBucket(bucket)
  const place = await r2Depot(counted).open(name)
  const state = await place.read()
  for (const { id, indexSize } of state.packs) await place.readIndex(id, 0, indexSize)
  const move = { name: 'refs/heads/main', from: await state.ref('refs/heads/main'), to: oidOf(2) }
  const outcome = await place.update(request([move], { addPacks: [await stage(place, 'three')] }))
  expect(outcome).toMatchObject({ state: 'done' })
  const writes = counted.calls.filter((call) => call.startsWith('put '))
  expect(writes).toHaveLength(2)
  expect(counted.calls.length - writes.length).toBeLessThanOrEqual(5)
})

it('settles an update whose answer was lost by its receipt', async () => {
  const faults: Fault[] = ['lose-answer']
  const faulty = faultyBucket(bucket, {
    fault: (method, key) =>
      method === 'put' && key.startsWith('root/') ? (faults.shift() ?? 'none') : 'none',
  })
  const place = await r2Depot(faulty).open(uniqueName())
  const wish = request([create('refs/heads/main', 1)])
  expect(await place.update(wish)).toMatchObject({ state: 'done' })
  expect(faults).toEqual([])
  expect(await place.update(wish)).toMatchObject({ state: 'done' })
  expect(faulty.calls.filter((call) => call.startsWith('put root/'))).toHaveLength(1)
})

it('says that an outcome is unknown when every answer fails, and tells it later', async () => {
  let broken = false
  const faulty = faultyBucket(bucket, {
    fault: (method, key) => {
      if (method === 'put' && key.startsWith('root/')) broken = true
      return broken ? 'lose-answer' : 'none'
    },
  })
  const name = uniqueName()
  const place = await r2Depot(faulty).open(name)
  const wish = request([create('refs/heads/main', 1)])
  expect(await place.update(wish)).toMatchObject({ state: 'unknown' })
  const other = await r2Depot(bucket).open(name)
  expect(await (await other.read()).receipt(wish.id)).toMatchObject({ outcome: 'done' })
  expect(await other.update(wish)).toMatchObject({ state: 'done' })
})

it('answers busy when the bucket takes no second write within a second', async () => {
  const slow = faultyBucket(bucket, { writeInterval: 1000 })
  const place = await r2Depot(slow, { patience: 0 }).open(uniqueName())
  expect(await place.update(request([create('refs/heads/a', 1)]))).toMatchObject({ state: 'done' })
  const outcome = await place.update(request([create('refs/heads/b', 1)]))
  expect(outcome).toMatchObject({ state: 'busy' })
  const patient = await r2Depot(slow, { patience: 5000 }).open(uniqueName())
  await patient.update(request([create('refs/heads/a', 1)]))
  expect(await patient.update(request([create('refs/heads/b', 1)]))).toMatchObject({
    state: 'done',
  })
})
