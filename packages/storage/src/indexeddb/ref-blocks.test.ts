// The random test was seen to fail with the limit of `placeOf` made strict, and with `cutBlocks` beginning pieces at another key.
import { decodeName } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import type { Ref } from '@datakit/git/place'
import { compareNames } from '@datakit/git/ref-name'
import { expect, it } from 'vitest'
import { move, oid } from '../../test/samples.ts'
import { cutBlocks } from './cut-blocks.ts'
import { changedBlocks, findRef, listRefs, mergeBlocks, type Blocks } from './ref-blocks.ts'

const SEED = Number(process.env['SEED'] ?? Date.now())
const CASES = 10

/** Numbers below `limit` that follow from a seed. */
function numbersOf(seed: number): (limit: number) => number {
  let state = seed >>> 0
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

const odd = decodeName(Uint8Array.of(0x72, 0x80, 0xff))
const steps = ['a', 'a-', 'b', 'topic', 'é', '\u{FF5E}', '\u{1F600}', odd, 'x'.repeat(90)]

/** A name that others begin with, or that begins with others, now and then. */
function nameOf(next: (limit: number) => number): string {
  const name = `refs/${['heads', 'tags', 'remotes/origin'][next(3)]}/${steps[next(steps.length)]}`
  return next(4) === 0 ? name : `${name}${next(2) === 0 ? '/' : '-'}${next(600)}`
}

function textOf({ name, oid, peeled }: { [part in keyof Ref]: Ref[part] | undefined }): string {
  return `${name} ${oid} ${peeled}`
}

it(`has the refs that a map has, whatever moved (SEED=${SEED}, ${CASES} cases)`, () => {
  let most = 0
  for (let i = 0; i < CASES; i++) {
    const next = numbersOf(SEED + i)
    const refs = new Map<string, Oid>()
    let blocks: Blocks = []
    for (let number = 1; number <= 12; number++) {
      const moves = new Map(
        Array.from({ length: next(10) === 0 ? 1500 : next(20) }, () => {
          const name = nameOf(next)
          const to = next(3) === 0 ? undefined : oid(next(1e9))
          return [name, { ...move(name, undefined, to), peeled: to && oid(1) }]
        }),
      )
      const before = Array.from(listRefs(blocks, ''), textOf).join('\n')
      const changed = cutBlocks(changedBlocks(blocks, [...moves.values()], number))
      const after = mergeBlocks(blocks, changed)
      expect(Array.from(listRefs(blocks, ''), textOf).join('\n')).toBe(before)
      blocks = after
      for (const { name, to } of moves.values())
        if (to === undefined) refs.delete(name)
        else refs.set(name, to)
    }
    most = Math.max(most, blocks.length)
    const names = [...refs.keys()].sort(compareNames)
    for (let j = 0; j < 20; j++) {
      const name = nameOf(next)
      expect(findRef(blocks, name)).toBe(refs.get(name))
      const prefix = [...name].slice(0, 5 + next(12)).join('')
      const under = names.filter((each) => each.startsWith(prefix))
      const found = Array.from(listRefs(blocks, prefix), textOf)
      const wanted = under.map((each) =>
        textOf({ name: each, oid: refs.get(each), peeled: oid(1) }),
      )
      expect(found.join('\n')).toBe(wanted.join('\n'))
    }
    for (const { lines } of blocks) expect(lines.length).toBeLessThan(40_000)
  }
  expect(most).toBeGreaterThan(2)
})

it('puts one block of thousands in the place of another when one ref moves', () => {
  const many = Array.from({ length: 5000 }, (_, i) =>
    move(`refs/heads/topic/${i}`, undefined, oid(i)),
  )
  const blocks = mergeBlocks([], cutBlocks(changedBlocks([], many, 1)))
  expect(blocks.length).toBeLessThan(40)
  const changed = changedBlocks(blocks, [move('refs/heads/topic/4000', oid(4000), oid(1))], 2)
  expect(changed).toHaveLength(1)
  expect(changed[0]?.number).toBe(2)
  const after = mergeBlocks(blocks, changed)
  expect(after).toHaveLength(blocks.length)
  expect(findRef(after, 'refs/heads/topic/4000')).toBe(oid(1))
  expect(findRef(blocks, 'refs/heads/topic/4000')).toBe(oid(4000))
})
