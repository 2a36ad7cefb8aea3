/**
 * A push that lacks something: the refs that lead there are refused, and no other.
 *
 * Seen to fail when trees inherited nothing from what they are told by, when what they have lost was inherited all the same, and when
 * parents were not followed.
 */
import { describe, expect, it } from 'vitest'
import { memoryPlace } from '../../../storage/src/memory.ts'
import { randomHistory } from '../../test/history.ts'
import {
  blob,
  commitOf,
  move,
  name,
  packOf,
  pieces,
  receive,
  state,
  thinPack,
  treeOf,
} from '../../test/pushing.ts'
import { cases, random, seed } from '../../test/seed.ts'
import type { Oid } from '../oid.ts'
import { MODES } from '../tree.ts'

const nowhere = '1'.repeat(40) as Oid
const whole = treeOf([['a', MODES.file, name(blob)]])
const lacking = treeOf([['b', MODES.file, nowhere]])

/** Refs that are new. */
function branches(tips: Readonly<Record<string, Oid>>) {
  return Object.entries(tips).map(([branch, to]) => ({
    name: `refs/heads/${branch}`,
    from: undefined,
    to,
  }))
}

describe('a push of which a branch lacks something', () => {
  const [good, bad] = [commitOf(name(whole)), commitOf(name(lacking))]
  const objects = [blob, whole, lacking, good, bad]

  it('moves the others', async () => {
    const child = commitOf(name(whole), [name(bad)])
    const place = memoryPlace()
    const updates = branches({ good: name(good), bad: name(bad), child: name(child) })
    const pack = pieces(await packOf([...objects, child]))
    expect(state(await receive(place, { updates, pack, refusesEach: true }))).toEqual([
      'done',
      `refused: missing necessary objects: ${nowhere}`,
      `refused: missing necessary objects: ${nowhere}`,
    ])
    expect(await (await place.read()).ref('refs/heads/good')).toBe(name(good))
    expect(await (await place.read()).ref('refs/heads/bad')).toBeUndefined()
    // What came with it is no proof of anything.
    const again = branches({ again: name(bad) })
    expect(state(await receive(place, { updates: again, refusesEach: true }))).toEqual([
      `refused: missing necessary objects: ${name(bad)}`,
    ])
  })

  it('moves the others where the branch that lacks something has moved itself', async () => {
    const place = memoryPlace()
    const first = commitOf(name(whole), [name(good)])
    const pack = pieces(await packOf([blob, whole, good, first]))
    await receive(place, { updates: branches({ good: name(good), bad: name(first) }), pack })
    const next = commitOf(name(whole), [name(first)])
    const updates = [
      { name: 'refs/heads/good', from: name(good), to: name(next) },
      { name: 'refs/heads/bad', from: name(good), to: name(bad) },
    ]
    const rest = pieces(await packOf([next, lacking, bad]))
    const outcome = await receive(place, { updates, pack: rest, refusesEach: true })
    expect(state(outcome)).toEqual(['done', 'lost'])
  })

  // Seen to fail when the search that ends at a missing commit is all that is asked.
  it('moves others to what is here, deep in a tree', async () => {
    const place = memoryPlace()
    const outer = treeOf([['sub', MODES.tree, name(whole)]])
    const commit = commitOf(name(outer))
    const pack = pieces(await packOf([blob, whole, outer, commit]))
    await receive(place, { updates: branches({ good: name(commit) }), pack })
    const updates = [
      ...branches({ nowhere }),
      { name: 'refs/tags/file', from: undefined, to: name(blob) },
    ]
    expect(state(await receive(place, { updates }))).toEqual([
      `refused: missing necessary objects: ${nowhere}`,
      'done',
    ])
  })

  it('moves none that is to move with it, and none where the caller wants it so', async () => {
    for (const wish of [{ atomic: true, refusesEach: true }, {}]) {
      const place = memoryPlace()
      const updates = branches({ good: name(good), bad: name(bad) })
      const outcome = await receive(place, {
        updates,
        pack: pieces(await packOf(objects)),
        ...wish,
      })
      expect(state(outcome)).not.toContain('done')
      expect((await place.read()).packs).toEqual([])
    }
  })

  it('moves none when a delta rests on what only hidden refs reach', async () => {
    const history = randomHistory({ files: 60, commits: 30, random: random() })
    const tip = history.run(['rev-parse', 'main']) as Oid
    const old = history.run(['rev-parse', 'main~8']) as Oid
    const place = memoryPlace()
    const updates = [await move(place, 'refs/heads/hidden', old)]
    await receive(place, { updates, pack: pieces(thinPack(history, [old])) })
    const policy = { readable: { key: 'b', includes: (ref: string) => ref === 'refs/heads/b' } }
    const outcome = await receive(place, {
      updates: branches({ b: tip }),
      pack: pieces(thinPack(history, [tip], [old])),
      policy,
      refusesEach: true,
    })
    expect(state(outcome)).toEqual(['refused: unpacker error'])
    expect(outcome.problem).toMatchObject({ code: 'missing' })
    history.remove()
  })
})

it('tells the branches that lack something as rev-list does, in packs of real deltas', async () => {
  const { numRuns } = cases(8)
  const draw = random(seed)
  for (let run = 0; run < numRuns; run++) {
    const history = randomHistory({ files: 30, commits: 16, random: draw })
    const list = (...args: string[]) => history.run(['rev-list', ...args]).split('\n') as Oid[]
    const all = list('--objects', '--no-object-names', 'main')
    const dropped = new Set(all.filter(() => draw() < 1.5 / all.length))
    const kept = all.filter((oid) => !dropped.has(oid))
    const pack = history.bytes(['pack-objects', '--stdout', '-q'], `${kept.join('\n')}\n`)
    const commits = list('main').filter((oid) => !dropped.has(oid))
    const tips = Object.fromEntries(commits.map((oid) => [`c${oid}`, oid]))
    const place = memoryPlace()
    const updates = branches(tips)
    const outcome = await receive(place, { updates, pack: pieces(pack), refusesEach: true })
    const expected = commits.map((oid) => {
      const reached = list('--objects', '--no-object-names', oid)
      return reached.some((each) => dropped.has(each)) ? 'refused' : 'done'
    })
    expect(outcome.refs.map((ref) => ref.state)).toEqual(expected)
    for (const ref of outcome.refs)
      if (ref.state === 'refused')
        expect([...dropped]).toContain(ref.reason.replace('missing necessary objects: ', ''))
    history.remove()
  }
})
