/** What happens to a repository in R2 as it grows, and to what it leaves behind. */
import { equal } from '@datakit/git/bytes'
import { Objects } from '@datakit/git/objects'
import { packRow, PackTable } from '@datakit/git/pack/pack-table'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { expect, it } from 'vitest'
import {
  blob,
  collect,
  done,
  find,
  move,
  noise,
  oid,
  request,
  settle,
  stage,
} from '../../test/samples.ts'
import { faultyBucket } from '../../test/faulty-bucket.ts'
import { overR2 } from '../../../../worker/test/r2-modes.ts'
import { randomId } from '../update.ts'
import { listAll } from './bucket.ts'
import { r2Depot } from './depot.ts'
import { PART } from './pack-writer.ts'
import { sweepStrays } from './strays.ts'

const MAIN = 'refs/heads/main'
const HOUR = 60 * 60 * 1000

const uniqueName = () => `growth/${randomId()}`

/** A clock that stands still until it is moved. */
function handClock() {
  let now = Date.now()
  return { clock: () => now, advance: (milliseconds: number) => void (now += milliseconds) }
}

overR2(({ bucket, isThrottled }) => {
  /** How many of what takes long there are: fewer where every update waits. */
  const some = (many: number, few: number) => (isThrottled ? few : many)

  async function keysUnder(prefix: string): Promise<string[]> {
    return (await collect(listAll(bucket, prefix))).map(({ key }) => key)
  }

  it('looks up one ref of ten thousand in three reads, all bounded', async () => {
    const name = uniqueName()
    const names = Array.from({ length: 10_000 }, (_, i) => `refs/heads/topic-${i}`)
    await done(
      await r2Depot(bucket).open(name),
      request(names.map((each) => move(each, undefined, oid(1)))),
    )
    const counted = faultyBucket(bucket)
    const state = await (await r2Depot(counted).open(name)).read()
    expect(await state.ref('refs/heads/topic-5000')).toBe(oid(1))
    expect(counted.calls.length).toBeLessThanOrEqual(3)
  })

  it('creates and moves thousands of refs beside thousands in one update', async () => {
    const count = some(10_000, 2000)
    const place = await r2Depot(bucket).open(uniqueName())
    const names = (kind: string) =>
      Array.from({ length: count }, (_, i) => `refs/heads/${kind}/topic-${i}`)
    const start = Date.now()
    await done(place, request(names('a').map((each) => move(each, undefined, oid(1)))))
    const both = [
      ...names('a').map((each) => move(each, oid(1), oid(2))),
      ...names('b').map((each) => move(each, undefined, oid(3))),
    ]
    await done(place, request(both))
    console.log(`${count} refs, then twice as many: ${Date.now() - start} ms`)
    const refs = await collect((await place.read()).refs())
    expect(refs.map((ref) => ref.oid)).toEqual([
      ...names('a').map(() => oid(2)),
      ...names('b').map(() => oid(3)),
    ])
  })

  it('finds any object of very many packs from a cold start in a few reads', async () => {
    const name = uniqueName()
    const writer = await r2Depot(bucket).open(name)
    const blobs = Array.from({ length: some(200, 60) }, (_, i) => blob(`value ${i}`))
    for (const each of blobs)
      await done(writer, request([], { addPacks: [await stage(writer, [each])] }))
    const counted = faultyBucket(bucket)
    const objects = await Objects.open(await r2Depot(counted).open(name), nodeRuntime)
    const wanted = blobs[17]
    if (!wanted) throw new Error('Expected a blob')
    expect((await objects.read(wanted.oid)).body).toEqual(wanted.body)
    console.log(
      `cold read over ${blobs.length} packs:`,
      counted.calls.map((call) => call.slice(0, 10)).join(', '),
    )
    expect(counted.calls.length).toBeLessThanOrEqual(4)
    for (const each of blobs) expect(await objects.has(each.oid)).toBe(true)
  })

  it('keeps a large pack in parts, readable while it comes, and leaves no staging behind', async () => {
    const name = uniqueName()
    const counted = faultyBucket(bucket)
    const place = await r2Depot(counted).open(name)
    const piece = noise(1_000_003, 11).body
    const writer = await place.writePack()
    const count = 18
    for (let i = 0; i < count; i++) await writer.write(piece)
    for (const at of [0, PART - 5, PART, 2 * PART - 1, 17 * piece.length]) {
      const bytes = await writer.read(at, at + 10)
      const expected = Array.from({ length: 10 }, (_, i) => piece[(at + i) % piece.length])
      expect([...bytes]).toEqual(expected)
    }
    const pack = await writer.finish({ table: new PackTable(), needs: [], verified: true })
    await done(place, request([move(MAIN, undefined, oid(1))], { addPacks: [pack] }))
    const state = await (await r2Depot(bucket).open(name)).read()
    expect(state.packs[0]?.size).toBe(count * piece.length)
    const again = await r2Depot(bucket).open(name)
    for (let i = 0; i < count; i++) {
      const bytes = await again.readPack(pack.id, i * piece.length, (i + 1) * piece.length)
      expect(equal(bytes, piece)).toBe(true)
    }
    expect(counted.calls.filter((call) => call.startsWith('part '))).toHaveLength(3)
    expect(await keysUnder(`tmp/${pack.id.slice(0, 32)}/`)).toEqual([])
  })

  it('keeps a pack whose index is larger than a part', async () => {
    const name = uniqueName()
    const place = await r2Depot(bucket).open(name)
    const table = new PackTable()
    for (let i = 0; i < 150_000; i++) {
      const row = {
        oid: oid(i + 1),
        offset: 12 + i,
        length: 1,
        crc: 0,
        type: 'blob' as const,
        size: 1,
      }
      table.addRaw(packRow({ ...row, base: undefined, links: undefined }))
    }
    const writer = await place.writePack()
    const piece = noise(PART - 1000, 3).body
    await writer.write(piece)
    const pack = await writer.finish({ table, needs: [], verified: true })
    await done(place, request([], { addPacks: [pack] }))
    const again = await r2Depot(bucket).open(name)
    const [info] = (await again.read()).packs
    expect(info?.objects).toBe(150_000)
    const bytes = await again.readIndex(pack.id, 0, info?.indexSize ?? 0)
    expect(equal(bytes, table.encodeIndex())).toBe(true)
    expect(equal(await again.readPack(pack.id, 0, piece.length), piece)).toBe(true)
  })

  it('leaves nothing but an orphan when a large pack is cut off, and sweeps that after a day', async () => {
    const { clock, advance } = handClock()
    const place = await r2Depot(bucket, { clock }).open(uniqueName())
    await done(place, request([move(MAIN, undefined, oid(1))]))
    const { repository } = await place.read()
    const writer = await place.writePack()
    for (let i = 0; i < 9; i++) await writer.write(noise(1_000_000, i).body)
    expect(await keysUnder(`tmp/${repository}/`)).toHaveLength(1)
    await stage(place, [blob('never named')])
    advance(23 * HOUR)
    expect(await place.sweep({ grace: 0 })).toEqual({ deleted: 0 })
    advance(3 * HOUR)
    expect(await place.sweep({ grace: 0 })).toEqual({ deleted: 2 })
    expect(await keysUnder(`tmp/${repository}/`)).toEqual([])
    expect(await keysUnder(`p/${repository}/`)).toEqual([])
    await writer.abort()
  })

  it('sweeps what the root does not need any more, and nothing else, however many keys there are', async () => {
    const { clock, advance } = handClock()
    const name = uniqueName()
    const place = await r2Depot(bucket, { clock }).open(name)
    const blobs = Array.from({ length: 40 }, (_, i) => blob(`value ${i}`))
    for (const [i, each] of blobs.entries()) {
      const why = 'x'.repeat(2000)
      const ref = move(MAIN, blobs[i - 1]?.oid, each.oid)
      const addPacks = [await stage(place, [each])]
      await done(place, request([ref], { addPacks, log: { who: 'Ada <ada@example.org>', why } }))
    }
    const { repository } = await place.read()
    const orphans = Array.from(
      { length: 1100 },
      (_, i) => `t/${repository}/${i.toString(16).padStart(32, '0')}`,
    )
    await Promise.all(orphans.map((key) => bucket.put(key, new Uint8Array(1))))
    advance(48 * HOUR)
    expect((await place.sweep({ grace: HOUR })).deleted).toBeGreaterThanOrEqual(1100)
    expect(await place.sweep({ grace: HOUR })).toEqual({ deleted: 0 })
    const again = await r2Depot(bucket).open(name)
    const state = await again.read()
    for (const each of blobs) expect(await find(again, state, each.oid)).toBeDefined()
    expect(await collect(again.log(MAIN))).toHaveLength(40)
  })

  it('forgets what was lost a month ago', async () => {
    const { clock, advance } = handClock()
    const place = await r2Depot(bucket, { clock }).open(uniqueName())
    await done(place, request([move(MAIN, undefined, oid(1))]))
    await settle(place, request([move(MAIN, undefined, oid(2))]))
    const { repository } = await place.read()
    advance(29 * 24 * HOUR)
    expect(await place.sweep({ grace: 0 })).toEqual({ deleted: 0 })
    expect(await keysUnder(`r/${repository}/`)).toHaveLength(1)
    advance(2 * 24 * HOUR)
    expect(await place.sweep({ grace: 0 })).toEqual({ deleted: 1 })
    expect(await keysUnder(`r/${repository}/`)).toEqual([])
  })

  it('adopts no pack that is a day old, of another repository, or made up', async () => {
    const { clock, advance } = handClock()
    const depot = r2Depot(bucket, { clock })
    const [place, other] = [await depot.open(uniqueName()), await depot.open(uniqueName())]
    await done(other, request([move(MAIN, undefined, oid(1))]))
    const foreign = await stage(other, [blob('secret')])
    const stale = await stage(place, [blob('old')])
    const refused = async (pack: typeof stale) =>
      settle(place, request([move(MAIN, undefined, oid(1))], { addPacks: [pack] }))
    expect(await refused(foreign)).toMatchObject({ state: 'lost', packs: [foreign.id] })
    await expect(place.readPack(foreign.id, 0, 12)).rejects.toMatchObject({ code: 'missing' })
    expect(await refused({ ...stale, id: '../root/x' })).toMatchObject({ state: 'lost' })
    expect(await refused({ ...stale, id: `${'0'.repeat(32)}-${'f'.repeat(32)}` })).toMatchObject({
      state: 'lost',
    })
    advance(25 * HOUR)
    expect(await refused(stale)).toMatchObject({ state: 'lost', packs: [stale.id] })
  })

  it('takes a pack that was staged by another isolate, also before the repository exists', async () => {
    const name = uniqueName()
    const [one, two] = [await r2Depot(bucket).open(name), await r2Depot(bucket).open(name)]
    const staged = await stage(one, [blob('one')])
    await done(two, request([move('refs/heads/two', undefined, oid(2))]))
    const third = await r2Depot(bucket).open(name)
    await done(third, request([move('refs/heads/one', undefined, oid(1))], { addPacks: [staged] }))
    const state = await two.read()
    expect(await find(two, state, blob('one').oid)).toBeDefined()
    expect((await collect(state.refs())).map((ref) => ref.name)).toEqual([
      'refs/heads/one',
      'refs/heads/two',
    ])
  })

  it('sweeps what belongs to no repository, and leaves what another root has adopted', async () => {
    const { clock, advance } = handClock()
    const depot = () => r2Depot(bucket, { clock })
    const [never, gone, name] = [uniqueName(), uniqueName(), uniqueName()]
    const stray = await stage(await depot().open(never), [blob('stray')])
    const deleted = await depot().open(gone)
    const dropped = await stage(deleted, [blob('dropped')])
    await done(deleted, request([move(MAIN, undefined, oid(1))], { addPacks: [dropped] }))
    await bucket.delete([`root/${gone}`])
    const [place, other] = [await depot().open(name), await depot().open(name)]
    const adopted = await stage(other, [blob('adopted')])
    await done(place, request([move(MAIN, undefined, oid(1))]))
    await done(place, request([], { addPacks: [adopted] }))
    await sweepStrays(bucket, { clock })
    const keys = [stray, dropped, adopted].map(({ id }) => `p/${id.replace('-', '/')}`)
    const present = () => Promise.all(keys.map(async (key) => (await bucket.head(key)) !== null))
    expect(await present()).toEqual([true, true, true])
    advance(26 * HOUR)
    expect(await sweepStrays(bucket, { clock })).toBeGreaterThanOrEqual(2)
    expect(await present()).toEqual([false, false, true])
    expect(await place.sweep({ grace: 0 })).toEqual({ deleted: 0 })
    const state = await place.read()
    expect(await find(place, state, blob('adopted').oid)).toBeDefined()
  })

  it('forgets receipts after thirty days, but never the newest 256', async () => {
    const { clock, advance } = handClock()
    const place = await r2Depot(bucket, { clock }).open(uniqueName())
    const wishes = Array.from({ length: 700 }, (_, i) =>
      request([move(MAIN, i === 0 ? undefined : oid(i), oid(i + 1))]),
    )
    for (const wish of wishes.slice(0, 400)) {
      await done(place, wish)
      // Which of two receipts of the same moment is the newer one, nobody can tell.
      advance(1)
    }
    advance(31 * 24 * HOUR)
    for (const wish of wishes.slice(400)) await done(place, wish)
    const state = await place.read()
    for (const i of [400, 444, 699]) expect(await state.receipt(wishes[i]?.id ?? '')).toBeDefined()
    for (const i of [0, 200]) expect(await state.receipt(wishes[i]?.id ?? '')).toBeUndefined()
  })

  it('lists more than a thousand repositories, ordered by the bytes of their names', async () => {
    const depot = r2Depot(bucket)
    const many = isThrottled ? 'many-429' : 'many'
    for (const name of ['z', 'é', 'a b', 'a%20b']) {
      await done(await depot.open(`${many}/${name}`), request([move(MAIN, undefined, oid(1))]))
    }
    // A listing reads keys only.
    const keys = Array.from({ length: 1100 }, (_, i) => `root/${many}/${i}`)
    await Promise.all(keys.map((key) => bucket.put(key, new Uint8Array(1))))
    const all = (await collect(depot.list())).map(({ name }) => name)
    await bucket.delete(keys.slice(0, 1000))
    await bucket.delete(keys.slice(1000))
    const listed = all
      .filter((name) => name.startsWith(`${many}/`))
      .map((name) => name.slice(many.length + 1))
    expect(listed).toHaveLength(1104)
    expect(listed.slice(0, 3)).toEqual(['0', '1', '10'])
    expect(listed.slice(-4)).toEqual(['a b', 'a%20b', 'z', 'é'])
  })

  it('refuses names that cannot be one', async () => {
    const depot = r2Depot(bucket)
    for (const name of [
      '',
      '/',
      'a/',
      '/a',
      'a//b',
      '.',
      'a/../b',
      'a\u0000',
      'a\nb',
      '\udc80',
      'x'.repeat(2000),
    ]) {
      await expect(depot.open(name)).rejects.toMatchObject({ code: 'bad-name' })
    }
  })
})
