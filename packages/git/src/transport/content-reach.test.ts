/**
 * Which trees and blobs a client may ask for, against the objects of the repository as they are.
 *
 * @module
 */
import { describe, expect, it } from 'vitest'

import { memoryPlace } from '../../../storage/src/memory.ts'
import { randomHistory } from '../../test/history.ts'
import type { RealRepository } from '../../test/real-git.ts'
import { random, seed } from '../../test/seed.ts'
import { KnownObjects } from '../../test/support/known-objects.ts'
import { load } from '../../test/support/load.ts'
import { Objects } from '../objects.ts'
import { parseOid, type Oid } from '../oid.ts'
import type { Place } from '../place.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { contentOf } from './content-reach.ts'
import { ALL_REFS, type Readable } from './reach.ts'

const CASES = 6
console.info(`content-reach: seed ${seed}, ${CASES} cases`)

interface Forced {
  readonly git: RealRepository
  readonly place: Place
  readonly known: KnownObjects
  /** Trees and blobs of the repository, those included that no ref leads to. */
  readonly files: readonly Oid[]
}

/** A history that came in several pushes and was then forced back, so that much of it is behind no ref. */
async function forced(next: () => number): Promise<Forced> {
  const git = randomHistory({ files: 10, commits: 30, random: next })
  for (const tag of git.run(['tag']).split('\n')) if (tag !== '') git.run(['tag', '-d', tag])
  const commits = git.run(['rev-list', '--first-parent', 'main']).split('\n')
  const place = memoryPlace()
  const heads = [...commits.filter(() => next() < 0.2).toReversed(), commits[0] ?? '']
  const back = commits[Math.floor(next() * commits.length)] ?? ''
  for (const head of [...heads, back]) {
    git.run(['update-ref', 'refs/heads/main', head])
    await load(place, git.folder, ['--thin'])
  }
  const known = new KnownObjects(git)
  const files = [...known.ofType('tree'), ...known.ofType('blob')]
  return { git, place, known, files }
}

describe('the content that refs lead to', () => {
  it(`is what can be wanted, and nothing else (${CASES} histories)`, async () => {
    for (let i = 0; i < CASES; i++) {
      const next = random(seed + i)
      const { git, place, known, files } = await forced(next)
      const objects = await Objects.open(place, nodeRuntime)
      const reached = known.reach([parseOid(git.run(['rev-parse', 'main']))])
      // A few at a time, as partial clones ask: each walk goes on where the last one stopped.
      for (let left = files; left.length > 0; left = left.slice(7)) {
        const some = left.slice(0, 7)
        const expected = some.filter((oid) => reached.has(oid))
        expect(await contentOf(objects, some, ALL_REFS)).toEqual(expected)
      }
      git.remove()
    }
  })

  it('is another for each set of refs, and for each state', async () => {
    const { git, place } = await forced(random(seed))
    const objects = await Objects.open(place, nodeRuntime)
    const tree = parseOid(git.run(['rev-parse', 'main^{tree}']))
    const nobody: Readable = { key: 'nobody', includes: () => false }
    expect(await contentOf(objects, [tree], ALL_REFS)).toEqual([tree])
    const { state } = objects
    if ('ref' in state.head) expect(await contentOf(objects, [tree], nobody)).toEqual([])
    expect(await contentOf(objects, [tree], ALL_REFS)).toEqual([tree])
    git.run(['update-ref', 'refs/heads/main', git.run(['rev-list', '--max-parents=0', 'main'])])
    await load(place, git.folder)
    await objects.refresh()
    const isFirst = git.run(['rev-parse', 'main^{tree}']) === tree
    expect(await contentOf(objects, [tree], ALL_REFS)).toEqual(isFirst ? [tree] : [])
    git.remove()
  })

  it('is asked for by many at once', async () => {
    const { git, place, known, files } = await forced(random(seed + 1))
    const objects = await Objects.open(place, nodeRuntime)
    const reached = known.reach([parseOid(git.run(['rev-parse', 'main']))])
    const answers = await Promise.all(files.map((oid) => contentOf(objects, [oid], ALL_REFS)))
    expect(answers.flat()).toEqual(files.filter((oid) => reached.has(oid)))
    git.remove()
  })
})
