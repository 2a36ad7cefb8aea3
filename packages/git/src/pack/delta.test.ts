import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { cases } from '../../test/seed.ts'
import { concat, text, utf8 } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import {
  applyDelta,
  DeltaWriter,
  makeDelta,
  readDeltaSizes,
  readSharedEnds,
  sharedPrefix,
  sharedSuffix,
} from './delta.ts'

const hello = utf8('hello, world')

function sliceOf(base: Uint8Array, { from, size }: { from: number; size: number }): Uint8Array {
  const start = from % (base.length + 1)
  return base.subarray(start, start + size)
}

/** A target that is made of pieces of a base and of pieces of its own. */
const edits = fc
  .tuple(
    // Few different bytes repeat themselves, many do not.
    fc.oneof(
      fc.uint8Array({ maxLength: 3000, size: 'max' }),
      fc.uint8Array({ maxLength: 300, max: 1, size: 'max' }),
    ),
    fc.array(
      fc.oneof(
        fc.record({ from: fc.nat(3000), size: fc.nat(1500) }),
        fc.uint8Array({ maxLength: 400, size: 'max' }),
      ),
      { maxLength: 8, size: 'max' },
    ),
  )
  .map(([base, pieces]) => {
    const parts = pieces.map((piece) =>
      piece instanceof Uint8Array ? piece : sliceOf(base, piece),
    )
    return { base, target: concat(parts) }
  })

describe('a delta that was made', () => {
  // Seen to catch: a match that grows backwards by a byte that differs.
  it('makes the target again', () => {
    fc.assert(
      fc.property(edits, ({ base, target }) => {
        expect(Buffer.compare(applyDelta(base, makeDelta(base, target)), target)).toBe(0)
      }),
      cases(500),
    )
  })

  // Seen to catch: `back` not limited by `pending`.
  it('does not let a copy grow into the one before it', () => {
    const [one, two, three] = ['0123456789abcdeX', 'ghijklmnopqrstuX', 'ABCDEFGHIJKLMNOP']
    const [base, target] = [utf8(one + two + three), utf8(`!${one}${three}!`)]
    expect(text(applyDelta(base, makeDelta(base, target)))).toBe(text(target))
  })

  it('is short when little changed', () => {
    const base = Uint8Array.from({ length: 200_000 }, (_, i) => (i * i) >> 3)
    const target = base.slice()
    target[100_000] = 1 + (target[100_000] ?? 0)
    expect(makeDelta(base, target).length).toBeLessThan(40)
  })

  it('finds what moved', () => {
    const lines = Array.from({ length: 200 }, (_, i) => `setting-${i}: ${i * 7919}\n`)
    const moved = [...lines.slice(120), ...lines.slice(0, 120)]
    expect(makeDelta(utf8(lines.join('')), utf8(moved.join(''))).length).toBeLessThan(40)
  })

  it('copes with a base that repeats itself', () => {
    const base = new Uint8Array(300_000)
    const target = concat([Uint8Array.of(1), base, Uint8Array.of(2), base])
    expect(Buffer.compare(applyDelta(base, makeDelta(base, target)), target)).toBe(0)
  })
})

describe('applying a delta', () => {
  it.each([
    ['copies', [12, 5, 0x90, 5], 'hello'],
    ['copies from an offset', [12, 5, 0x91, 7, 5], 'world'],
    ['inserts', [12, 3, 3, 102, 111, 120], 'fox'],
    ['makes nothing', [12, 0], ''],
  ])('%s', (_, delta, target) => {
    expect(text(applyDelta(hello, Uint8Array.from(delta)))).toBe(target)
  })

  it('copies 65,536 bytes where the size is zero', () => {
    const base = new Uint8Array(0x10000).fill(7)
    expect(applyDelta(base, Uint8Array.of(0x80, 0x80, 4, 0x80, 0x80, 4, 0x80))).toEqual(base)
  })

  it.each([
    ['is for another base', [11, 5, 0x90, 5], 'base of 11'],
    ['reaches behind the base', [12, 6, 0x91, 7, 6], 'behind its end'],
    ['reaches behind itself', [12, 3, 3, 102, 111], 'behind its end'],
    ['makes more than it says', [12, 4, 0x90, 5], 'more than'],
    ['makes less than it says', [12, 6, 0x90, 5], 'less than'],
    ['has the reserved instruction', [12, 5, 0, 0x90, 5], 'reserved'],
    ['ends inside a copy', [12, 5, 0x91, 7], 'inside a copy'],
    ['has no sizes', [], 'inside its sizes'],
    ['has a size without end', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], 'eight bytes'],
    ['announces terabytes', [12, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0x90, 5], 'cannot make'],
  ])('refuses one that %s', (_, delta, message) => {
    expect(() => applyDelta(hello, Uint8Array.from(delta))).toThrow(MalformedError)
    expect(() => applyDelta(hello, Uint8Array.from(delta))).toThrow(message)
  })

  it('refuses one that is cut short, at every length', () => {
    const delta = makeDelta(hello, utf8('hello, hello, brave new world'))
    for (let length = 0; length < delta.length; length++) {
      expect(() => applyDelta(hello, delta.subarray(0, length))).toThrow(MalformedError)
    }
  })

  it('refuses more than its limit before it takes the memory', () => {
    expect(() => applyDelta(hello, makeDelta(hello, hello), 11)).toThrow('allowed are 11')
  })

  it('never does anything but refuse or make what was announced, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (instructions) => {
        const delta = concat([Uint8Array.of(12, 9), instructions])
        try {
          expect(applyDelta(hello, delta).length).toBe(9)
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError)
        }
      }),
      cases(2000),
    )
  })
})

it('tells no more of shared beginnings and ends than is true', () => {
  fc.assert(
    fc.property(edits, ({ base, target }) => {
      const { prefix, suffix } = readSharedEnds(makeDelta(base, target))
      expect(prefix).toBeLessThanOrEqual(sharedPrefix(base, target))
      expect(suffix).toBeLessThanOrEqual(sharedSuffix(base, target, 0))
    }),
    cases(300),
  )
})

it('tells the sizes of its base and target', () => {
  const delta = new DeltaWriter(300, 70_000).finish()
  expect(readDeltaSizes(delta)).toEqual({ base: 300, target: 70_000, start: delta.length })
})
