/** Anchors, aliases and merge keys of YAML: they keep what they stand for. */
import { describe, expect, it } from 'vitest'
import { edit, mergeLawfully } from '../test/merge.ts'
import { yamlDriver } from './yaml.ts'

const driver = yamlDriver()

function merge(base: string | undefined, ours: string, theirs: string): string | undefined {
  return mergeLawfully(driver, { base, ours, theirs }).text
}

describe('anchors and merge keys', () => {
  const base = 'base: &base\n  a: 1\n  b: 2\nuse:\n  <<: *base\n  c: 3\nlast: 0\n'
  it.each([
    [
      'a changed anchor and a changed member beside its alias',
      [['a: 1', 'a: 9']],
      [['c: 3', 'c: 8']],
    ],
    ['both sides changed the anchored map', [['a: 1', 'a: 9']], [['b: 2', 'b: 8']]],
    [
      'a new alias while nothing it stands for changes',
      [['last: 0', 'last: 0\nnew: *base']],
      [['c: 3', 'c: 8']],
    ],
  ] as const)('merge: %s', (...[, ourEdits, theirEdits]) => {
    const ours = edit(base, ...ourEdits)
    expect(merge(base, ours, edit(base, ...theirEdits))).toBe(edit(ours, ...theirEdits))
  })

  it('is a conflict where one side writes an alias of what the other changes', () => {
    const ours = edit(base, ['a: 1', 'a: 9'])
    const theirs = edit(base, ['last: 0', 'last: 0\nnew: {<<: *base, d: 4}'])
    expect(mergeLawfully(driver, { base, ours, theirs }).reason).toContain(
      'an alias "*base" was written by one side',
    )
  })

  it('is a conflict where another document of the stream has the same alias in the same place', () => {
    const base = 'l: &a 1\nx: *a\n---\nl: &a 1\n'
    const theirs = 'l: &a 1\nx: *a\n---\nl: &a 2\n'
    expect(mergeLawfully(driver, { base, ours: `${base}x: *a\n`, theirs }).reason).toContain(
      'an alias "*a" was written by one side',
    )
  })

  it('is a conflict where an anchor goes that the other side refers to', () => {
    const start = edit(base, ['use:\n  <<: *base\n  c: 3\n', ''])
    const ours = edit(start, [' &base', ''])
    const theirs = edit(start, ['last: 0', 'last: *base'])
    expect(mergeLawfully(driver, { base: start, ours, theirs }).reason).toContain(
      'no anchor in front of it',
    )
  })
})
