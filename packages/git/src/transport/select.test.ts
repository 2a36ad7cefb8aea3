import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { memoryPlace } from '../../../storage/src/memory.ts'
import { randomHistory } from '../../test/history.ts'
import type { RealRepository } from '../../test/real-git.ts'
import { random, seed } from '../../test/seed.ts'
import { load } from '../../test/support/load.ts'
import { collect } from '../../test/support/hostile.ts'
import { Objects } from '../objects.ts'
import { encodeStockIdx } from '../pack/idx.ts'
import { PackTable } from '../pack/pack-table.ts'
import { parseOid, type Oid } from '../oid.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { selectObjects } from './select.ts'
import { servePack, streamPack } from './serve.ts'

const CASES = 12
console.info(`select: seed ${seed}, ${CASES} cases`)

function oids(text: string): Oid[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => parseOid(line.slice(0, 40)))
}

function commitsOf(git: RealRepository, revision = '--all'): Oid[] {
  return oids(git.run(['rev-list', revision]))
}

/** What `git rev-list --objects` lists for wants without haves. */
function reached(git: RealRepository, wants: readonly Oid[], haves: readonly Oid[]): Set<Oid> {
  return new Set(
    oids(git.run(['rev-list', '--objects', ...wants, ...haves.map((oid) => `^${oid}`)])),
  )
}

/** A place with the history, brought there by several pushes. */
async function pushed(git: RealRepository, heads: readonly Oid[]): Promise<Objects> {
  const place = memoryPlace()
  const tip = git.run(['rev-parse', 'main'])
  for (const head of [...heads, tip]) {
    git.run(['update-ref', 'refs/heads/main', head])
    await load(place, git.folder, ['--thin'])
  }
  return Objects.open(place, nodeRuntime)
}

function pick<T>(values: readonly T[], next: () => number): T {
  const value = values[Math.floor(next() * values.length)]
  if (value === undefined) throw new RangeError('There is nothing to pick from')
  return value
}

// Seen to fail: with the differences of trees folded in the wrong order, with `removed` passed over, and with a delta that
// keeps its distance to a base that has moved.
describe('selecting on random histories', () => {
  it(`takes all that wants reach, nothing else, and no more than once (${CASES} histories)`, async () => {
    for (let i = 0; i < CASES; i++) {
      const next = random(seed + 1000 + i)
      const git = randomHistory({ files: 30, commits: 25, random: next })
      const commits = commitsOf(git, 'main').toReversed()
      const objects = await pushed(git, i % 2 === 0 ? [] : [pick(commits, next)])
      const want = pick(commits, next)
      const selection = await selectObjects(objects, { wants: [want], haves: [] })
      const list = [...selection.oids()]
      expect(new Set(list)).toEqual(reached(git, [want], []))
      expect(list).toHaveLength(selection.count)
      git.remove()
    }
  })

  it(`sends what the receiver lacks, and little more (${CASES} histories)`, async () => {
    let [sent, needed] = [0, 0]
    for (let i = 0; i < CASES; i++) {
      const next = random(seed + 2000 + i)
      const git = randomHistory({ files: 30, commits: 25, random: next })
      const commits = commitsOf(git, 'main').toReversed()
      const objects = await pushed(git, [
        commits[8] ?? pick(commits, next),
        commits[16] ?? pick(commits, next),
      ])
      const [want, have] = [pick(commits, next), pick(commits, next)]
      const selection = await selectObjects(objects, { wants: [want], haves: [have] })
      const least = reached(git, [want], [have])
      const most = reached(git, [want], [])
      const had = reached(git, [have], [])
      for (const oid of least)
        expect(had.has(oid) || selection.has(oid), `${oid} is missing`).toBe(true)
      for (const oid of selection.oids()) expect(most.has(oid), `${oid} is too much`).toBe(true)
      for (const oid of most)
        if (selection.isHad(oid)) expect(had.has(oid), `${oid} is not had`).toBe(true)
      sent += selection.count
      needed += least.size
      git.remove()
    }
    // One history may bring back much of what was there long before; all of them together do not.
    expect(sent).toBeLessThanOrEqual(needed * 1.5 + 15 * CASES)
  })

  it(`makes packs that Git completes and finds sound (${CASES} histories)`, async () => {
    for (let i = 0; i < CASES; i++) {
      const next = random(seed + 3000 + i)
      const git = randomHistory({ files: 30, commits: 25, random: next })
      const commits = commitsOf(git, 'main').toReversed()
      const objects = await pushed(git, [commits[12] ?? pick(commits, next)])
      const [want, have] = [pick(commits, next), pick(commits, next)]
      const target = randomHistory({ files: 1, commits: 1, random: next })
      const first = await collect(servePack(objects, { wants: [have], haves: [], thin: false }))
      target.bytes(['index-pack', '--stdin', '--strict'], first)
      const thin = next() < 0.5
      const usesDistance = next() < 0.7
      const second = await collect(
        servePack(objects, { wants: [want], haves: [have], thin, usesDistance }),
      )
      target.bytes(['index-pack', '--stdin', ...(thin ? ['--fix-thin'] : [])], second)
      target.run(['update-ref', 'refs/heads/want', want])
      target.run(['update-ref', 'refs/heads/have', have])
      target.run(['fsck', '--strict', '--no-dangling'])
      target.remove()
      git.remove()
    }
  })
})

