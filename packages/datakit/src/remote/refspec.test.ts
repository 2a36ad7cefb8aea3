import { describe, expect, it } from 'vitest'
import { matchPattern, parseRefspec, sourceOf, targetOf } from './refspec.ts'

describe('a refspec', () => {
  it.each([
    ['main', { isNegative: false, force: false, source: 'main', target: undefined }],
    ['+a:b', { isNegative: false, force: true, source: 'a', target: 'b' }],
    [':gone', { isNegative: false, force: false, source: '', target: 'gone' }],
    ['^refs/x/*', { isNegative: true, force: false, source: 'refs/x/*', target: undefined }],
    ['refs/*:refs/x/*', { isNegative: false, force: false, source: 'refs/*', target: 'refs/x/*' }],
  ])('is read: %s', (text, spec) => expect(parseRefspec(text)).toEqual(spec))

  it.each(['', '+', ':', 'a:b:c', 'a/*:b', 'a:b/*', 'a/*/*:b/*/*', '^', '^x', '^refs/a:b'])(
    'is none: "%s"',
    (text) => expect(() => parseRefspec(text)).toThrow(RangeError),
  )

  it('says what becomes of a name, and what it came from', () => {
    const specs = ['+refs/heads/*:refs/remotes/o/*', 'refs/pull/*/head:refs/remotes/o/pr/*'].map(
      parseRefspec,
    )
    expect(targetOf(specs, 'refs/heads/a/b')).toEqual({ name: 'refs/remotes/o/a/b', force: true })
    expect(targetOf(specs, 'refs/pull/7/head')).toEqual({
      name: 'refs/remotes/o/pr/7',
      force: false,
    })
    expect(targetOf(specs, 'refs/tags/v1')).toBeUndefined()
    expect(sourceOf(specs, 'refs/remotes/o/a/b')).toBe('refs/heads/a/b')
    expect(sourceOf(specs, 'refs/remotes/x')).toBeUndefined()
    expect(targetOf([parseRefspec('refs/heads/*:refs/x/*')], 'refs/heads/$&')?.name).toBe(
      'refs/x/$&',
    )
  })

  it('leaves out what a negative one means', () => {
    const specs = ['^refs/heads/wip/*', 'refs/heads/*:refs/x/*', '^refs/heads/gone'].map(
      parseRefspec,
    )
    expect(targetOf(specs, 'refs/heads/main')?.name).toBe('refs/x/main')
    expect(targetOf(specs, 'refs/heads/wip/a')).toBeUndefined()
    expect(sourceOf(specs, 'refs/x/gone')).toBeUndefined()
    expect(sourceOf(specs, 'refs/x/main')).toBe('refs/heads/main')
  })

  it('does not let the two halves of a pattern overlap', () => {
    expect(matchPattern('ab*ba', 'aba')).toBeUndefined()
    expect(matchPattern('ab*ba', 'abba')).toBe('')
  })
})
