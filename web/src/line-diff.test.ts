import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { diffLines, firstLines, hunksOf, splitLines } from './line-diff.ts'

const seed = Number(process.env['SEED'] ?? Date.now())
const marks = { same: ' ', removed: '-', added: '+' }

function diff(before: string, after: string): string {
  return diffLines(before, after)
    .map((line) => marks[line.kind] + line.text)
    .join('')
}

describe('a line diff', () => {
  it('shows the lines that left and came', () => {
    expect(diff('a\nb\nc\n', 'a\nB\nc\nd\n')).toBe(' a\n-b\n+B\n c\n+d\n')
  })

  it('numbers the lines of each side', () => {
    expect(diffLines('a\nb\n', 'b\n')).toEqual([
      { kind: 'removed', text: 'a\n', before: 1, after: undefined },
      { kind: 'same', text: 'b\n', before: 2, after: 1 },
    ])
  })

  it('takes a lost line break at the end for a change', () => {
    expect(diff('a\nb\n', 'a\nb')).toBe(' a\n-b\n+b')
    expect(diff('a\r\nb', 'a\nb')).toBe('-a\r\n+a\n b')
  })

  it('gives up on long texts that have nothing in common, in good time', () => {
    const before = Array.from({ length: 20_000 }, (_, i) => `a${i}\n`).join('')
    const lines = diffLines(before, before.replaceAll('a', 'b'))
    expect(lines.filter((line) => line.kind === 'removed')).toHaveLength(20_000)
    expect(lines.filter((line) => line.kind === 'added')).toHaveLength(20_000)
  })

  // Seen to fail when `isDown` compares with <= instead of <.
  it(`holds both texts and is as short as can be, in 500 cases (seed ${seed})`, () => {
    const text = fc.array(fc.constantFrom('a\n', 'b\n', 'c\n', 'd')).map((lines) => lines.join(''))
    const property = fc.property(text, text, (before, after) => {
      const lines = diffLines(before, after)
      const side = (other: string): string =>
        lines.map((line) => (line.kind === other ? '' : line.text)).join('')
      expect(side('added')).toBe(before)
      expect(side('removed')).toBe(after)
      const same = lines.filter((line) => line.kind === 'same').length
      expect(same).toBe(longestCommon(splitLines(before), splitLines(after)))
    })
    fc.assert(property, { seed, numRuns: 500 })
  })
})

describe('hunks', () => {
  const numbers = Array.from({ length: 40 }, (_, i) => `${i + 1}\n`)

  it('leave out what is the same, and say how much', () => {
    const after = numbers.map((line) => (line === '10\n' || line === '30\n' ? `x${line}` : line))
    const hunks = hunksOf(diffLines(numbers.join(''), after.join('')))
    expect(hunks.map((hunk) => [hunk.skipped, hunk.lines.length])).toEqual([
      [6, 8],
      [13, 8],
    ])
  })

  it('join where they would touch', () => {
    const after = numbers.map((line) => (line === '10\n' || line === '16\n' ? `x${line}` : line))
    expect(hunksOf(diffLines(numbers.join(''), after.join('')))).toHaveLength(1)
  })

  it('are none when nothing changed', () => {
    expect(hunksOf(diffLines('a\n', 'a\n'))).toEqual([])
  })
})

function longestCommon(a: readonly string[], b: readonly string[]): number {
  let row = b.map(() => 0)
  for (const left of a) {
    const next: number[] = []
    for (const [j, right] of b.entries()) {
      const diagonal = j === 0 ? 0 : (row[j - 1] ?? 0)
      next.push(left === right ? diagonal + 1 : Math.max(row[j] ?? 0, next[j - 1] ?? 0))
    }
    row = next
  }
  return row.at(-1) ?? 0
}

describe('the first lines', () => {
  it('end where there are enough, and the others are counted', () => {
    const hunks = hunksOf(diffLines('', 'one\ntwo\nthree\n'))
    const { hunks: first, left } = firstLines([...hunks, ...hunks], 4)
    expect(first.map(({ lines }) => lines.length)).toEqual([3, 1])
    expect(left).toBe(2)
  })
})
