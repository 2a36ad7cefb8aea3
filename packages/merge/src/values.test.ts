import { describe, expect, it } from 'vitest'
import { cases, random, seed } from '../../git/test/seed.ts'
import { mergeLawfully, mergeTexts } from '../test/merge.ts'
import { integer } from '../test/random-edits.ts'
import { counter } from './counter.ts'
import { lastWriterWins } from './last-writer-wins.ts'
import { map } from './map.ts'
import { set } from './set.ts'

describe('counter', () => {
  it.each([
    ['1\n', '3\n', '5\n', '7\n'],
    ['0\n', '1\n', '1\n', '2\n'],
    ['5', '3', '5', '3'],
    ['5', '3', '2', '0'],
    ['0', '-2', '-3', '-5'],
    [undefined, '2\n', '3\n', '5\n'],
    ['', '2\n', '3\n', '5\n'],
    ['9007199254740993', '9007199254740994', '9007199254740995', '9007199254740996'],
    ['1\n', '1\n', '1\n', '1\n'],
    [' 1\r\n', ' 2\r\n', '1\r\n', '2\r\n'],
  ])('adds both additions: %j %j %j', (...[base, ours, theirs, sum]) => {
    expect(mergeTexts(counter, { base, ours, theirs }).text).toBe(sum)
    expect(mergeTexts(counter, { base, ours: theirs, theirs: ours }).text).toBe(sum)
  })

  it.each(['', 'x', '1.5', '1e3', '0x10', '007', '1 2', '+1', '-0'])(
    'does not count %j',
    (theirs) => {
      expect(mergeTexts(counter, { base: '1', ours: '2', theirs }).reason).toContain(
        'theirs is not a whole number',
      )
    },
  )
})

describe('set', () => {
  it.each([
    ['added', 'b\nd\n', 'b\nd\ne\n', 'b\nc\nd\n', 'b\nc\nd\ne\n'],
    ['added in one place', 'm\n', 'm\nz\n', 'm\nn\n', 'm\nn\nz\n'],
    ['removed by one', 'a\nb\nc\n', 'a\nc\n', 'a\nb\nc\nd\n', 'a\nc\nd\n'],
    ['removed by both', 'a\nb\nc\n', 'a\nc\nd\n', 'a\nc\n', 'a\nc\nd\n'],
    ['the same added', 'a\n', 'a\nb\n', 'a\nb\nc\n', 'a\nb\nc\n'],
    ['no base', undefined, 'a\nb\n', 'b\nc\n', 'a\nb\nc\n'],
    ['twice in a version', 'a\n', 'a\nb\nb\n', 'a\nc\n', 'a\nb\nc\n'],
    ['no last line end', 'a\nb', 'a\nb\nc', 'b', 'b\nc'],
    ['CRLF', 'a\r\nb\r\n', 'a\r\nb\r\nc\r\n', 'b\r\n', 'b\r\nc\r\n'],
    [
      'groups',
      '# x\na\n\n# y\nb\n',
      '# x\na\nc\n\n# y\nb\n',
      '# x\na\n\n# y\nb\nd\n',
      '# x\na\nc\n\n# y\nb\nd\n',
    ],
    ['an array', '["b", "d"]', '["b", "d", "e"]', '["b", "c", "d"]', '["b", "c", "d", "e"]'],
    ['an array of maps', '[{"id": 1}]', '[{"id": 1}, {"id": 2}]', '[]', '[{"id": 2}]'],
    ['an empty base and arrays', '', '["a"]', '["b"]', '["a", "b"]'],
  ])('merges lines and arrays: %s', (...[, base, ours, theirs, merged]) => {
    expect(mergeLawfully(set, { base, ours, theirs }).text).toBe(merged)
  })

  it('is (base - removed by either) + added by either, and never in conflict', () => {
    const { numRuns } = cases(500)
    const next = random(seed)
    const pick = (): Set<string> =>
      new Set(Array.from({ length: integer(next, 9) }, () => `item ${integer(next, 12)}`))
    for (let run = 0; run < numRuns; run++) {
      const [base, ours, theirs] = [pick(), pick(), pick()]
      const write = (items: Set<string>): string => [...items].map((item) => `${item}\n`).join('')
      const { text } = mergeLawfully(set, {
        base: write(base),
        ours: write(ours),
        theirs: write(theirs),
      })
      const expected = [...new Set([...base, ...ours, ...theirs])].filter((item) =>
        base.has(item) ? ours.has(item) && theirs.has(item) : true,
      )
      const found = (text ?? 'conflict').split('\n').filter((line) => line !== '')
      expect(found.toSorted(), `SEED=${seed} case ${run}`).toEqual(expected.toSorted())
    }
  })
})

