/** How large a root gets, whatever it has to hold. */
import { ByteCache } from '@datakit/git/byte-cache'
import { utf8 } from '@datakit/git/bytes'
import { Objects } from '@datakit/git/objects'
import type { LogEntry, PackInfo } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { expect, it } from 'vitest'
import { faultyBucket } from '../../test/faulty-bucket.ts'
import { overR2, plainBucket } from '../../../../worker/test/r2-modes.ts'
import { blob, collect, done, move, oid, request, stage } from '../../test/samples.ts'
import { randomId, type KeptReceipt } from '../update.ts'
import { encodeCatalogs } from './catalogs.ts'
import { encodeCondemned } from './condemned.ts'
import { r2Depot } from './depot.ts'
import { BOUNDS, Overflow } from './overflow.ts'
import { Repository } from './repository.ts'
import {
  encodeLine,
  encodePacks,
  encodeReceipt,
  encodeRefs,
  encodeRoot,
  NO_ROOT,
  type Root,
} from './root.ts'
import { Store } from './store.ts'

const MAIN = 'refs/heads/main'
const once = { clock: Date.now, patience: 0, writeInterval: 0 }

const uniqueName = () => `size/${randomId()}`

async function rootSize(name: string): Promise<number> {
  return (await plainBucket.head(`root/${name}`))?.size ?? 0
}

it('has a root below 64 kB with every list as long as it may be', async () => {
  const repository = randomId()
  const id = (i: number) => (i + 1).toString(16).padStart(32, '0')
  /** Rows until one more would be too long. */
  const fill = <T>(bound: number, make: (i: number) => T, encode: (rows: T[]) => unknown): T[] => {
    const rows: T[] = []
    const measure = () => utf8(JSON.stringify(encode(rows))).length
    do rows.push(make(rows.length))
    while (measure() <= bound)
    return rows.slice(0, -1)
  }
  const packs = fill(
    BOUNDS.packs,
    (i): PackInfo => {
      const own = `${repository}-${id(i)}`
      return { id: own, size: 9e9, indexSize: 9e9, objects: 9e9, needs: [own], verified: true }
    },
    (rows) => encodePacks({ ...NO_ROOT, repository }, rows),
  )
  const covers = packs.flatMap((pack, i) => (i % 2 === 0 ? pack.id : []))
  const shape = { size: 8e6, index: 8e6, rows: 1e6, at: Date.now() }
  const tables = Array.from({ length: 12 }, (_, i) => ({ id: id(i), ...shape }))
  const changed = fill(
    BOUNDS.refs,
    (i) => [`refs/tags/v${i}`, { oid: oid(i), peeled: oid(i) }] as const,
    (rows) => encodeRefs({ ...NO_ROOT, refs: { table: undefined, changed: new Map(rows) } }),
  )
  const line = (i: number): LogEntry => {
    const to = oid(i)
    return { ref: MAIN, from: to, to, who: 'Ada', at: 1e12, why: 'x'.repeat(200), external: false }
  }
  const receipt = (i: number): KeptReceipt => {
    const version = `${repository}.1000000`
    return { id: id(i), digest: oid(i), at: 1e12, outcome: 'done', version }
  }
  const root: Root = {
    ...NO_ROOT,
    repository,
    epoch: 1_000_000,
    refs: { table: tables[0], changed: new Map(changed) },
    packs,
    catalogs: fill(
      BOUNDS.catalogs,
      (i) => ({ key: `p/${repository}/${id(i)}`, start: 9e9, size: 1e5, covers }),
      (rows) => encodeCatalogs(rows, packs),
    ),
    condemned: fill(
      BOUNDS.condemned,
      (i) => ({ key: `p/${repository}/${id(i)}`, at: 1e12 }),
      encodeCondemned,
    ),
    shallow: new Set(fill(BOUNDS.shallow, oid, (rows) => rows)),
    promised: {
      table: tables[0],
      added: new Map(
        fill(
          BOUNDS.promised,
          (i) => [oid(i), 'origin'] as const,
          (rows) => rows,
        ),
      ),
    },
    log: { older: id(1), lines: fill(BOUNDS.log, line, (rows) => rows.map(encodeLine)) },
    receipts: {
      tables,
      tail: fill(BOUNDS.receipts, receipt, (rows) => rows.map(encodeReceipt)),
    },
  }
  const counted = faultyBucket(plainBucket)
  const fitting = await new Overflow(new Store(counted, new ByteCache(0)), Date.now()).fit(root)
  expect(counted.calls).toEqual([])
  const { length } = encodeRoot(fitting)
  console.log(`a root with all lists full: ${length} bytes`)
  expect(length).toBeLessThan(64 * 1024)
})

