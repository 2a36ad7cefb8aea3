import fc from 'fast-check'
import { expect, it } from 'vitest'

import { cases } from '../../test/seed.ts'
import { concat, utf8 } from '../bytes.ts'
import { composeDeltas } from './compose-delta.ts'
import { applyDelta, DeltaWriter, makeDelta } from './delta.ts'

/** Below so many bytes a delta may be longer than what it makes, or too short for Git. */
const TINY = 200

/** A text that is made of pieces of another, here and there with something of its own. */
const pieces = fc.array(
  fc.record({ from: fc.nat(2000), size: fc.nat(700), own: fc.uint8Array({ maxLength: 40 }) }),
  { maxLength: 6 },
)

function edited(base: Uint8Array, edits: { from: number; size: number; own: Uint8Array }[]) {
  return concat(
    edits.flatMap(({ from, size, own }) => {
      const start = from % (base.length + 1)
      return [base.subarray(start, start + size), own]
    }),
  )
}

// Seen to catch: a copy that begins inside an instruction taken from its beginning.
it('makes of a base what the two deltas make of it one after the other', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 2000, size: 'max' }),
      pieces,
      pieces,
      (base, one, two) => {
        const middle = edited(base, one)
        const target = edited(middle, two)
        const composed = composeDeltas(makeDelta(base, middle), makeDelta(middle, target))
        if (composed === undefined) expect(target.length).toBeLessThan(TINY)
        else expect(Buffer.compare(applyDelta(base, composed), target)).toBe(0)
      },
    ),
    cases(500),
  )
})

it('copies what is too long for one instruction', () => {
  const base = new Uint8Array(200_000).map((_, i) => i % 251)
  const shifted = concat([utf8('new'), base])
  const target = concat([shifted, utf8('end')])
  const composed = composeDeltas(makeDelta(base, shifted), makeDelta(shifted, target))
  expect(composed && Buffer.compare(applyDelta(base, composed), target)).toBe(0)
  expect(composed?.length).toBeLessThan(50)
})

it('gives up where the two make far more instructions than either has', () => {
  const base = new Uint8Array(1000).map((_, i) => i)
  const middle = base.toReversed()
  const reversal = new DeltaWriter(base.length, middle.length)
  for (let i = base.length - 1; i >= 0; i--) reversal.copy(i, 1)
  const often = new DeltaWriter(middle.length, 500 * middle.length)
  for (let i = 0; i < 500; i++) often.copy(0, middle.length)
  expect(composeDeltas(reversal.finish(), often.finish())).toBeUndefined()
})

it('makes none that is too short for Git', () => {
  const base = utf8('a')
  const middle = new Uint8Array(20_000)
  const nothing = new DeltaWriter(middle.length, 0).finish()
  expect(nothing).toHaveLength(4)
  expect(composeDeltas(makeDelta(base, middle), nothing)).toBeUndefined()
})

it('refuses a delta that is for something else', () => {
  const [base, middle] = [utf8('a base of some length'), utf8('a base of another length')]
  const other = makeDelta(utf8('short'), utf8('shorter'))
  expect(() => composeDeltas(makeDelta(base, middle), other)).toThrow('what it is for')
  const beyond = new DeltaWriter(middle.length, 30)
  beyond.copy(0, 30)
  expect(() => composeDeltas(makeDelta(base, middle), beyond.finish())).toThrow('behind its end')
})
