import { describe, expect, it } from 'vitest'

import { ALL_FILTERS, parseFilter } from './filter.ts'

const plain = { blobLimit: Infinity, treeDepth: Infinity, types: undefined }

describe('a filter', () => {
  it.each([
    ['blob:none', { ...plain, blobLimit: 0 }],
    ['blob:limit=0', { ...plain, blobLimit: 0 }],
    ['blob:limit=1k', { ...plain, blobLimit: 1024 }],
    ['blob:limit=0x10', { ...plain, blobLimit: 16 }],
    ['blob:limit=010m', { ...plain, blobLimit: 8 * 1024 * 1024 }],
    ['tree:0', { ...plain, treeDepth: 0 }],
    ['tree:3', { ...plain, treeDepth: 3 }],
    ['object:type=tag', { ...plain, types: new Set(['tag']) }],
    ['combine:blob:none+tree:3', { ...plain, blobLimit: 0, treeDepth: 3 }],
    ['combine:blob%3anone+tree%3A2', { ...plain, blobLimit: 0, treeDepth: 2 }],
    ['combine:tree:2+tree:1+blob:limit=9+blob:limit=7', { ...plain, blobLimit: 7, treeDepth: 1 }],
    ['combine:object:type=tree+object:type=blob', { ...plain, types: new Set() }],
    ['combine:combine:tree:3%2btree:2+blob:none', { ...plain, blobLimit: 0, treeDepth: 2 }],
  ])('is read from "%s"', (spec, filter) => {
    expect(parseFilter(spec, ALL_FILTERS)).toEqual(filter)
  })

  it.each([
    ['', "invalid filter-spec ''"],
    ['blob:some', "invalid filter-spec 'blob:some'"],
    ['blob:limit=many', "invalid filter-spec 'blob:limit=many'"],
    ['blob:limit=-1', "invalid filter-spec 'blob:limit=-1'"],
    ['tree:', "expected 'tree:<depth>'"],
    ['tree:-1', "expected 'tree:<depth>'"],
    ['object:type=file', "'file' for 'object:type=<type>' is not a valid object type"],
    ['sparse:path=x', 'sparse:path filters support has been dropped'],
    ['sparse:oid=main:x', "filter 'sparse:oid' not supported"],
    ['combine:', 'expected something after combine:'],
    ['combine:tree:2+', "invalid filter-spec ''"],
    ['combine:tree:2+blob:none!', "must escape char in sub-filter-spec: '!'"],
  ])('is refused for "%s"', (spec, words) => {
    expect(() => parseFilter(spec, ALL_FILTERS)).toThrow(words)
  })

  it('is refused where the rules do not allow it', () => {
    const rules = { others: true, kinds: new Map([['blob:none', false]]), maxTreeDepth: 1 }
    expect(() => parseFilter('blob:none', rules)).toThrow("filter 'blob:none' not supported")
    expect(() => parseFilter('combine:tree:1+blob:none', rules)).toThrow(
      "filter 'blob:none' not supported",
    )
    expect(() => parseFilter('tree:2', rules)).toThrow('tree filter allows max depth 1, but got 2')
    expect(parseFilter('tree:1', rules)).toEqual({ ...plain, treeDepth: 1 })
  })

  it('is not nested without end', () => {
    const spec = `${'combine:'.repeat(100)}tree:1`
    expect(() => parseFilter(spec, ALL_FILTERS)).toThrow('nested too deep')
  })
})
