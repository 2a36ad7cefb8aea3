import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { RealRepository } from '../test/real-git.ts'
import { cases } from '../test/seed.ts'
import { compareBytes, encodeName } from './bytes.ts'
import { refNamesCollide } from './ref-clash.ts'
import { compareNames, isBranchName, isPushableRefName, isRefName } from './ref-name.ts'

let git: RealRepository
beforeAll(() => {
  git = new RealRepository()
})
afterAll(() => git.remove())

const piece = fc.constantFrom(
  ...[
    'a',
    'B',
    '.',
    '..',
    '-',
    '@',
    '{',
    '@{',
    '~',
    '^',
    ':',
    '?',
    '*',
    '[',
    '\\',
    ' ',
    '\t',
    '\u007f',
    'é',
    '.lock',
    'HEAD',
    '🙂',
  ],
)
const step = fc.oneof(
  fc.constantFrom('a', 'main', 'a.lock', 'x.lock.y', '@', '-a', '.a', 'a.', ''),
  fc.array(piece, { minLength: 1, maxLength: 3 }).map((pieces) => pieces.join('')),
)
const name = fc
  .array(step, { minLength: 1, maxLength: 3 })
  .map((steps) => steps.join('/'))
  .filter((text) => text !== '')

describe('a ref name', () => {
  it('is one when git check-ref-format says so', () => {
    // Seen to fail when ".lock" was only refused at the end of the whole name.
    fc.assert(
      fc.property(name, (text) => {
        // The command takes what begins with a dash for an option.
        fc.pre(!text.startsWith('-'))
        expect(isRefName(text)).toBe(git.try(['check-ref-format', text]).status === 0)
      }),
      cases(400),
    )
  })

  it('is a branch when git check-ref-format --branch says so', () => {
    fc.assert(
      fc.property(name, (text) => {
        // `@{-1}` and its kin are expanded by Git before they are checked; none of them is a name.
        expect(isBranchName(text)).toBe(
          git.try(['check-ref-format', '--branch', text]).status === 0,
        )
      }),
      cases(300),
    )
  })

  it.each(['main', 'a/b', 'feature/x.y', 'é'])('%s is a branch', (text) =>
    expect(isBranchName(text)).toBe(true),
  )

  it.each(['refs/heads/main', 'refs/tags/v1', 'refs/x/y/z'])('%s may be pushed', (text) => {
    expect(isPushableRefName(text)).toBe(true)
  })

  it.each(['HEAD', 'main', 'refs/heads', 'refs/x', 'heads/main', 'refs/heads/', 'refs//a/b'])(
    '%s may not be pushed',
    (text) => expect(isPushableRefName(text)).toBe(false),
  )

  it('cannot be a file and a directory at once', () => {
    expect(refNamesCollide('refs/heads/a', 'refs/heads/a/b')).toBe(true)
    expect(refNamesCollide('refs/heads/a/b', 'refs/heads/a')).toBe(true)
    expect(refNamesCollide('refs/heads/a', 'refs/heads/ab')).toBe(false)
    expect(refNamesCollide('refs/heads/a', 'refs/heads/a')).toBe(false)
  })
})

it('orders names by their bytes, those that are not UTF-8 too', () => {
  const unit = fc.constantFrom('a', '/', 'é', '\uE000', '\uFF5E', '\u{1F600}', '\uDC80', '\uDCFF')
  const text = fc.array(unit, { maxLength: 4 }).map((units) => units.join(''))
  fc.assert(
    fc.property(text, text, (a, b) => {
      const bytes = compareBytes(encodeName(a), encodeName(b))
      expect(Math.sign(compareNames(a, b))).toBe(Math.sign(bytes))
    }),
    cases(2000),
  )
})
