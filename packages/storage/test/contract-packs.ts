/**
 * What every place promises about packs.
 *
 * @module
 */
import { concat, equal } from '@datakit/git/bytes'
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { makeDelta } from '@datakit/git/pack/delta'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { encodePack } from '@datakit/git/pack/write-pack'
import { expect } from 'vitest'
import { compact } from '../src/maintenance.ts'
import {
  blob,
  collect,
  done,
  find,
  move,
  noise,
  patched,
  oid,
  readWhole,
  request,
  settle,
  stage,
  turn,
  type PlaceUnderTest,
} from './samples.ts'

type Test = (title: string, body: (scene: PlaceUnderTest) => Promise<void>) => void

const MAIN = 'refs/heads/main'
const HOUR = 60 * 60 * 1000

/** Packs appear and disappear by updates alone. */
export function packContract(test: Test): void {
  test('shows a pack from its update on', async ({ place, reopen }) => {
    const [one, two] = [blob('one'), blob('two')]
    const pack = await stage(place, [one, two])
    expect(pack).toMatchObject({ objects: 2, verified: true })
    expect((await place.read()).packs).toEqual([])
    await done(place, request([move(MAIN, undefined, one.oid)], { addPacks: [pack] }))
    for (const each of [place, await reopen()]) {
      const state = await each.read()
      expect(state.packs).toHaveLength(1)
      expect(state.packs[0]).toMatchObject({ objects: 2, needs: [], verified: true })
      expect(await find(each, state, two.oid)).toEqual({ type: 'blob', body: two.body })
      expect(await find(each, state, oid(1))).toBeUndefined()
    }
  })

  test('shows no pack of an update that was lost, and takes it the next time', async ({
    place,
  }) => {
    await done(place, request([move(MAIN, undefined, oid(1))]))
    const one = blob('one')
    const addPacks = [await stage(place, [one])]
    const lost = await settle(place, request([move(MAIN, undefined, one.oid)], { addPacks }))
    expect(lost.state).toBe('lost')
    expect((await place.read()).packs).toEqual([])
    await done(place, request([move(MAIN, oid(1), one.oid)], { addPacks }))
    expect(await find(place, await place.read(), one.oid)).toBeDefined()
  })

  test('leaves nothing of a pack that was aborted', async ({ place, reopen }) => {
    const { bytes } = await encodePack(portableRuntime, [noise(600_000, 1)])
    const writer = await place.writePack()
    await writer.write(bytes.subarray(0, 500_000))
    await writer.abort()
    await writer.abort()
    await done(place, request([move(MAIN, undefined, oid(1))]))
    expect((await (await reopen()).read()).packs).toEqual([])
  })

  test('reads back what is being written', async ({ place }) => {
    const { bytes, table } = await encodePack(portableRuntime, [noise(700_000, 2), blob('small')])
    const writer = await place.writePack()
    const scratch = new Uint8Array(100_000)
    for (let i = 0; i < bytes.length; i += scratch.length) {
      const piece = bytes.subarray(i, i + scratch.length)
      scratch.set(piece)
      await writer.write(scratch.subarray(0, piece.length))
      scratch.fill(0)
      const end = i + piece.length
      expect(
        equal(await writer.read(Math.max(0, i - 7), end), bytes.subarray(Math.max(0, i - 7), end)),
      ).toBe(true)
    }
    expect(equal(await writer.read(12, 650_000), bytes.subarray(12, 650_000))).toBe(true)
    const pack = await writer.finish({ table, needs: [], verified: true })
    expect(pack).toMatchObject({ size: bytes.length, objects: 2 })
  })

  test('reads any range of a stock pack', async ({ place, reopen }) => {
    const objects = [noise(900_000, 3), noise(900_000, 4), blob('end')]
    const addPacks = [await stage(place, objects)]
    await done(place, request([move(MAIN, undefined, oid(1))], { addPacks }))
    const again = await reopen()
    const state = await again.read()
    const [pack] = state.packs
    if (!pack) throw new Error('Expected a pack')
    const whole = await again.readPack(pack.id, 0, pack.size)
    expect(whole).toHaveLength(pack.size)
    expect([...whole.subarray(0, 12)]).toEqual([0x50, 0x41, 0x43, 0x4b, 0, 0, 0, 2, 0, 0, 0, 3])
    expect(equal(portableRuntime.sha1(whole.subarray(0, -20)), whole.subarray(-20))).toBe(true)
    expect(equal(await readWhole(again, pack, 262_147), whole)).toBe(true)
    for (const [start, end] of [
      [0, 1],
      [5, 5],
      [262_143, 262_145],
      [1_000_000, 1_700_000],
    ] as const) {
      expect(equal(await again.readPack(pack.id, start, end), whole.subarray(start, end))).toBe(
        true,
      )
      const pieces: Uint8Array[] = []
      for await (const piece of again.streamPack(pack.id, start, end)) pieces.push(piece.slice())
      expect(equal(concat(pieces), whole.subarray(start, end))).toBe(true)
    }
    for (const object of objects) expect(await find(again, state, object.oid)).toBeDefined()
  })

  test('keeps every object of hundreds of small updates', async ({ place, reopen }) => {
    const blobs = Array.from({ length: 120 }, (_, i) => blob(`value ${i}`))
    for (const [i, each] of blobs.entries()) {
      const addPacks = [await stage(place, [each])]
      await done(place, request([move(MAIN, blobs[i - 1]?.oid, each.oid)], { addPacks }))
    }
    const again = await reopen()
    const state = await again.read()
    for (const each of blobs) expect(await find(again, state, each.oid)).toBeDefined()
    for (const pack of state.packs) {
      const whole = await again.readPack(pack.id, 0, pack.size)
      expect(equal(portableRuntime.sha1(whole.subarray(0, -20)), whole.subarray(-20))).toBe(true)
    }
  })

  test('takes more than a thousand packs', async ({ place, reopen }) => {
    const blobs = Array.from({ length: 1001 }, (_, i) => blob(`value ${i}`))
    const addPacks = []
    for (const each of blobs) addPacks.push(await stage(place, [each]))
    await done(place, request([move(MAIN, undefined, oid(1))], { addPacks }))
    const again = await reopen()
    const state = await again.read()
    expect(state.packs.reduce((sum, { objects }) => sum + objects, 0)).toBe(1001)
    for (const i of [0, 499, 1000]) {
      const each = blobs[i]
      if (each) expect(await find(again, state, each.oid)).toBeDefined()
    }
  })

  test('can read a delta whose base is in another pack', async ({ place, reopen }) => {
    const base = noise(5000, 5)
    const target = patched(base.body)
    await done(
      place,
      request([move(MAIN, undefined, base.oid)], { addPacks: [await stage(place, [base])] }),
    )
    const needs = (await place.read()).packs.map(({ id }) => id)
    const delta = { base: base.oid, bytes: makeDelta(base.body, target.body) }
    const thin = await stage(place, [{ ...target, delta }], needs)
    await done(place, request([move(MAIN, base.oid, target.oid)], { addPacks: [thin] }))
    const again = await reopen()
    expect((await find(again, await again.read(), target.oid))?.body).toEqual(target.body)
  })

  test('marks packs as verified', async ({ place, reopen }) => {
    const { bytes, table } = await encodePack(portableRuntime, [blob('one')])
    const writer = await place.writePack()
    await writer.write(bytes)
    const pack = await writer.finish({ table, needs: [], verified: false })
    await done(place, request([move(MAIN, undefined, oid(1))], { addPacks: [pack] }))
    const before = await place.read()
    expect(before.packs[0]?.verified).toBe(false)
    await place.markVerified([...before.packs.map(({ id }) => id), 'unknown'])
    expect((await (await reopen()).read()).packs[0]?.verified).toBe(true)
    expect(before.packs[0]?.verified).toBe(false)
  })
}

