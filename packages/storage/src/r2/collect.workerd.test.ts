/** What forced pushes and deleted refs leave behind in a bucket, and when it goes. */
import type { GitObject } from '@datakit/git/object'
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { makeDelta } from '@datakit/git/pack/delta'
import { readLinks, unpackLinks } from '@datakit/git/pack/links'
import type { PackObject } from '@datakit/git/pack/write-pack'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { expect, it } from 'vitest'
import { cases, random } from '../../../git/test/seed.ts'
import { Author } from '../../test/author.ts'
import { codes, gather } from '../../test/checking.ts'
import { overR2 } from '../../../../worker/test/r2-modes.ts'
import { done, move, noise, patched, request, stage } from '../../test/samples.ts'
import { compact } from '../maintenance.ts'
import { randomId } from '../update.ts'
import type { Bucket } from './bucket.ts'
import { checkR2 } from './check.ts'
import { collectGarbage } from './collect.ts'
import { r2Depot } from './depot.ts'

const MAIN = 'refs/heads/main'
const HOUR = 60 * 60 * 1000
const DAY = 24 * HOUR

/** A repository, its clock, and everything that was ever pushed to it. */
async function scene(bucket: Bucket) {
  let now = Date.now()
  const name = `collect/${randomId()}`
  const options = { clock: () => now }
  const place = await r2Depot(bucket, options).open(name)
  const all = new Map<Oid, GitObject>()
  return {
    name,
    place,
    all,
    now: () => now,
    advance: (milliseconds: number) => void (now += milliseconds),
    collect: (maxBytes?: number) =>
      collectGarbage(bucket, name, nodeRuntime, { ...options, maxBytes }),
    check: () => gather(checkR2(bucket, name, nodeRuntime, options)),
    async push(ref: string, objects: readonly (GitObject & { oid: Oid })[], to: Oid | undefined) {
      const state = await place.read()
      const thin = asThin(objects, all)
      for (const { oid, type, body } of objects) all.set(oid, { type, body })
      const staged = await stage(
        place,
        thin,
        state.packs.map(({ id }) => id),
      )
      const wish = request([move(ref, await state.ref(ref), to)], { addPacks: [staged] })
      await done(place, wish)
    },
  }
}

/** Blobs as deltas against the blob that was pushed last, whatever becomes of that. */
function asThin(
  objects: readonly (GitObject & { oid: Oid })[],
  all: ReadonlyMap<Oid, GitObject>,
): PackObject[] {
  const base = [...all].findLast(([, { type }]) => type === 'blob')
  return objects.map((object) => {
    if (base === undefined || object.type !== 'blob' || all.has(object.oid)) return object
    return { ...object, delta: { base: base[0], bytes: makeDelta(base[1].body, object.body) } }
  })
}

async function held(place: Place, oids: Iterable<Oid>): Promise<Set<Oid>> {
  const objects = await Objects.open(place, nodeRuntime)
  const there = new Set<Oid>()
  for (const oid of oids) if (await objects.has(oid)) there.add(oid)
  return there
}

const file = (seed: number) => noise(3000, seed).body
const patchedFile = (body: Uint8Array, number: number) => patched(body, number + 1).body

