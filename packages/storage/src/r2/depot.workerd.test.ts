/** What is special to R2; what it shares with other places is in the contract (`place.workerd.test.ts`). */
import { ByteCache } from '@datakit/git/byte-cache'
import { utf8 } from '@datakit/git/bytes'
import { UnavailableError } from '@datakit/git/error'
import { nameObject } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { encodePack } from '@datakit/git/pack/write-pack'
import type { Place, RefUpdate, StagedPack, UpdateOutcome, UpdateRequest } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { expect, it } from 'vitest'
import { faultyBucket, type Fault } from '../../test/faulty-bucket.ts'
import { randomId } from '../update.ts'
import { overR2 } from '../../../../worker/test/r2-modes.ts'
import { listAll, type Bucket } from './bucket.ts'
import { r2Depot, type R2Options } from './depot.ts'
import { pause, Store } from './store.ts'

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

/** A depot whose updates wait for their turn, however slow the machine of the tests is. */
function openDepot(over: Bucket, options: R2Options = {}): ReturnType<typeof r2Depot> {
  return r2Depot(over, { patience: 60_000, ...options })
}

overR2(({ bucket, isThrottled, rest }) => {
  it('creates a repository by its first update, in one read and one write', async () => {
    const counted = faultyBucket(bucket)
    const name = uniqueName()
    const place = await openDepot(counted).open(name)
    const main = create('refs/heads/main', 1)
    const outcome = await place.update(request([main]))
    expect(outcome).toMatchObject({ state: 'done' })
    expect(counted.calls).toEqual([`get root/${name}`, `put root/${name}`])
    const state = await (await openDepot(bucket).open(name)).read()
    expect(state.exists).toBe(true)
    expect(await state.ref('refs/heads/main')).toBe(main.to)
  })

  it('lists refs with one read, cold and warm', async () => {
    const name = uniqueName()
    const writer = await openDepot(bucket).open(name)
    await writer.update(request([create('refs/heads/main', 1), create('refs/heads/next', 2)]))
    const counted = faultyBucket(bucket)
    const place = await openDepot(counted).open(name)
    for (let i = 1; i <= 3; i++) {
      const names = []
      for await (const ref of (await place.read()).refs()) names.push(ref.name)
      expect(names).toEqual(['refs/heads/main', 'refs/heads/next'])
      expect(counted.calls).toHaveLength(i)
    }
  })

  it('makes a small update in at most five reads and two writes from a cold start', async () => {
    const name = uniqueName()
    const first = await openDepot(bucket).open(name)
    await first.update(
      request([create('refs/heads/main', 1)], {
        addPacks: [await stage(first, 'one'), await stage(first, 'two')],
      }),
    )
    await rest()
    const counted = faultyBucket(bucket)
    const place = await openDepot(counted).open(name)
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
    const place = await openDepot(faulty).open(uniqueName())
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
    const place = await openDepot(faulty).open(name)
    const wish = request([create('refs/heads/main', 1)])
    expect(await place.update(wish)).toMatchObject({ state: 'unknown' })
    const other = await openDepot(bucket).open(name)
    expect(await (await other.read()).receipt(wish.id)).toMatchObject({ outcome: 'done' })
    expect(await other.update(wish)).toMatchObject({ state: 'done' })
  })

  it.each([
    { put: 'was repeated by a layer below', writeInterval: 0 },
    { put: 'was repeated by a layer below and refused as too often', writeInterval: 100 },
  ])('keeps what a root names when its put $put', async ({ writeInterval }) => {
    const name = uniqueName()
    const many = (kind: string) =>
      Array.from({ length: 400 }, (_, i) => create(`refs/heads/${kind}-${i}`, i))
    await (await openDepot(bucket).open(name)).update(request(many('a')))
    const faults: Fault[] = ['repeat']
    const fault = (method: string, key: string): Fault =>
      method === 'put' && key.startsWith('root/') ? (faults.shift() ?? 'none') : 'none'
    const faulty = faultyBucket(bucket, { fault, writeInterval })
    const place = await openDepot(faulty, isThrottled ? {} : { writeInterval }).open(name)
    expect(await place.update(request(many('b')))).toMatchObject({ state: 'done' })
    const refs = []
    for await (const ref of (await (await openDepot(bucket).open(name)).read()).refs())
      refs.push(ref)
    expect(refs).toHaveLength(800)
  })

  it('leaves nothing behind of a root that another was faster than', async () => {
    const name = uniqueName()
    const first = await openDepot(bucket).open(name)
    await first.update(request([create('refs/heads/first', 1)]))
    const { repository } = await first.read()
    const gate = gatedBucket('root/')
    const slow = await openDepot(gate.bucket).open(name)
    const many = Array.from({ length: 400 }, (_, i) => create(`refs/heads/topic-${i}`, i))
    const outcome = slow.update(request(many))
    await gate.asked
    await first.update(request([create('refs/heads/second', 2)]))
    gate.release()
    expect(await outcome).toMatchObject({ state: 'done' })
    const written = gate.bucket.calls.filter((call) => call.startsWith('put t/'))
    expect(written).toHaveLength(2)
    const left = []
    for await (const { key } of listAll(bucket, `t/${repository}/`)) left.push(`put ${key}`)
    expect(left).toEqual(written.slice(1))
  })

  /** An outcome that is final. */
  async function decided(place: Place, wish: UpdateRequest): Promise<UpdateOutcome | undefined> {
    const outcome = await place.update(wish)
    return outcome.state === 'done' || outcome.state === 'lost' ? outcome : undefined
  }

  it('says of bytes behind the end of an object that they are missing, and does not ask again', async () => {
    const key = `test/${randomId()}`
    await bucket.put(key, new Uint8Array(10))
    for (const [start, end] of [
      [5, 11],
      [10, 11],
      [400_000, 400_010],
      [0, 11],
    ] as const) {
      for (const how of ['read', 'readOnce'] as const) {
        const counted = faultyBucket(bucket)
        const store = new Store(counted, new ByteCache(1_000_000))
        await expect(store[how](key, start, end)).rejects.toMatchObject({ code: 'missing' })
        expect(counted.calls.filter((call) => call.startsWith('get '))).toHaveLength(1)
      }
    }
  })

  it('keeps what was lost beside the root, which it does not write', async () => {
    const name = uniqueName()
    await (await openDepot(bucket).open(name)).update(request([create('refs/heads/main', 1)]))
    const counted = faultyBucket(bucket)
    const place = await openDepot(counted).open(name)
    const wish = request([create('refs/heads/main', 2)])
    expect(await place.update(wish)).toMatchObject({ state: 'lost' })
    const { repository } = await place.read()
    const steps = counted.calls.map((call) => call.replace(/(?<=r\/[0-9a-f]{32}\/).*/, 'DIGEST'))
    const [root, loss] = [`root/${name}`, `r/${repository}/DIGEST`]
    const ask = [`get ${root}`, `get ${loss}`]
    expect(steps.slice(0, -1)).toEqual([...ask, `put ${loss}`, ...ask])
    expect(await (await place.read()).receipt(wish.id)).toMatchObject({ outcome: 'lost' })
  })

  it('does not say that an update is lost when that cannot be kept', async () => {
    const name = uniqueName()
    await (await openDepot(bucket).open(name)).update(request([create('refs/heads/main', 1)]))
    const fault = (method: string, key: string) =>
      method === 'put' && key.startsWith('r/') ? 'fail' : 'none'
    const place = await openDepot(faultyBucket(bucket, { fault })).open(name)
    const wish = request([create('refs/heads/main', 2)])
    await expect(place.update(wish)).rejects.toThrow(UnavailableError)
    expect(await (await place.read()).receipt(wish.id)).toBeUndefined()
  })

  /** A bucket whose first put of a key with this beginning waits; `asked` is when it was asked, `release` lets it go on. */
  function gatedBucket(prefix: string) {
    const [asked, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const plain = faultyBucket(bucket)
    const put: Bucket['put'] = async (key, ...rest) => {
      if (key.startsWith(prefix)) {
        asked.resolve()
        await released.promise
      }
      return plain.put(key, ...rest)
    }
    return { bucket: { ...plain, put }, asked: asked.promise, release: released.resolve }
  }

  it.each(['first', 'second'])(
    'gives one answer to two attempts of which one finds a difference: the %s goes on before',
    async (order) => {
      const name = uniqueName()
      const [one, two] = [oidOf(1), oidOf(2)]
      const main = (from: Oid | undefined, to: Oid | undefined) => [
        { name: 'refs/heads/main', from, to },
      ]
      const other = await openDepot(bucket).open(name)
      await other.update(request(main(undefined, one)))
      await other.update(request(main(one, two)))
      const wish = request(main(one, undefined))
      const gates = [gatedBucket('r/'), gatedBucket('root/')] as const
      const [early, late] = await Promise.all(
        gates.map((gate) => openDepot(gate.bucket).open(name)),
      )
      if (!early || !late) throw new Error('Expected two places')
      // The early one finds main at two; before it keeps that, main comes back, and the late one finds it as expected.
      const first = early.update(wish)
      await gates[0].asked
      await other.update(request(main(two, one)))
      const second = late.update(wish)
      await gates[1].asked
      const attempts = [
        { gate: gates[0], outcome: first },
        { gate: gates[1], outcome: second },
      ]
      const states: string[] = []
      for (const { gate, outcome } of order === 'first' ? attempts : attempts.toReversed()) {
        gate.release()
        states.push((await outcome).state)
      }
      const state = order === 'first' ? 'lost' : 'done'
      expect(states).toEqual([state, state])
      expect(await (await other.read()).ref('refs/heads/main')).toBe(
        state === 'done' ? undefined : one,
      )
    },
  )

  it('answers busy when the bucket takes no second write within a second', async () => {
    const slow = faultyBucket(bucket, { writeInterval: 1000 })
    const place = await openDepot(slow, { patience: 0 }).open(uniqueName())
    expect(await place.update(request([create('refs/heads/a', 1)]))).toMatchObject({
      state: 'done',
    })
    const outcome = await place.update(request([create('refs/heads/b', 1)]))
    expect(outcome).toMatchObject({ state: 'busy' })
    const patient = await openDepot(slow, { patience: 5000 }).open(uniqueName())
    await patient.update(request([create('refs/heads/a', 1)]))
    expect(await patient.update(request([create('refs/heads/b', 1)]))).toMatchObject({
      state: 'done',
    })
  })

  // Seen to fail with the receipt left out of the root: an update that happened is then lost when it is asked again.
  it('keeps exactly what it acknowledged while one call in ten fails or loses its answer', async () => {
    const seed = Number(process.env['SEED'] ?? Date.now()) >>> 0
    const [writers, updates] = isThrottled ? [3, 8] : [5, 20]
    console.log(`depot.workerd.test.ts: seed ${seed}, ${writers} writers, ${updates} updates each`)
    let random = seed
    const roll = () => (random = (Math.imul(random, 1664525) + 1013904223) >>> 0) / 2 ** 32
    const fault = (): Fault => (roll() > 0.1 ? 'none' : roll() > 0.5 ? 'fail' : 'lose-answer')
    const name = uniqueName()
    const depot = openDepot(faultyBucket(bucket, { fault, delay: 1 }))
    const writing = Array.from({ length: writers }, async (_, writer) => {
      const place = await depot.open(name)
      const ref = `refs/heads/writer-${writer}`
      for (let i = 0; i < updates; i++) {
        const from = i === 0 ? undefined : oidOf(i - 1)
        const addPacks = [await persist(() => stage(place, `${writer} ${i}`))]
        const wish = request([{ name: ref, from, to: oidOf(i) }], { addPacks })
        const outcome = await persist(() => decided(place, wish))
        expect(outcome.state).toBe('done')
      }
    })
    await Promise.all(writing)
    const place = await openDepot(bucket).open(name)
    const state = await place.read()
    expect(state.packs).toHaveLength(writers * updates)
    for (let writer = 0; writer < writers; writer++) {
      expect(await state.ref(`refs/heads/writer-${writer}`)).toBe(oidOf(updates - 1))
      const moves = []
      for await (const { to } of place.log(`refs/heads/writer-${writer}`)) moves.push(to)
      expect(moves).toEqual(Array.from({ length: updates }, (_, i) => oidOf(updates - 1 - i)))
    }
  })

  /** Tries until there is an answer. */
  async function persist<T>(act: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
      const answer = await act().catch((error: unknown) => {
        if (error instanceof UnavailableError) return undefined
        throw error
      })
      if (answer !== undefined) return answer
      await pause(2)
    }
  }
})