/** Packs that are replaced stay readable for those who are in the middle of them. */
export function sweepContract(test: Test): void {
  /** A place with two packs of which the first is condemned; both too large to be put together. */
  const condemn = async ({ place }: PlaceUnderTest) => {
    const [one, two] = [noise(400_000, 6), noise(400_000, 7)]
    await done(
      place,
      request([move(MAIN, undefined, one.oid)], { addPacks: [await stage(place, [one])] }),
    )
    const [old] = (await place.read()).packs
    if (!old) throw new Error('Expected a pack')
    const whole = await place.readPack(old.id, 0, old.size)
    const merged = await stage(place, [one, two])
    await done(place, request([], { addPacks: [merged], removePacks: [old.id] }))
    return { old, whole, one, two }
  }

  test('keeps a condemned pack readable for the grace', async (scene) => {
    const { place, reopen } = scene
    const { old, whole, two } = await condemn(scene)
    const state = await place.read()
    expect(state.packs.map(({ id }) => id)).not.toContain(old.id)
    expect(await place.sweep({ grace: HOUR })).toEqual({ deleted: 0 })
    expect(equal(await place.readPack(old.id, 0, old.size), whole)).toBe(true)
    expect(equal(await (await reopen()).readPack(old.id, 0, old.size), whole)).toBe(true)
    expect(await find(place, state, two.oid)).toBeDefined()
  })

  test('deletes a condemned pack after the grace', async (scene) => {
    const { place } = scene
    const { old, one } = await condemn(scene)
    expect((await place.sweep({ grace: 0 })).deleted).toBeGreaterThan(0)
    await expect(place.readPack(old.id, 0, 12)).rejects.toMatchObject({ code: 'missing' })
    await expect(collect(place.streamPack(old.id, 0, 12))).rejects.toMatchObject({
      code: 'missing',
    })
    expect(await find(place, await place.read(), one.oid)).toBeDefined()
  })

  test('loses an update that relies on, removes or adds a condemned pack', async (scene) => {
    const { place } = scene
    const { old } = await condemn(scene)
    const refs = [move('refs/heads/late', undefined, oid(1))]
    const lost = { state: 'lost', packs: [old.id] }
    expect(await settle(place, request(refs, { reliesOn: [old.id] }))).toMatchObject(lost)
    expect(await settle(place, request(refs, { removePacks: [old.id] }))).toMatchObject(lost)
    expect((await settle(place, request(refs, { addPacks: [old] }))).state).toBe('lost')
    expect(await (await place.read()).ref('refs/heads/late')).toBeUndefined()
    const live = (await place.read()).packs.map(({ id }) => id)
    expect((await settle(place, request(refs, { reliesOn: live }))).state).toBe('done')
  })

  test('keeps a pack that others hold deltas against', async ({ place, reopen }) => {
    const base = noise(400_000, 5)
    await done(
      place,
      request([move(MAIN, undefined, base.oid)], { addPacks: [await stage(place, [base])] }),
    )
    const removePacks = (await place.read()).packs.map(({ id }) => id)
    const versions = [base]
    const add = async (more: Parameters<typeof request>[1] = {}) => {
      const from = versions.at(-1) ?? base
      const target = patched(from.body, versions.length)
      const delta = { base: from.oid, bytes: makeDelta(from.body, target.body) }
      const needs = (await place.read()).packs.slice(-1).map(({ id }) => id)
      const thin = await stage(place, [{ ...target, delta }], needs)
      const wish = request([move(MAIN, from.oid, target.oid)], { addPacks: [thin], ...more })
      const outcome = await settle(place, wish)
      if (outcome.state === 'done') versions.push(target)
      return outcome
    }
    for (let i = 0; i < 3; i++) {
      expect((await add()).state).toBe('done')
      const wishes = [await add({ removePacks }), await settle(place, request([], { removePacks }))]
      // Where packs are self-contained, nobody needs the first one any more.
      if (place.traits.keepsThinPacks)
        expect(wishes).toEqual(Array(2).fill(expect.objectContaining({ packs: removePacks })))
    }
    await place.sweep({ grace: 0 })
    const again = await reopen()
    const state = await again.read()
    for (const each of versions)
      expect((await find(again, state, each.oid))?.body).toEqual(each.body)
  })

  test('adds a pack whose base is in another pack than when it was written', async ({
    place,
    reopen,
  }) => {
    // Both kinds of stages: one that a browser holds in memory, and one that it writes down.
    for (const [i, size] of [3000, 400_000].entries()) {
      const name = `refs/heads/${size}`
      const [base, other] = [noise(400_000, 30 + i), noise(400_000, 40 + i)]
      const first = await stage(place, [base])
      await done(place, request([move(name, undefined, base.oid)], { addPacks: [first] }))
      const old = (await place.read()).packs.slice(-1).map(({ id }) => id)
      const target = {
        ...patched(base.body, 3),
        delta: { base: base.oid, bytes: new Uint8Array() },
      }
      target.delta.bytes = makeDelta(base.body, target.body)
      const thin = await stage(place, [target, noise(size, 50 + i)], old)
      const merged = await stage(place, [base, other])
      await done(place, request([], { addPacks: [merged], removePacks: old }))
      await place.sweep({ grace: 0 })
      const refs = [move(name, base.oid, target.oid)]
      const early = await settle(place, request(refs, { addPacks: [thin] }))
      if (place.traits.keepsThinPacks) expect(early).toMatchObject({ state: 'lost', packs: old })
      const { packs } = await place.read()
      const needs = packs.slice(-1).map(({ id }) => id)
      if (early.state === 'lost')
        await done(place, request(refs, { addPacks: [{ ...thin, needs }] }))
      const again = await reopen()
      expect((await find(again, await again.read(), target.oid))?.body).toEqual(target.body)
      // It is needed from now on.
      if (place.traits.keepsThinPacks)
        expect(await settle(again, request([], { removePacks: needs }))).toMatchObject({
          state: 'lost',
          packs: needs,
        })
    }
  })

  test('finds every object while maintenance merges packs', async ({ place, reopen }) => {
    // Too large to be put together by the place itself.
    const blobs = Array.from({ length: 6 }, (_, i) => noise(200_000, 20 + i))
    const reader = await reopen()
    let writing = true
    const written: Oid[] = []
    const reading = (async () => {
      for (let i = 0; writing || i < 2; i++) {
        const objects = await Objects.open(reader, portableRuntime)
        for (const each of [...written]) expect((await objects.read(each)).type).toBe('blob')
        await turn()
      }
    })()
    for (const each of blobs) {
      await done(place, request([], { addPacks: [await stage(place, [each])] }))
      written.push(each.oid)
      await compact(place, portableRuntime)
    }
    writing = false
    await reading
    const packs = (await place.read()).packs
    expect(packs.length).toBeLessThan(blobs.length)
    await place.sweep({ grace: 0 })
    const objects = await Objects.open(await reopen(), portableRuntime)
    for (const each of blobs) expect((await objects.read(each.oid)).body).toEqual(each.body)
  })

  test('finds every object while packs are replaced again and again', async ({ place, reopen }) => {
    const blobs = [noise(300_000, 8), noise(300_000, 9)]
    await done(
      place,
      request([move(MAIN, undefined, oid(1))], { addPacks: [await stage(place, blobs)] }),
    )
    const reader = await reopen()
    let replacing = true
    const reading = (async () => {
      for (let i = 0; replacing || i < 2; i++) {
        const state = await reader.read()
        for (const each of blobs) expect(await find(reader, state, each.oid)).toBeDefined()
        await turn()
      }
    })()
    for (let i = 0; i < 5; i++) {
      const removePacks = (await place.read()).packs.map(({ id }) => id)
      await done(place, request([], { addPacks: [await stage(place, blobs)], removePacks }))
      await place.sweep({ grace: HOUR })
    }
    replacing = false
    await reading
    expect((await place.read()).packs).toHaveLength(1)
  })
}

