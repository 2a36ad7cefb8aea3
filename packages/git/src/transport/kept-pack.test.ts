/**
 * Upkeep that merges packs away between the moment in which a thin pack was kept and the one in which it is added. Stock Git
 * makes the packs, and says in the end what has to be there.
 */
import { afterEach, beforeEach, expect, it } from 'vitest'

import { compact } from '../../../storage/src/maintenance.ts'
import { memoryPlace } from '../../../storage/src/memory.ts'
import { log, main, move, newId, pieces, receive, state, thinPack } from '../../test/pushing.ts'
import { RealRepository } from '../../test/real-git.ts'
import { random } from '../../test/seed.ts'
import { nameObject } from '../object.ts'
import { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import type { Place } from '../place.ts'
import { nodeRuntime as runtime } from '../runtime/node.ts'
import { receivePromised } from './promised.ts'
import type { ReceivePolicy } from './ref-rules.ts'

let git: RealRepository
let commits: Oid[]
let place: Place
beforeEach(async () => {
  git = new RealRepository()
  const numbers = random(1)
  // Does not compress: packs of about one size are merged with each other.
  const noise = Buffer.from(Array.from({ length: 6000 }, () => Math.floor(numbers() * 256)))
  commits = []
  place = memoryPlace()
  for (const version of [0, 1, 2]) {
    const files = [noise.subarray(0, 3000), noise.subarray(3000)].slice(0, version + 1)
    if (version === 2) files.splice(1, 1, Buffer.from(noise.subarray(3000)).fill(7, 0, 3))
    const rows = files.map((body, i) => {
      const blob = git.run(['hash-object', '-w', '--stdin'], body)
      return `100644 blob ${blob}\tfile-${i}\n`
    })
    const parents = commits.slice(-1).flatMap((parent) => ['-p', parent])
    const tree = git.run(['mktree'], rows.join(''))
    commits.push(git.run(['commit-tree', tree, '-m', `version ${version}`, ...parents]) as Oid)
  }
  await push(place, 0)
  await push(place, 1)
})
afterEach(() => git.remove())

/** Pushes a version as a client of Git does: what is new, as deltas to what is there. */
async function push(target: Place, version: number, policy?: ReceivePolicy): Promise<string[]> {
  const tip = commits[version] as Oid
  const pack = pieces(thinPack(git, [tip], commits.slice(0, version)))
  const outcome = await receive(target, {
    updates: [await move(target, main, tip)],
    pack,
    policy,
  })
  return state(outcome)
}

/** The place where upkeep is faster than the first updates that add a pack, so many times; each time that pack's needs are gone. */
function overtaken(times: number): { readonly place: Place; merges(): number } {
  let merges = 0
  return {
    merges: () => merges,
    place: {
      ...place,
      async update(request) {
        if (request.addPacks?.length === 1 && merges < times) {
          const before = new Set((await place.read()).packs.map(({ id }) => id))
          merges++
          // Something else to merge with, for the second time.
          if (merges > 1) await pushOther(`refs/heads/other-${merges}`)
          await compact(place, runtime)
          const live = new Set((await place.read()).packs.map(({ id }) => id))
          if ([...before].every((id) => live.has(id))) throw new Error('Nothing was merged')
        }
        return place.update(request)
      },
    },
  }
}

async function pushOther(branch: string): Promise<void> {
  const numbers = random(branch.length)
  const body = Buffer.from(Array.from({ length: 40_000 }, () => Math.floor(numbers() * 256)))
  const blob = git.run(['hash-object', '-w', '--stdin'], body)
  const tree = git.run(['mktree'], `100644 blob ${blob}\tother\n`)
  const tip = git.run(['commit-tree', tree, '-m', branch]) as Oid
  const updates = [await move(place, branch, tip)]
  expect(state(await receive(place, { updates, pack: pieces(thinPack(git, [tip])) }))).toEqual([
    'done',
  ])
}

/** Everything that Git has is here, each under its name, and no pack needs one that is gone. */
async function expectWhole(): Promise<void> {
  const objects = await Objects.open(place, runtime)
  const wanted = git.run(['rev-list', '--objects', '--no-object-names', String(commits[2])])
  for await (const { oid, type, body } of objects.readMany(wanted.split('\n') as Oid[]))
    expect(nameObject(runtime, { type, body })).toBe(oid)
  const live = new Set(objects.state.packs.map(({ id }) => id))
  for (const { needs } of objects.state.packs) for (const id of needs) expect(live).toContain(id)
  expect(objects.state.packs.flatMap(({ needs }) => needs)).not.toEqual([])
}

it.each([1, 2])('takes a push whose bases upkeep moves, %i times', async (times) => {
  const { place: busy, merges } = overtaken(times)
  expect(await push(busy, 2)).toEqual(['done'])
  expect(merges()).toBe(times)
  await expectWhole()
})

it('shows such a pack to those who are asked about a push', async () => {
  const { place: busy, merges } = overtaken(1)
  const seen: boolean[] = []
  const policy: ReceivePolicy = {
    async askEach() {
      const objects = await Objects.open(place, runtime)
      seen.push(await objects.has(commits[2] as Oid))
      return new Map()
    },
  }
  expect(await push(busy, 2, policy)).toEqual(['done'])
  expect([merges(), seen]).toEqual([1, [true]])
  await expectWhole()
})

it('keeps promised objects that came as deltas to what upkeep moves', async () => {
  const { place: busy, merges } = overtaken(1)
  const objects = await Objects.open(busy, runtime)
  const tip = commits[2] as Oid
  const missing = await receivePromised(objects, {
    id: newId(),
    oids: [tip],
    pack: pieces(thinPack(git, [tip], commits.slice(0, 2))),
    remote: 'origin',
    log,
  })
  expect([missing, merges()]).toEqual([[], 1])
  expect((await objects.read(tip)).type).toBe('commit')
  await expectWhole()
})

it('says that a pack was not taken in time where it is the pack that is gone', async () => {
  const late: Place = {
    ...place,
    async update(request) {
      const packs = (request.addPacks ?? []).map(({ id }) => id)
      return { state: 'lost', refs: new Map(), head: undefined, packs }
    },
  }
  expect(await push(late, 2)).toEqual([expect.stringContaining('push again')])
  expect(await (await place.read()).ref(main)).toBe(commits[1])
})
