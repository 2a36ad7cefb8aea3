/** Upkeep of a bucket that is cut off, or meets a push, at every single operation; and how much of it there is. */
import type { Oid } from '@datakit/git/oid'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { afterEach, expect, it } from 'vitest'
import { Author } from '../../test/author.ts'
import { codes, gather } from '../../test/checking.ts'
import { faultyBucket } from '../../test/faulty-bucket.ts'
import { overR2, plainBucket } from '../../../../worker/test/r2-modes.ts'
import { blob, collect, done, move, request, stage } from '../../test/samples.ts'
import { steppingBucket, type Step } from '../../test/stepping-bucket.ts'
import { keepUp } from '../upkeep.ts'
import { deleteAll, listAll, type Bucket } from './bucket.ts'
import { checkR2 } from './check.ts'
import { collectGarbage } from './collect.ts'
import { r2Depot } from './depot.ts'

const NAME = 'upkeep'
const MAIN = 'refs/heads/main'
const HOUR = 60 * 60 * 1000
const DAY = 24 * HOUR

let now = Date.now()

afterEach(() => clear())

async function clear(): Promise<void> {
  const keys: string[] = []
  for await (const { key } of listAll(plainBucket, '')) keys.push(key)
  await deleteAll(plainBucket, keys)
}

let edits = 0

async function push(place: Place, author: Author, path: string): Promise<void> {
  const from = author.head
  const objects = author.commit({ [path]: new TextEncoder().encode(`edit ${edits++}\n`) })
  const addPacks = [await stage(place, objects)]
  await done(place, request([move(MAIN, from, author.head)], { addPacks }))
}

type Snapshot = ReadonlyMap<string, Uint8Array>

async function snapshot(): Promise<Snapshot> {
  const kept = new Map<string, Uint8Array>()
  for await (const { key } of listAll(plainBucket, '')) {
    const object = await plainBucket.get(key)
    if (object && 'arrayBuffer' in object) kept.set(key, new Uint8Array(await object.arrayBuffer()))
  }
  return kept
}

async function restore(kept: Snapshot): Promise<void> {
  await clear()
  for (const [key, bytes] of kept) await plainBucket.put(key, bytes)
}

overR2(({ bucket, isThrottled }) => {
  const options = { clock: () => now, ...(isThrottled ? {} : { writeInterval: 0, patience: 30 }) }
  const open = (over: Bucket = bucket): Promise<Place> => r2Depot(over, options).open(NAME)

  /** Everything that upkeep does to a repository. */
  async function everything(over: Bucket): Promise<void> {
    await keepUp(await open(over), nodeRuntime, { maxSmall: 4, grace: HOUR })
    await collectGarbage(over, NAME, nodeRuntime, options)
  }

  /** Small packs, some merged and condemned before, one that nobody verified, garbage that is old, strays. */
  async function fill(author: Author): Promise<void> {
    const place = await open()
    for (let i = 0; i < 6; i++) await push(place, author, `a/${i}`)
    const kept = author.head
    await push(place, author, 'a/secret')
    await done(place, request([move(MAIN, author.head, kept)]))
    author.head = kept
    await keepUp(place, nodeRuntime, { maxSmall: 4 })
    now += 20 * DAY
    for (let i = 0; i < 5; i++) await push(place, author, `b/${i}`)
    await stage(place, [blob('never named')])
    now += 2 * DAY
  }

  async function refs(): Promise<string[]> {
    return (await collect((await (await open()).read()).refs())).map(
      ({ name, oid }) => `${name} ${oid}`,
    )
  }

  async function expectSound(when: string): Promise<void> {
    const said = await gather(checkR2(bucket, NAME, nodeRuntime, options))
    expect([when, codes(said)]).toEqual([when, []])
  }

  it.each(['die before', 'die after'] as const)(
    'leaves a right state when it must %s any of its operations, and goes on the next time',
    async (how: Step) => {
      const author = new Author()
      await fill(author)
      const [kept, before] = [await snapshot(), await refs()]
      const whole = steppingBucket(bucket, () => 'go on')
      await everything(whole)
      expect(whole.count).toBeGreaterThan(20)
      for (let n = 0; n < whole.count; n++) {
        await restore(kept)
        let at = ''
        const cut = steppingBucket(bucket, (count, what) => {
          if (count === n) at = `${how} ${n}: ${what}`
          return count === n ? how : 'go on'
        })
        await everything(cut).catch(() => undefined)
        expect(await refs()).toEqual(before)
        await expectSound(at)
        await everything(bucket)
        await expectSound(`${at}, then again`)
        expect((await (await open()).read()).packs.length).toBeLessThan(5)
      }
      console.log(`upkeep.workerd.test.ts: ${how} each of ${whole.count} operations`)
    },
  )

  it('lets a push that comes at any of its operations win, and is not undone by it', async () => {
    const author = new Author()
    await fill(author)
    const kept = await snapshot()
    const start = author.head
    const whole = steppingBucket(bucket, () => 'go on')
    await everything(whole)
    for (let n = 0; n < whole.count; n++) {
      await restore(kept)
      author.head = start
      const other = await open()
      let pushed: Oid | undefined
      const met = steppingBucket(bucket, async (count): Promise<Step> => {
        if (count === n) {
          await push(other, author, 'c/x')
          pushed = author.head
        }
        return 'go on'
      })
      await everything(met)
      // Where calls are turned away and come again, one run has fewer of them than another.
      if (isThrottled && pushed === undefined) break
      expect(await refs()).toEqual([`${MAIN} ${pushed}`])
      await expectSound(`a push before operation ${n} of ${whole.count}`)
    }
  })

  const many = isThrottled ? 150 : 1000
  it(`turns ${many} small packs into a few, in steps that read a bounded number of times`, async () => {
    const place = await open()
    const blobs = Array.from({ length: many }, (_, i) => blob(`value ${i}`))
    let most = 0
    let largest = 0
    const counted = faultyBucket(bucket)
    const keeper = await open(counted)
    for (const [i, each] of blobs.entries()) {
      await done(place, request([], { addPacks: [await stage(place, [each])] }))
      if (i % 10 !== 9) continue
      counted.calls.length = 0
      await keepUp(keeper, nodeRuntime, { grace: HOUR })
      most = Math.max(most, counted.calls.filter((call) => call.startsWith('get ')).length)
      largest = Math.max(largest, (await place.read()).packs.length)
    }
    console.log(`upkeep.workerd.test.ts: ${most} reads a step at most, ${largest} packs`)
    // Ten new packs, those that are merged with them, the root and what it points at.
    expect(most).toBeLessThan(60)
    expect(largest).toBeLessThanOrEqual(10 + Math.ceil(Math.log2(many)))
  })

  it('makes a few of very many packs that nobody ever looked after', async () => {
    const place = await open()
    for (let i = 0; i < (isThrottled ? 100 : 400); i++)
      await done(place, request([], { addPacks: [await stage(place, [blob(`value ${i}`)])] }))
    await keepUp(place, nodeRuntime)
    expect((await place.read()).packs.length).toBeLessThan(10)
  })
})