/** The rest of the state, and hearing of changes. */
export function stateContract(test: Test): void {
  test('sees everything again when it is opened anew', async ({ place, reopen }) => {
    const one = blob('one')
    const wish = request([move(MAIN, undefined, one.oid)], {
      addPacks: [await stage(place, [one])],
      shallow: { add: [oid(1), oid(2)], remove: [] },
      promised: { add: [oid(3)], remote: 'origin' },
    })
    const version = await done(place, wish)
    await place.close()
    const again = await reopen()
    const state = await again.read()
    expect(state.version).toBe(version)
    expect(state.shallow).toEqual(new Set([oid(1), oid(2)]))
    expect(await state.promised(oid(3))).toBe('origin')
    expect(await state.promised(oid(1))).toBeUndefined()
    expect(await collect(again.log(MAIN))).toHaveLength(1)
    expect(await state.receipt(wish.id)).toBeDefined()
    expect(await find(again, state, one.oid)).toBeDefined()
    await done(again, request([], { shallow: { add: [], remove: [oid(1)] } }))
    expect((await again.read()).shallow).toEqual(new Set([oid(2)]))
    expect(state.shallow).toEqual(new Set([oid(1), oid(2)]))
  })

  test('tells subscribers that something changed, until they stop', async ({ place }) => {
    let calls = 0
    let heard: () => void = () => {}
    const stop = place.subscribe(() => {
      calls++
      heard()
    })
    const hearing = new Promise<void>((resolve) => (heard = resolve))
    await done(place, request([move(MAIN, undefined, oid(1))]))
    await hearing
    stop()
    const before = calls
    await done(place, request([move(MAIN, oid(1), oid(2))]))
    await place.read()
    expect(calls).toBe(before)
  })
}