overR2(({ bucket, isThrottled }) => {
  it('keeps the root below 64 kB whatever it has to hold', async () => {
    const name = uniqueName()
    const place = await r2Depot(bucket).open(name)
    const names = Array.from({ length: 10_000 }, (_, i) => `refs/heads/team-${i % 10}/topic-${i}`)
    await done(place, request(names.map((each) => move(each, undefined, oid(1)))))
    let largest = await rootSize(name)
    for (let i = 1; i <= 200; i++) {
      const pack = i % 2 === 0 ? [await stage(place, [blob(`value ${i}`)])] : []
      const ref = move(`refs/heads/team-1/topic-${i}1`, oid(1), oid(i + 1))
      await done(
        place,
        request([ref], {
          addPacks: pack,
          log: { who: 'Ada <ada@example.org>', why: 'x'.repeat(200) },
        }),
      )
      largest = Math.max(largest, await rootSize(name))
    }
    const shallow = Array.from({ length: 2000 }, (_, i) => oid(i + 1))
    await done(
      place,
      request([], {
        shallow: { add: shallow, remove: [] },
        promised: { add: shallow, remote: 'origin' },
      }),
    )
    largest = Math.max(largest, await rootSize(name))
    console.log(`largest root: ${largest} bytes`)
    expect(largest).toBeLessThan(64 * 1024)

    const again = await r2Depot(bucket).open(name)
    const state = await again.read()
    expect(await collect(state.refs())).toHaveLength(10_000)
    expect(await state.ref('refs/heads/team-1/topic-1991')).toBe(oid(200))
    expect(await collect(again.log('refs/heads/team-1/topic-1991'))).toHaveLength(2)
    expect(state.packs).toHaveLength(100)
    expect(state.shallow.size).toBe(2000)
    expect(await state.promised(oid(1999))).toBe('origin')
    expect(await state.promised(oid(2001))).toBeUndefined()
  })

  // Over R2 that waits, as many as reach every bound.
  const runs = isThrottled ? 60 : 300
  it(`grows by no list of catalogs, up to ${runs * 10} packs`, async () => {
    const name = uniqueName()
    const place = await r2Depot(bucket).open(name)
    let largest = 0
    for (let i = 0; i < runs; i++) {
      // Ten at a time, none of which knows of the others, as of ten writers.
      const objects = Array.from({ length: 10 }, (_, k) => [blob(`value ${i} ${k}`)])
      const addPacks = await Promise.all(objects.map((each) => stage(place, each)))
      await done(place, request([], { addPacks }))
      const { root } = await new Repository(new Store(bucket, new ByteCache(0)), name, once).load()
      const listed = root.catalogs.slice(root.ledger?.catalogs.length)
      largest = Math.max(largest, JSON.stringify(encodeCatalogs(listed, root.packs)).length)
    }
    console.log(`catalogs: ${largest} bytes at most; root: ${await rootSize(name)} bytes`)
    expect(largest).toBeLessThanOrEqual(BOUNDS.catalogs)
    const counted = faultyBucket(bucket)
    const objects = await Objects.open(await r2Depot(counted).open(name), nodeRuntime)
    for (const i of [0, runs / 2, runs - 1])
      for (let k = 0; k < 10; k++) expect(await objects.has(blob(`value ${i} ${k}`).oid)).toBe(true)
    console.log(`cold look-ups over ${runs * 10} packs: ${counted.calls.length} requests`)
    expect(counted.calls.length).toBeLessThan(40)
  })
})