overR2(({ bucket }) => {
  it('keeps what a forced push has left for two weeks, then lets it go in two phases', async () => {
    const { place, all, push, collect, check, advance } = await scene(bucket)
    const author = new Author()
    await push(MAIN, author.commit({ 'a/one': file(1) }), author.head)
    const first = author.head
    const secret = author.commit({ 'a/secret': file(2) })
    await push(MAIN, secret, author.head)
    await done(place, request([move(MAIN, author.head, first)]))
    // A later blob is a delta against what nobody can see any more.
    author.head = first
    await push(MAIN, author.commit({ 'a/secret': file(3) }), author.head)
    advance(13 * DAY)
    expect(await collect()).toEqual({ objects: 0, packs: 0 })
    advance(2 * DAY)
    const dead = secret.filter(({ type }) => type === 'blob').map(({ oid }) => oid)
    const packs = (await place.read()).packs.map(({ id }) => id)
    expect((await collect()).objects).toBeGreaterThan(0)
    expect((await held(place, all.keys())).has(dead[0] ?? ('' as Oid))).toBe(false)
    // Whoever is in the middle of a pack can go on for the grace.
    await expect(place.readPack(packs[1] ?? '', 0, 4)).resolves.toHaveLength(4)
    advance(2 * HOUR)
    await place.sweep({ grace: HOUR })
    expect(await bucket.head(`p/${packs[1]?.replace('-', '/')}`)).toBe(null)
    const said = await check()
    expect(codes(said)).toEqual([])
    expect(said.counts?.unreachable).toBe(0)
    expect(await collect()).toEqual({ objects: 0, packs: 0 })
  })

  it('writes what is larger than its limit as several packs, deltas among them', async () => {
    const { place, all, push, collect, check, advance } = await scene(bucket)
    const author = new Author()
    const secret = file(0)
    await push(MAIN, author.commit({ 'a/secret': secret }), author.head)
    await push('refs/heads/topic', author.commit({ 'a/secret': file(1) }), author.head)
    await done(place, request([move('refs/heads/topic', author.head, undefined)]))
    // One large pack with garbage in it, and packs that need it for their deltas.
    await compact(place, nodeRuntime)
    author.head = await (await place.read()).ref(MAIN)
    const base = { 'a/secret': secret }
    for (let i = 0; i < 12; i++) {
      const files = { [`b/${i}`]: file(i + 2), 'a/secret': patchedFile(secret, i) }
      await push(MAIN, author.commit({ ...base, ...files }), author.head)
    }
    advance(20 * DAY)
    const { packs: before } = await place.read()
    const { objects, packs } = await collect(8000)
    expect(objects).toBeGreaterThan(0)
    expect(packs).toBeGreaterThan(1)
    const after = (await place.read()).packs.filter(({ id }) => before.every((b) => b.id !== id))
    expect(after.length).toBeGreaterThan(2)
    for (const { size } of after) expect(size).toBeLessThan(8000 + 4000)
    expect(after.some(({ needs }) => needs.length > 0)).toBe(true)
    const said = await check()
    expect([codes(said), said.counts?.unreachable]).toEqual([[], 0])
    expect((await held(place, all.keys())).size).toBe(said.counts?.objects)
    expect(await collect(8000)).toEqual({ objects: 0, packs: 0 })
  })

  it('takes nothing away while something that refs lead to is missing', async () => {
    const { place, push, collect, advance } = await scene(bucket)
    const author = new Author()
    await push(MAIN, author.commit({ 'a/one': file(1) }), author.head)
    await push('refs/heads/topic', author.commit({ 'a/two': file(2) }), author.head)
    await done(place, request([move('refs/heads/topic', author.head, undefined)]))
    await done(place, request([move('refs/heads/broken', undefined, 'f'.repeat(40) as Oid)]))
    advance(20 * DAY)
    expect(await collect()).toEqual({ objects: 0, packs: 0 })
  })

  it('lets a push that comes meanwhile win', async () => {
    const { name, place, push, advance, all, check, now } = await scene(bucket)
    const author = new Author()
    await push(MAIN, author.commit({ 'a/one': file(1) }), author.head)
    await push('refs/heads/topic', author.commit({ 'a/two': file(2) }), author.head)
    await done(place, request([move('refs/heads/topic', author.head, undefined)]))
    advance(20 * DAY)
    let isFirst = true
    const racing: Bucket = {
      ...bindAll(bucket),
      async put(key, value, options) {
        // Just before the update of the collection, somebody merges everything.
        if (isFirst && key.startsWith('root/')) {
          isFirst = false
          await compact(place, nodeRuntime)
        }
        return bucket.put(key, value, options)
      },
    }
    const options = { clock: now }
    await collectGarbage(racing, name, nodeRuntime, options)
    expect(isFirst).toBe(false)
    expect(codes(await check())).toEqual([])
    await collectGarbage(bucket, name, nodeRuntime, options)
    const said = await check()
    expect([codes(said), said.counts?.unreachable]).toEqual([[], 0])
    expect((await held(place, all.keys())).size).toBe(said.counts?.objects)
  })

  it('keeps exactly what refs lead to, or have led to within the retention, after random pushes', async () => {
    const { seed, numRuns } = cases(2)
    const next = random(seed)
    const below = (limit: number) => Math.floor(next() * limit)
    for (let run = 0; run < numRuns; run++) {
      const { place, all, push, collect, check, advance, now } = await scene(bucket)
      const author = new Author()
      const names = [MAIN, 'refs/heads/a', 'refs/heads/b']
      /** Where each ref has been, and until when. */
      const left: { readonly oid: Oid; readonly until: number }[] = []
      const at = new Map<string, Oid>()
      const heads: Oid[] = []
      for (let step = 0; step < 25; step++) {
        const ref = names[below(3)] ?? MAIN
        const before = at.get(ref)
        const old = heads[below(heads.length || 1)]
        advance(below(3 * DAY))
        if (below(4) === 0 && before !== undefined) {
          const to = below(2) === 0 && ref !== MAIN ? undefined : old
          const isThere = to === undefined || (await held(place, reachedFrom(all, [to]))).size > 0
          if (
            !isThere ||
            to === before ||
            (to !== undefined && !isWhole(await held(place, all.keys()), all, to))
          )
            continue
          await done(place, request([move(ref, before, to)]))
          if (to === undefined) at.delete(ref)
          else at.set(ref, to)
        } else {
          if (before !== undefined) author.head = before
          const objects = author.commit({ [`d${below(3)}/f${below(5)}`]: file(below(50)) })
          await push(ref, objects, author.head)
          if (author.head !== undefined) heads.push(author.head)
          if (author.head !== undefined) at.set(ref, author.head)
        }
        if (before !== undefined) left.push({ oid: before, until: now() })
        if (below(5) === 0) await compact(place, nodeRuntime)
        if (below(5) === 0) await collect([undefined, 2000, 10_000][below(3)])
      }
      await collect()
      const kept = left.filter(({ until }) => until > now() - 14 * DAY).map(({ oid }) => oid)
      const expected = reachedFrom(all, [...at.values(), ...kept])
      expect(await held(place, all.keys())).toEqual(expected)
      expect(codes(await check())).toEqual([])
    }
  })
})

function bindAll(over: Bucket): Bucket {
  return {
    head: (key) => over.head(key),
    get: (key, options) => over.get(key, options),
    put: (key, value, options) => over.put(key, value, options),
    delete: (keys) => over.delete(keys),
    list: (options) => over.list(options),
    createMultipartUpload: (key) => over.createMultipartUpload(key),
  }
}

function isWhole(there: ReadonlySet<Oid>, all: ReadonlyMap<Oid, GitObject>, oid: Oid): boolean {
  return [...reachedFrom(all, [oid])].every((each) => there.has(each))
}

function reachedFrom(all: ReadonlyMap<Oid, GitObject>, roots: readonly Oid[]): Set<Oid> {
  const reached = new Set<Oid>(roots)
  for (const oid of reached) {
    const object = all.get(oid)
    const packed = object && readLinks(object.type, object.body)
    const links = packed && unpackLinks(packed)
    if (links?.kind === 'commit')
      for (const each of [links.tree, ...links.parents]) reached.add(each)
    if (links?.kind === 'tree') for (const each of links.added) reached.add(each)
  }
  return reached
}
