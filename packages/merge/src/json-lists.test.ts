/** Lists in JSON: by identity, as sequences, and as a program declares them. */
import { describe, expect, it } from 'vitest'
import { mergeLawfully } from '../test/merge.ts'
import { jsonDriver } from './json.ts'

const driver = jsonDriver()

/** Versions written on one line each. */
function merge(base: string | undefined, ours: string, theirs: string): string | undefined {
  return mergeLawfully(driver, { base, ours, theirs }).text
}

describe('lists', () => {
  const keyed = '[{"id":1,"v":1},{"id":2,"v":2},{"id":3,"v":3}]'
  it.each([
    [
      'items by id',
      keyed,
      keyed.replace('"v":1', '"v":9'),
      keyed.replace('"v":3', '"v":8'),
      '[{"id":1,"v":9},{"id":2,"v":2},{"id":3,"v":8}]',
    ],
    [
      'one item by id',
      '[{"id":1,"x":1,"y":1}]',
      '[{"id":1,"x":2,"y":1}]',
      '[{"id":1,"x":1,"y":2}]',
      '[{"id":1,"x":2,"y":2}]',
    ],
    [
      'removed and changed by id',
      keyed,
      '[{"id":2,"v":2},{"id":3,"v":3}]',
      keyed.replace('"v":3', '"v":8'),
      '[{"id":2,"v":2},{"id":3,"v":8}]',
    ],
    [
      'moved and changed by id',
      keyed,
      '[{"id":3,"v":3},{"id":1,"v":1},{"id":2,"v":2}]',
      keyed.replace('"v":2', '"v":8'),
      '[{"id":3,"v":3},{"id":1,"v":1},{"id":2,"v":8}]',
    ],
    [
      'whole items far apart',
      '[1, 2, 3, 4]',
      '[0, 1, 2, 3, 4]',
      '[1, 2, 3, 4, 5]',
      '[0, 1, 2, 3, 4, 5]',
    ],
    ['removed and added', '[1, 2, 3, 4]', '[2, 3, 4]', '[1, 2, 3, 4, 5]', '[2, 3, 4, 5]'],
    ['the same in both', '[1, 2, 3]', '[1, 3]', '[1,3]', '[1, 3]'],
  ])('merge: %s', (...[, base, ours, theirs, merged]) => {
    expect(merge(base, ours, theirs)?.replaceAll(', ', ',')).toBe(merged.replaceAll(', ', ','))
  })

  it.each([
    ['both added at the end', '[1]', '[1,2]', '[1,3]', '1'],
    ['items side by side', '[1,2]', '[3,2]', '[1,4]', '0'],
    [
      'both added an item by id',
      keyed,
      keyed.replace(']', ',{"id":4}]'),
      keyed.replace(']', ',{"id":5}]'),
      '',
    ],
    [
      'moved in two ways',
      '[{"id":1},{"id":2},{"id":3}]',
      '[{"id":3},{"id":1},{"id":2}]',
      '[{"id":2},{"id":1},{"id":3}]',
      '',
    ],
    ['the same added in two places', '[1,2,3,4]', '[9,1,2,3,4]', '[1,2,3,4,9]', '0'],
    ['one of equal items, wherever it was', '[1,1,2]', '[1,2]', '[9,1,1,2]', '0'],
    ['moved to two places', '[1,2,3,4,5]', '[3,1,2,4,5]', '[1,2,4,5,3]', '0'],
    [
      'one of equal items, beside a change',
      '["-v","a","-v","b"]',
      '["-v","b"]',
      '["-v","a","-x","b"]',
      '1',
    ],
  ])('conflict: %s', (...[, base, ours, theirs, at]) => {
    const [first, ...others] = mergeLawfully(driver, { base, ours, theirs }).keys
    expect(first?.key.join('/')).toBe(at)
    expect(others).toEqual([])
  })

  it('merges a declared set without order', () => {
    const sets = jsonDriver({ listRule: ([key]) => (key === 'tags' ? 'set' : undefined) })
    const texts = {
      base: '{"tags":["b","d"]}',
      ours: '{"tags":["b","d","e"]}',
      theirs: '{"tags":["b","c"]}',
    }
    expect(mergeLawfully(sets, texts).text).toBe('{"tags":["b","c","e"]}')
  })

  it('merges a declared keyed list as it merges an object', () => {
    const lists = jsonDriver({ idKeys: ['at'], listRule: () => 'keyed' })
    const texts = {
      base: '[{"at":1}]',
      ours: '[{"at":1}, {"at":3}]',
      theirs: '[{"at":1}, {"at":2}]',
    }
    expect(mergeLawfully(lists, texts).text).toBe('[{"at":1}, {"at":2}, {"at":3}]')
  })

  it('merges items without an id as wholes, also beside each other, and never one with itself', () => {
    const list = (...items: readonly object[]): string => JSON.stringify(items, undefined, 1)
    const [a, b, c] = [
      { x: 1, y: 1 },
      { x: 2, y: 2 },
      { x: 3, y: 3 },
    ]
    const versions = (theirs: string) => ({
      base: list(a, b, c),
      ours: list({ ...a, x: 9 }, b, c),
      theirs,
    })
    const jsonLists = jsonDriver()
    expect(mergeLawfully(jsonLists, versions(list(a, b, { ...c, y: 9 }))).text).toBe(
      list({ ...a, x: 9 }, b, { ...c, y: 9 }),
    )
    expect(mergeLawfully(jsonLists, versions(list(a, { ...b, y: 9 }, c))).text).toBe(
      list({ ...a, x: 9 }, { ...b, y: 9 }, c),
    )
    const same = mergeLawfully(jsonLists, versions(list({ ...a, y: 9 }, b, c)))
    expect(same.keys.map(({ key }) => key)).toEqual([[0]])
  })

  it('compares whole items where no id key is wanted', () => {
    const lists = jsonDriver({ idKeys: [] })
    const texts = {
      base: '[{"id":1,"x":1,"y":1}]',
      ours: '[{"id":1,"x":2,"y":1}]',
      theirs: '[{"id":1,"x":1,"y":2}]',
    }
    expect(mergeLawfully(lists, texts).keys).toHaveLength(1)
  })
})
