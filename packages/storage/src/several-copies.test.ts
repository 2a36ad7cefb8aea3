/**
 * Objects that are in several packs, each time a delta against something else: what is served, and what is left after merging, is
 * right whatever the packs say, as long as a sound copy of everything is somewhere.
 */
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { makeDelta } from '@datakit/git/pack/delta'
import type { PackObject } from '@datakit/git/pack/write-pack'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { servePack } from '@datakit/git/transport/serve'
import { afterEach, expect, it } from 'vitest'
import { randomHistory } from '../../git/test/history.ts'
import { RealRepository } from '../../git/test/real-git.ts'
import { cases, random } from '../../git/test/seed.ts'
import { collect as gather } from '../../git/test/support/hostile.ts'
import { load } from '../../git/test/support/load.ts'
import { done, move, request, stage } from '../test/samples.ts'
import { compact } from './maintenance.ts'
import { memoryPlace } from './memory.ts'

const MAIN = 'refs/heads/main'
const repositories: RealRepository[] = []
afterEach(() => {
  for (const each of repositories.splice(0)) each.remove()
})

type Named = PackObject & { readonly oid: Oid }

async function allObjects(git: RealRepository): Promise<Named[]> {
  const place = memoryPlace()
  await load(place, git.folder)
  const objects = await Objects.open(place, nodeRuntime)
  const oids = git.run(['rev-list', '--objects', '--no-object-names', '--all']).split('\n')
  const all: Named[] = []
  for (const oid of oids as Oid[]) all.push({ oid, ...(await objects.read(oid)) })
  return all
}

/** Random packs of the objects: of each a whole copy somewhere, and deltas against whatever there is of its kind. */
async function scatter(place: Place, all: readonly Named[], next: () => number): Promise<void> {
  const below = (limit: number) => Math.floor(next() * limit)
  const count = 3 + below(4)
  const home = new Map(all.map(({ oid }) => [oid, below(count)]))
  for (let pack = 0; pack < count; pack++) {
    const chosen = all.filter(({ oid }) => home.get(oid) === pack || below(2) === 0)
    const shuffled = chosen.toSorted(() => next() - 0.5)
    const before = new Set<Oid>()
    const rows = shuffled.map((object): Named => {
      const peers = all.filter(({ type, oid }) => type === object.type && oid !== object.oid)
      const base = peers[below(peers.length || 1)]
      const isHome = home.get(object.oid) === pack
      before.add(object.oid)
      // In a pack of its own a base comes first; elsewhere it may be anything, the opposite of another pack too.
      const isFree = base !== undefined && (before.has(base.oid) || !chosen.includes(base))
      // Git reads no delta of less than four bytes, which one that makes nothing would have.
      if (isHome || !isFree || object.body.length === 0) return object
      return { ...object, delta: { base: base.oid, bytes: makeDelta(base.body, object.body) } }
    })
    await done(place, request([], { addPacks: [await stage(place, rows)] }))
  }
}

/** What Git makes of a pack on top of what it has: the objects that are reachable then, all of them checked. */
function fetchInto(target: RealRepository, pack: Uint8Array, tip: Oid): string[] {
  target.run(['index-pack', '--stdin', '--strict', '--fix-thin'], pack)
  target.run(['update-ref', MAIN, tip])
  target.run(['fsck', '--strict', '--no-dangling'])
  return target.run(['rev-list', '--objects', '--no-object-names', MAIN]).split('\n').sort()
}

function newRepository(): RealRepository {
  const made = new RealRepository()
  repositories.push(made)
  return made
}

it('serves and merges right what is in many packs with different and opposite bases', async () => {
  const { seed, numRuns } = cases(4)
  const next = random(seed)
  for (let run = 0; run < numRuns; run++) {
    const git = randomHistory({ files: 12, commits: 12, random: next })
    repositories.push(git)
    const all = await allObjects(git)
    const tip = git.run(['rev-parse', 'main']) as Oid
    const old = git.run(['rev-parse', `main~${1 + Math.floor(next() * 8)}`]) as Oid
    const expected = git
      .run(['rev-list', '--objects', '--no-object-names', 'main'])
      .split('\n')
      .sort()
    const place = memoryPlace()
    await done(place, request([move(MAIN, undefined, tip)]))
    await scatter(place, all, next)
    for (const step of ['scattered', 'merged'] as const) {
      if (step === 'merged') await compact(place, nodeRuntime)
      const objects = await Objects.open(place, nodeRuntime)
      for (const { oid, body } of all) expect((await objects.read(oid)).body).toEqual(body)
      const whole = { wants: [tip], haves: [], thin: false }
      expect(fetchInto(newRepository(), await gather(servePack(objects, whole)), tip)).toEqual(
        expected,
      )
      for (const thin of [true, false]) {
        const client = newRepository()
        client.run(['fetch', '--quiet', git.folder, `${old}:${MAIN}`])
        const rest = { wants: [tip], haves: [old], thin }
        expect(fetchInto(client, await gather(servePack(objects, rest)), tip)).toEqual(expected)
      }
    }
    for (const each of repositories.splice(0)) each.remove()
  }
})

it('reads both of two that are each a delta of the other, wherever the whole ones are', async () => {
  const { seed } = cases(1)
  const next = random(seed)
  const body = Uint8Array.from({ length: 2000 }, () => Math.floor(next() * 256))
  const other = body.slice()
  other[1000] = (other[1000] ?? 0) ^ 1
  const place = memoryPlace()
  const git = newRepository()
  const [one, two] = [body, other].map((each): Named => {
    const oid = git.run(['hash-object', '-w', '--stdin'], each) as Oid
    return { type: 'blob', body: each, oid }
  })
  if (one === undefined || two === undefined) throw new Error('Expected two blobs')
  const asDelta = (object: Named, base: Named): Named => {
    return { ...object, delta: { base: base.oid, bytes: makeDelta(base.body, object.body) } }
  }
  for (const objects of [[asDelta(one, two)], [asDelta(two, one)], [one], [two]])
    await done(place, request([], { addPacks: [await stage(place, objects)] }))
  for (const merges of [false, true]) {
    if (merges) await compact(place, nodeRuntime)
    const objects = await Objects.open(place, nodeRuntime)
    for (const each of [one, two]) expect((await objects.read(each.oid)).body).toEqual(each.body)
    const pack = await gather(
      servePack(objects, { wants: [two.oid, one.oid], haves: [], thin: true }),
    )
    const target = newRepository()
    target.run(['index-pack', '--stdin', '--strict'], pack)
    expect(target.bytes(['cat-file', 'blob', one.oid])).toEqual(Buffer.from(body))
  }
  expect((await place.read()).packs).toHaveLength(1)
})