describe('map', () => {
  const base = '# Server\nHOST=localhost\nPORT = 80 # not 443\n\nexport MODE="a=b"\n'
  it('merges by key and keeps what is written around values', () => {
    const ours = base.replace('80', '8080').replace('"a=b"', '"a=c"')
    const theirs = base.replace('HOST=localhost\n', 'HOST=localhost\nNAME=ada\n')
    const merged = theirs.replace('80', '8080').replace('"a=b"', '"a=c"')
    expect(mergeLawfully(map, { base, ours, theirs }).text).toBe(merged)
  })

  it('has the table of three versions of one key', () => {
    const file = (value: string): string => (value === '-' ? 'z=1\n' : `k=${value}\nz=1\n`)
    const table = {
      '- - -': '-',
      '- a -': 'a',
      '- - a': 'a',
      '- a a': 'a',
      '- a b': '!',
      'o o o': 'o',
      'o a o': 'a',
      'o o b': 'b',
      'o a a': 'a',
      'o a b': '!',
      'o - o': '-',
      'o o -': '-',
      'o - -': '-',
      'o a -': '!',
      'o - b': '!',
    }
    for (const [row, merged] of Object.entries(table)) {
      const [o = '', a = '', b = ''] = row.split(' ')
      // Something else changes on both sides, or nothing would be asked of the driver.
      const texts = { base: file(o), ours: `${file(a)}x=1\n`, theirs: `w=1\n${file(b)}` }
      const { text, keys } = mergeLawfully(map, texts)
      const lines = text?.split('\n').toSorted()
      const expected = `w=1\n${file(merged)}x=1\n`.split('\n').toSorted()
      expect(lines, row).toEqual(merged === '!' ? undefined : expected)
      expect(
        keys.map(({ key }) => key),
        row,
      ).toEqual(merged === '!' ? [['k']] : [])
    }
  })

  it.each([
    ['a section', '[a]\nb=1\n', 'a line without "="'],
    ['a key twice', 'a=1\na=2\n', 'the key "a" is there twice (line 2, column 1)'],
    ['a string that goes on', 'a="x\nb=1"\n', 'a value that goes on in the next line'],
    ['a backslash at the end', 'a=x\\\nb=1\n', 'a value that goes on in the next line'],
  ])('gives a reason: %s', (_, theirs, reason) => {
    expect(mergeLawfully(map, { base: 'a=0\n', ours: 'a=3\n', theirs }).reason).toContain(reason)
  })
})

describe('the last writer wins', () => {
  const texts = { base: 'o', ours: 'a', theirs: 'b' }
  it.each([
    [{ ours: 2, theirs: 1 }, 'a'],
    [{ ours: 1, theirs: 2 }, 'b'],
    [{ ours: 1, theirs: 1 }, 'b'],
  ])('takes the later version, and of two the greater: %j', (changed, winner) => {
    expect(mergeTexts(lastWriterWins(changed), texts).text).toBe(winner)
    const exchanged = lastWriterWins({ ours: changed.theirs, theirs: changed.ours })
    expect(mergeTexts(exchanged, { base: 'o', ours: 'b', theirs: 'a' }).text).toBe(winner)
  })

  it('does not take what a side has left as it was', () => {
    const driver = lastWriterWins({ ours: 2, theirs: 1 })
    expect(mergeTexts(driver, { base: 'o', ours: 'o', theirs: 'b' }).text).toBe('b')
  })

  it('is longer bytes where one begins with the other', () => {
    expect(
      mergeTexts(lastWriterWins({ ours: 1, theirs: 1 }), { base: 'o', ours: 'ab', theirs: 'a' })
        .text,
    ).toBe('ab')
  })
})