describe('selecting', () => {
  it('brings tags along when what they name is sent', async () => {
    const git = randomHistory({ files: 3, commits: 3, random: random() })
    git.run(['tag', '-a', '-m', 'one', 'inner', 'main'])
    git.run(['tag', '-a', '-m', 'two', 'outer', 'inner'])
    git.run(['tag', '-a', '-m', 'old', 'old', 'main~2'])
    const objects = await pushed(git, [])
    const [inner, outer, old, tip, first] = ['inner', 'outer', 'old', 'main', 'main~1'].map(
      (name) => parseOid(git.run(['rev-parse', name])),
    )
    if (!inner || !outer || !old || !tip || !first) throw new Error('Git names them all')
    const selection = await selectObjects(objects, {
      wants: [tip],
      haves: [first],
      tags: [outer, old],
    })
    expect([inner, outer, old].map((oid) => selection.has(oid))).toEqual([true, true, false])
    git.remove()
  })

  it('fills the table of the pack as an index of it needs', async () => {
    const git = randomHistory({ files: 40, commits: 40, random: random() })
    const commits = commitsOf(git, 'main').toReversed()
    const objects = await pushed(
      git,
      [commits[10], commits[20], commits[30]].flatMap((oid) => oid ?? []),
    )
    const wants = oids(git.run(['for-each-ref', '--format=%(objectname)']))
    const table = new PackTable()
    const selection = await selectObjects(objects, { wants, haves: [] })
    const pack = await collect(streamPack(objects, selection, { thin: false, table }))
    const trailer = pack.subarray(-20)
    const path = join(git.folder, 'served.pack')
    writeFileSync(path, pack)
    git.run(['index-pack', path])
    const own = encodeStockIdx(table, trailer, nodeRuntime)
    expect(Buffer.compare(own, readFileSync(path.replace('.pack', '.idx')))).toBe(0)
    // The links are right when a walk over them finds what Git finds.
    const place = memoryPlace()
    const writer = await place.writePack()
    await writer.write(pack)
    const staged = await writer.finish({ table, needs: [], verified: true })
    const [tip] = commits.slice(-1)
    const refs = [{ name: 'refs/heads/main', from: undefined, to: tip }]
    await place.update({ id: 'a'.repeat(32), refs, addPacks: [staged], log: { who: '', why: '' } })
    const copied = await Objects.open(place, nodeRuntime)
    for (const want of commits) {
      const again = await selectObjects(copied, { wants: [want], haves: [] })
      expect(new Set(again.oids())).toEqual(reached(git, [want], []))
    }
    git.remove()
  })

  it('passes a repository that is one pack on as it is stored', async () => {
    const git = randomHistory({ files: 30, commits: 20, random: random() })
    const objects = await pushed(git, [])
    const selection = await selectObjects(objects, {
      wants: [...reached(git, [], [])],
      haves: [],
    }).catch(() => undefined)
    expect(selection?.count ?? 0).toBe(0)
    const tips = oids(git.run(['for-each-ref', '--format=%(objectname)']))
    const whole = await selectObjects(objects, { wants: tips, haves: [] })
    const [pack] = objects.state.packs
    expect(whole.whole?.id).toBe(pack?.id)
    if (pack === undefined) throw new Error('There is one pack')
    const stored = await objects.place.readPack(pack.id, 0, pack.size)
    expect(Buffer.compare(await collect(streamPack(objects, whole, { thin: false })), stored)).toBe(
      0,
    )
    git.remove()
  })

  it('of a commit costs what it changed', async () => {
    const git = randomHistory({ files: 400, commits: 10, random: random() })
    const commits = commitsOf(git, 'main')
    const [tip, before] = commits
    if (tip === undefined || before === undefined) throw new Error('There are ten commits')
    const objects = await pushed(git, [before])
    const selection = await selectObjects(objects, { wants: [tip], haves: [before] })
    expect(selection.count).toBeLessThanOrEqual(reached(git, [tip], [before]).size * 1.5 + 15)
    git.remove()
  })

  it('fails when something is not there', async () => {
    const git = randomHistory({ files: 3, commits: 3, random: random() })
    const objects = await pushed(git, [])
    const nobody = parseOid('1'.repeat(40))
    await expect(selectObjects(objects, { wants: [nobody], haves: [] })).rejects.toThrow(nobody)
    const selection = await selectObjects(objects, {
      wants: commitsOf(git, 'main').slice(0, 1),
      haves: [nobody],
    })
    expect(selection.count).toBeGreaterThan(3)
    git.remove()
  })
})
