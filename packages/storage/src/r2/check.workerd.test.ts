/** Every object of a bucket deleted and spoilt, one after the other: it is found, and mended from what else there is. */
import type { GitObject } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { beforeEach, expect, it } from 'vitest'
import { cases, random } from '../../../git/test/seed.ts'
import { codes, gather } from '../../test/checking.ts'
import { overR2, plainBucket, WRITE_INTERVAL } from '../../../../worker/test/r2-modes.ts'
import { faultyBucket } from '../../test/faulty-bucket.ts'
import { fillPlace } from '../../test/filled-place.ts'
import { blob, collect, done, request, stage } from '../../test/samples.ts'
import { randomId } from '../update.ts'
import { deleteAll, listAll } from './bucket.ts'
import { checkR2, readRoot } from './check.ts'
import { readCondemned } from './condemned.ts'
import { r2Depot } from './depot.ts'
import { objectKey, rootKey } from './keys.ts'
import { repairR2 } from './repair.ts'

/** Every object that was ever committed, as a clone has it. */
const clone = new Map<Oid, GitObject>()
let name = ''
let kept = new Map<string, Uint8Array>()

async function bytesOf(key: string): Promise<Uint8Array> {
  const object = await plainBucket.get(key)
  if (!object || !('arrayBuffer' in object)) throw new Error(`Expected ${key}`)
  return new Uint8Array(await object.arrayBuffer())
}

async function refs(): Promise<string[]> {
  const state = await (await r2Depot(plainBucket).open(name)).read()
  return (await collect(state.refs())).map((ref) => `${ref.name} ${ref.oid}`)
}

async function restoreAll(): Promise<void> {
  for await (const { key } of listAll(plainBucket, ''))
    if (!kept.has(key)) await plainBucket.delete([key])
  for (const [key, bytes] of kept) await plainBucket.put(key, bytes)
}

async function condemnedKeys(): Promise<string[]> {
  const { store, root } = await readRoot(plainBucket, name)
  return (await readCondemned(store, root)).map(({ key }) => key)
}

overR2(({ bucket, isThrottled }) => {
  const options = isThrottled ? {} : { writeInterval: 0 }

  beforeEach(async () => {
    name = `check/${randomId()}`
    clone.clear()
    const place = await r2Depot(bucket, options).open(name)
    await fillPlace(place, clone)
    kept = new Map()
    for await (const { key } of listAll(plainBucket, '')) kept.set(key, await bytesOf(key))
    return async () => {
      const keys: string[] = []
      for await (const { key } of listAll(plainBucket, '')) keys.push(key)
      await deleteAll(plainBucket, keys)
    }
  })

  const check = () => gather(checkR2(bucket, name, nodeRuntime))
  const repair = () =>
    gather(repairR2(bucket, name, nodeRuntime, { ...options, copy: async (oid) => clone.get(oid) }))

  it('finds nothing wrong with what is right, and changes nothing', async () => {
    const said = await check()
    expect(codes(said)).toEqual([])
    expect(said.counts?.unreachable).toBe(0)
    expect(said.counts?.objects).toBe(clone.size)
    for (const [key, bytes] of kept) expect(await bytesOf(key)).toEqual(bytes)
  })

  it('finds and mends whatever single object is gone', async () => {
    const before = await refs()
    const condemned = new Set(await condemnedKeys())
    for (const key of kept.keys()) {
      if (key.startsWith('root/') || condemned.has(key)) continue
      await plainBucket.delete([key])
      const found = await foundOrThrown()
      if (found.length === 0) throw new Error(`Nothing is found when ${key} is gone`)
      await repair()
      expect(codes(await check()), `after ${key} was gone and mended`).toEqual([])
      expect(await refs()).toEqual(before)
      await restoreAll()
    }
  })

  it('finds and mends whatever single byte is wrong', async () => {
    const { seed } = cases(3)
    const next = random(seed)
    const before = await refs()
    const condemned = new Set(await condemnedKeys())
    for (const [key, bytes] of kept) {
      if (key.startsWith('root/') || condemned.has(key)) continue
      const spoilt = bytes.slice()
      const at = Math.floor(next() * bytes.length)
      spoilt[at] = (spoilt[at] ?? 0) ^ (1 + Math.floor(next() * 255))
      await plainBucket.put(key, spoilt)
      const about = `${key}, byte ${at} of ${bytes.length}`
      // Bytes that say nothing (padding, a time, the log's words) may be anything.
      const found = await foundOrThrown()
      await repair()
      expect(codes(await check()), about).toEqual([])
      if (key.startsWith('p/')) expect([about, await refs()]).toEqual([about, before])
      if (found.length > 0) await restoreAll()
      else await plainBucket.put(key, bytes)
    }
  })

  it.runIf(isThrottled)(
    'lists packs anew when their list is gone, however lately the root was written',
    async () => {
      const place = await r2Depot(bucket, options).open(name)
      // Its end says what it needed when it was written, which is gone.
      const moved = await stage(place, [blob('moved')], [`${'0'.repeat(32)}-${'1'.repeat(32)}`])
      const needs = (await place.read()).packs.slice(0, 1).map(({ id }) => id)
      await done(place, request([], { addPacks: [{ ...moved, needs }] }))
      const blobs = Array.from({ length: 400 }, (_, i) => blob(`more ${i}`))
      const addPacks = await Promise.all(blobs.map((each) => stage(place, [each])))
      await done(place, request([], { addPacks }))
      const { root } = await readRoot(plainBucket, name)
      if (!root.ledger) throw new Error('Expected a ledger')
      await plainBucket.delete([objectKey('t', root.repository, root.ledger.id)])
      const late = faultyBucket(plainBucket, { writeInterval: 5 * WRITE_INTERVAL })
      const key = rootKey(name)
      await late.put(key, await bytesOf(key))
      await gather(repairR2(late, name, nodeRuntime, { writeInterval: 5 * WRITE_INTERVAL }))
      const ids = (await place.read()).packs.map(({ id }) => id)
      expect(ids.toSorted()).toEqual(root.packs.map(({ id }) => id).toSorted())
      await done(place, request([], { addPacks: [await stage(place, [blob('later')])] }))
    },
  )

  it('does not mend what nobody has, and says what to do', async () => {
    const packs = [...kept.keys()].filter((key) => key.startsWith('p/'))
    const condemned = new Set(await condemnedKeys())
    const [key = ''] = packs.filter((each) => !condemned.has(each))
    await plainBucket.delete([key])
    const before = await refs()
    const said = await gather(repairR2(bucket, name, nodeRuntime, options))
    expect(said.findings.map(({ code }) => code)).toContain('pack-lost')
    expect(said.findings.map(({ message }) => message).join()).toContain('datakit repair --from')
    expect(await refs()).toEqual(before)
    expect(codes(await check())).toContain('missing')
  })

  it('tells of keys that nobody names, and repair deletes those that are old', async () => {
    const [, repository] = [...kept.keys()].find((key) => key.startsWith('p/'))?.split('/') ?? []
    const stray = `t/${repository}/${'0'.repeat(32)}`
    await plainBucket.put(stray, new Uint8Array(1))
    const said = await check()
    expect(said.findings.find(({ code }) => code === 'stray')?.about).toBe(stray)
    await repair()
    expect(await plainBucket.head(stray)).toBe(null)
  })

  /** Codes of what is found; what is thrown where not even the root can be read. */
  async function foundOrThrown(): Promise<string[]> {
    try {
      return codes(await check())
    } catch (error) {
      return [String(error)]
    }
  }
})
