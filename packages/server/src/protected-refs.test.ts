import { describe, expect, it } from 'vitest'
import { protectedRefs } from './protected-refs.ts'

describe('protected refs', () => {
  it.each([
    ['main', ['refs/heads/main', 'refs/heads/main/x'], ['refs/heads/mainly', 'refs/tags/main']],
    ['release/*', ['refs/heads/release/1', 'refs/heads/release/1/2'], ['refs/heads/release']],
    ['refs/tags', ['refs/tags/v1', 'refs/tags/a/b'], ['refs/heads/refs/tags', 'refs/tagsy/v1']],
    ['refs/tags/v*', ['refs/tags/v1', 'refs/tags/v'], ['refs/tags/w']],
    ['*', ['refs/heads/a', 'refs/heads/a/b'], ['refs/tags/a']],
    ['a.b, c', ['refs/heads/a.b', 'refs/heads/c'], ['refs/heads/axb']],
  ])('"%s" names %j and not %j', (patterns, named, others) => {
    const isProtected = protectedRefs([patterns])
    expect(named.filter((name) => isProtected?.(name) !== true)).toEqual([])
    expect(others.filter((name) => isProtected?.(name) === true)).toEqual([])
  })

  it('are none without a pattern', () => {
    expect(protectedRefs([])).toBeUndefined()
    expect(protectedRefs(['', ' '])).toBeUndefined()
  })
})
