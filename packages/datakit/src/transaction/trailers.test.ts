import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { choose, chooseSeed, seededRandom } from '../../test/random-history.ts'
import { StockGit } from '../../test/stock-git.ts'
import { addTrailers, parseTrailers } from './trailers.ts'

const MESSAGES = 500
const seed = chooseSeed()
const random = seededRandom(seed)
let git: StockGit
beforeAll(() => {
  console.log(`SEED=${seed}`)
  git = new StockGit()
})
afterAll(() => git.close())

const LINES = [
  ...[
    '',
    '',
    '',
    '  ',
    '\t',
    'Subject',
    'some words',
    'a line: of words',
    'word:no space',
    '# comment',
  ],
  ...[
    'Acked-by: Ada',
    'Acked-by: Ada',
    'Fixes : 12',
    'Fixes\t: 12',
    ' folded',
    '\tfolded: too',
    '-: x',
  ],
  ...[
    'Signed-off-by: Ada <ada@example.org>',
    '(cherry picked from commit 12)',
    ': none',
    'Key:',
    'ké: x',
  ],
  ...['Conflicts:', '\tfile', 'Two words: x', 'Key:   spaced  ', 'https://example.org', 'a\r'],
]

function message(): string {
  const count = Math.floor(random() * 9)
  const lines = Array.from({ length: count }, () => choose(random, LINES)).join('\n')
  return random() < 0.8 ? `${lines}\n` : lines
}

function parsedByGit(text: string): string[] {
  return git
    .run(['interpret-trailers', '--parse', '--no-divider'], text)
    .split('\n')
    .filter(Boolean)
}

describe('trailers', () => {
  // Seen to fail when: a line that Git writes is not told apart; a folded line is taken for another line.
  it(`are found as git interpret-trailers finds them, in ${MESSAGES} messages`, () => {
    for (let i = 0; i < MESSAGES; i++) {
      const text = message()
      const found = parseTrailers(text).map(({ name, value }) => `${name}: ${value}`)
      expect(found, `seed ${seed}: ${JSON.stringify(text)}`).toEqual(parsedByGit(text))
    }
  })

  it(`are added so that git finds them behind those that were there, in ${MESSAGES} messages`, () => {
    const added = { name: 'Reviewed-by', value: 'Grace <grace@example.org>' }
    for (let i = 0; i < MESSAGES; i++) {
      const text = `Subject\n\n${message()}`
      const found = parsedByGit(addTrailers(text, [added]))
      const before = parsedByGit(text.endsWith('\n') ? text : `${text}\n`)
      expect(found, `seed ${seed}: ${JSON.stringify(text)}`).toEqual([
        ...before,
        'Reviewed-by: Grace <grace@example.org>',
      ])
    }
  })

  it.each([
    ['Subject\n', 'Subject\n\nKey: a\n'],
    ['Subject\n\nBody\n', 'Subject\n\nBody\n\nKey: a\n'],
    ['Subject\n\nBody\n\nFixes: 1\n', 'Subject\n\nBody\n\nFixes: 1\nKey: a\n'],
    ['Subject\n\nKey: a\n', 'Subject\n\nKey: a\n'],
    ['Key: a\n', 'Key: a\n\nKey: a\n'],
  ])('are added to %j as git interpret-trailers adds them', (text, expected) => {
    expect(addTrailers(text, [{ name: 'Key', value: 'a' }])).toBe(expected)
    expect(`${git.run(['interpret-trailers', '--trailer', 'Key: a'], text)}\n`).toBe(expected)
  })

  it('are added behind an empty line also where the message has no line end', () => {
    expect(addTrailers('Subject', [{ name: 'Key', value: 'a' }])).toBe('Subject\n\nKey: a\n')
  })

  it('are folded where a value has several lines', () => {
    const text = addTrailers('Subject', [{ name: 'Note', value: 'one\n\n two\nthree' }])
    expect(text).toBe('Subject\n\nNote: one\n two\n three\n')
    expect(parseTrailers(text)).toEqual([{ name: 'Note', value: 'one two three' }])
    expect(parsedByGit(text)).toEqual(['Note: one two three'])
  })

  it('are refused under a name that is none', () => {
    expect(() => addTrailers('x', [{ name: 'Two words', value: '' }])).toThrow(RangeError)
  })
})
