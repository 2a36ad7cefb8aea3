import { describe, expect, it } from 'vitest'
import { packageJson, tsconfig } from '../test/json-documents.ts'
import { mergeLawfully, mergeTexts } from '../test/merge.ts'
import { jsonDriver } from './json.ts'

const driver = jsonDriver()

/** Versions written on one line each. */
function merge(base: string | undefined, ours: string, theirs: string): string | undefined {
  return mergeLawfully(driver, { base, ours, theirs }).text
}

function conflictsOf(base: string | undefined, ours: string, theirs: string): unknown[] {
  return mergeLawfully(driver, { base, ours, theirs }).keys.map((found) => [
    found.key.join('/'),
    found.base,
    found.ours,
    found.theirs,
  ])
}

function reasonOf(base: string | undefined, ours: string, theirs: string): string | undefined {
  return mergeLawfully(driver, { base, ours, theirs }).reason
}

describe('objects', () => {
  it.each([
    ['values of both', '{"a":1,"b":2}', '{"a":3,"b":2}', '{"a":1,"b":4}', '{"a":3,"b":4}'],
    [
      'members of both',
      '{"m": 0}',
      '{"m": 0, "z": 1}',
      '{"m": 0, "a": 2}',
      '{"m": 0, "a": 2, "z": 1}',
    ],
    [
      'removed and changed',
      '{"a":1,"b":2,"c":3}',
      '{"b":2,"c":3}',
      '{"a":1,"b":2,"c":4}',
      '{"b":2,"c":4}',
    ],
    [
      'first and last removed',
      '{ "a": 1, "b": 2, "c": 3 }',
      '{ "b": 2, "c": 3 }',
      '{ "a": 1, "b": 2 }',
      '{ "b": 2 }',
    ],
    ['all removed', '{"a": 1, "b": 2}', '{"a": 1}', '{"b": 2}', '{}'],
    [
      'all removed and one added, line by line',
      '{\n  "a": 1\n}\n',
      '{}\n',
      '{\n  "a": 1,\n  "b": 2\n}\n',
      '{\n  "b": 2\n}\n',
    ],
    ['added to nothing', '{}', '{ "a": 1 }', '{ "b": 2 }', '{ "a": 1, "b": 2 }'],
    ['the same added', '{}', '{"a":{"x":1}}', '{"a":{"y":2}}', '{"a":{"x":1, "y":2}}'],
    [
      'keys moved and a value changed',
      '{"a":1,"b":2,"c":3}',
      '{"c":3,"a":1,"b":2}',
      '{"a":1,"b":5,"c":3}',
      '{"c":3,"a":1,"b":5}',
    ],
    [
      'keys moved in two ways',
      '{"a":1,"b":2,"c":3}',
      '{"c":3,"a":1,"b":2}',
      '{"b":2,"a":1,"c":4}',
      '{"a":1,"b":2,"c":4}',
    ],
    ['both removed', '{"a":1,"b":2,"c":3}', '{"b":2,"c":4}', '{"b":5,"c":3}', '{"b":5,"c":4}'],
    [
      'a key called __proto__',
      '{"__proto__":1,"b":2}',
      '{"__proto__":{"x":1},"b":2}',
      '{"__proto__":1,"b":3}',
      '{"__proto__":{"x":1},"b":3}',
    ],
    ['a key that is empty', '{"":1,"b":2}', '{"":3,"b":2}', '{"":1,"b":4}', '{"":3,"b":4}'],
    [
      'a key with an escape',
      '{"a":1,"b":2}',
      '{"\\u0061":3,"b":2}',
      '{"a":1,"b":4}',
      '{"\\u0061":3,"b":4}',
    ],
    [
      'an escape and a value',
      '{"a":"é","b":2}',
      '{"a":"\\u00e9","b":2}',
      '{"a":"é","b":4}',
      '{"a":"\\u00e9","b":4}',
    ],
    [
      'numbers past 2^53',
      '{"a":9007199254740993,"b":1}',
      '{"a":9007199254740995,"b":1}',
      '{"a":9007199254740993,"b":1e400}',
      '{"a":9007199254740995,"b":1e400}',
    ],
    [
      'a null that was a value',
      '{"a":1,"b":{"c":1}}',
      '{"a":null,"b":{"c":1}}',
      '{"a":1,"b":{"c":null}}',
      '{"a":null,"b":{"c":null}}',
    ],
    ['no base', undefined, '{"a":1}', '{"b":2}', '{"a":1, "b":2}'],
    ['an empty base', '', '{"a":1}', '{"b":2}', '{"a":1, "b":2}'],
    [
      'another kind with another change',
      '{"a":[1],"b":1}',
      '{"a":{"x":1},"b":1}',
      '{"a":[1],"b":2}',
      '{"a":{"x":1},"b":2}',
    ],
  ])('merge: %s', (...[, base, ours, theirs, merged]) => {
    expect(merge(base, ours, theirs)).toBe(merged)
  })

  it.each([
    ['a value', '{"a":1}', '{"a":2}', '{"a":3}', ['a', '1', '2', '3']],
    [
      'a value inside',
      '{"a":{"b":[1]}}',
      '{"a":{"b":[2]}}',
      '{"a":{"b":[3]}}',
      ['a/b/0', '1', '2', '3'],
    ],
    [
      'changed and removed',
      '{"a":1,"b":1}',
      '{"a":2,"b":1}',
      '{"b":1}',
      ['a', '1', '2', undefined],
    ],
    ['added in two ways', '{}', '{"a":2}', '{"a":"x"}', ['a', undefined, '2', '"x"']],
    [
      'another number, though JavaScript sees the same',
      '{"a":0}',
      '{"a":1}',
      '{"a":1.0}',
      ['a', '0', '1', '1.0'],
    ],
    [
      'past 2^53',
      '{"a":0}',
      '{"a":9007199254740993}',
      '{"a":9007199254740992}',
      ['a', '0', '9007199254740993', '9007199254740992'],
    ],
    [
      'renamed by both, with another edit in each',
      '{"a":{"x":1,"y":1}}',
      '{"b":{"x":1,"y":2}}',
      '{"b":{"x":1}}',
      ['b', undefined, '{"x":1,"y":2}', '{"x":1}'],
    ],
    [
      'an item renamed by both, with another edit in each',
      '[{"id":1,"x":1}]',
      '[{"id":2,"x":1}]',
      '[{"id":2}]',
      ['2', undefined, '{"id":2,"x":1}', '{"id":2}'],
    ],
    ['top-level scalars', '1', '2', '3', ['', '1', '2', '3']],
    ['kinds', '{"a":1}', '{"a":{}}', '{"a":[]}', ['a', '1', '{}', '[]']],
    [
      'a removed member and its comment',
      '{"a":1, // x\n"b":2}',
      '{"b":2}',
      '{"a":1, // y\n"b":2}',
      ['a', '1', undefined, '1'],
    ],
  ])('conflict: %s', (...[, base, ours, theirs, conflict]) => {
    expect(conflictsOf(base, ours, theirs)).toEqual([conflict])
  })
})

it('reports what both added once, though more is added in it', () => {
  const texts = ['{"a":{"n":{"x":1}}}', '{"b":{"n":{"x":1,"y":2}}}', '{"b":{"n":{"x":3}}}'] as const
  expect(conflictsOf(...texts).map((found) => (found as string[])[0])).toEqual(['b', 'b/n/x'])
})

describe('what is written around values', () => {
  it('keeps comments, blank lines and trailing commas of what did not change', () => {
    const ours = tsconfig.replace('"strict": true', '"strict": false')
    const theirs = tsconfig.replace('    "sourceMap": false,\n', '')
    const merged = tsconfig
      .replace('"strict": true', '"strict": false')
      .replace('    "sourceMap": false,\n', '')
    expect(merge(tsconfig, ours, theirs)).toBe(merged)
  })

  it('puts the dependencies that both add into their order', () => {
    const ours = packageJson.replace('"buoy"', '"bell": "1.0.0",\n    "buoy"')
    const theirs = packageJson.replace('"buoy"', '"boat": "2.0.0",\n    "buoy"')
    const both = packageJson.replace('"buoy"', '"bell": "1.0.0",\n    "boat": "2.0.0",\n    "buoy"')
    expect(merge(packageJson, ours, theirs)).toBe(both)
  })

  it.each([
    [
      'a comment on the line of a removed member',
      '{\n  "a": 1, // about a\n  "b": 2\n}',
      '{\n  "b": 2\n}',
      '{\n  "a": 1, // about a\n  "b": 3\n}',
      '{\n  "b": 3\n}',
    ],
    [
      'a comment above a removed member',
      '{\n  // about a\n  "a": 1,\n  "b": 2\n}',
      '{\n  "b": 2\n}',
      '{\n  // about a\n  "a": 1,\n  "b": 3\n}',
      '{\n  "b": 3\n}',
    ],
    [
      'a comment that was left when its member was removed',
      '{\n  // all\n  "a": 1,\n  "b": 2\n}',
      '{\n  // all\n  "b": 2\n}',
      '{\n  // all\n  "a": 1,\n  "b": 3\n}',
      '{\n  // all\n  "b": 3\n}',
    ],
    [
      'members below one comment',
      '{\n  // all\n\n  "m": 1\n}',
      '{\n  // all\n\n  "a": 0,\n  "m": 1\n}',
      '{\n  // all\n\n  "b": 0,\n  "m": 1\n}',
      '{\n  // all\n\n  "a": 0,\n  "b": 0,\n  "m": 1\n}',
    ],
    [
      'the comma of a last member with a comment',
      '{\n  "a": 1 // x\n}',
      '{\n  "a": 1, // x\n  "b": 2\n}',
      '{\n  "a": 3 // x\n}',
      '{\n  "a": 3, // x\n  "b": 2\n}',
    ],
    [
      'commas that lead',
      '{ "a": 1\n, "b": 2\n}',
      '{ "a": 1\n, "b": 2\n, "c": 3\n}',
      '{ "a": 0\n, "b": 2\n}',
      '{ "a": 0\n, "b": 2\n, "c": 3\n}',
    ],
    ['a trailing comma that a side added', '[1,\n2]', '[1,\n2,]', '[0,\n2]', '[0,\n2,]'],
    [
      'CRLF',
      '{\r\n  "a": 1,\r\n  "b": 2\r\n}\r\n',
      '{\r\n  "a": 3,\r\n  "b": 2\r\n}\r\n',
      '{\r\n  "a": 1,\r\n  "c": 4,\r\n  "b": 2\r\n}\r\n',
      '{\r\n  "a": 3,\r\n  "c": 4,\r\n  "b": 2\r\n}\r\n',
    ],
    [
      'CRLF on one side',
      '{\n  "a": 1\n}\n',
      '{\r\n  "a": 1\r\n}\r\n',
      '{\n  "a": 1,\n  "b": 2\n}\n',
      '{\r\n  "a": 1,\r\n  "b": 2\r\n}\r\n',
    ],
    [
      'a byte order mark',
      '\uFEFF{"a":1,"b":2}',
      '\uFEFF{"a":3,"b":2}',
      '{"a":1,"b":4}',
      '{"a":3,"b":4}',
    ],
    ['a last line end', '{"a":1,"b":2}', '{"a":1,"b":2}\n', '{"a":1,"b":3}', '{"a":1,"b":3}\n'],
    [
      'two indentations',
      '{\n  "a": 1,\n  "b": 2\n}',
      '{\n    "a": 1,\n    "b": 2\n}',
      '{\n  "a": 1,\n  "b": 3,\n  "c": {\n    "d": 1\n  }\n}',
      '{\n    "a": 1,\n    "b": 3,\n    "c": {\n      "d": 1\n    }\n}',
    ],
  ])('merges %s', (...[, base, ours, theirs, merged]) => {
    expect(merge(base, ours, theirs)).toBe(merged)
  })

  it('is a conflict where both change one comment', () => {
    const texts = [
      '{ // x\n "a": 1, "b": 1 }',
      '{ // y\n "a": 2, "b": 1 }',
      '{ // z\n "a": 1, "b": 2 }',
    ] as const
    expect(conflictsOf(...texts)).toEqual([['', '// x', '// y', '// z']])
  })

  it('is a conflict where a comment would be doubled', () => {
    const [base, ours, theirs] = ['', ',"b":1', ',"c":1'].map((added) =>
      `{"a": 1,\n// more\n}`.replace(',\n// more', `,\n// more\n${added.slice(1)}`),
    )
    expect(reasonOf(base, ours ?? '', theirs ?? '')).toContain(
      'where the comment "// more" belongs is in doubt',
    )
  })
})

describe('what cannot be merged by key', () => {
  const good = ['{"a":1}', '{"a":2}'] as const
  it.each([
    [
      'a key twice',
      '{"a":1,\n "a":2}',
      'theirs, read as JSON: the key "a" is there twice (line 2, column 2)',
    ],
    ['a key twice, once escaped', '{"a":1,"\\u0061":2}', 'the key "a" is there twice'],
    ['text', 'hello', 'no value is there (line 1, column 1)'],
    ['nothing', '', 'no value is there'],
    ['half an object', '{"a":', 'no value is there'],
    ['a missing comma', '{"a":1 "b":2}', 'a comma or "}" is missing'],
    ['two values', '{} {}', 'something follows the value'],
    ['a leading zero', '{"a":01}', 'a comma or "}" is missing'],
    ['a bare key', '{a:1}', 'a key in quotes is missing'],
    ['a comment that does not end', '{"a":1} /* x', 'something follows the value'],
    ['a line end in a string', '{"a":"x\ny"}', 'a string does not end'],
    ['an unknown escape', '{"a":"\\x"}', 'an escape that JSON does not know'],
    ['a deep list', '['.repeat(100_000), 'more than 200 levels'],
    ['a deep object', '{"a":'.repeat(100_000), 'more than 200 levels'],
  ])('gives a reason: %s', (_, theirs, reason) => {
    expect(reasonOf(...good, theirs)).toContain(reason)
  })

  it('gives a reason for bytes that are not UTF-8', () => {
    const [base, ours] = good.map((text) => new TextEncoder().encode(text))
    const theirs = Uint8Array.of(0x22, 0xff, 0x22)
    expect(driver({ base, ours: ours ?? theirs, theirs, path: '' })).toEqual({
      state: 'conflict',
      reason: 'Cannot merge by key: theirs is not UTF-8',
    })
  })

  it('takes lists, strings and blanks that are longer than a stack', () => {
    const list = Array.from({ length: 130_000 }, (_, i) => i).join(',')
    const [text, blanks] = ['x'.repeat(10_000_000), ' '.repeat(10_000_000)]
    const lists = { base: `[${list}]`, ours: `["a",${list}]`, theirs: `[${list},"z"]` }
    expect(mergeTexts(driver, lists).text).toBe(`["a",${list},"z"]`)
    const removed = {
      base: `{"a":"${text}","b":1}`,
      ours: '{"b":1}',
      theirs: `{"a": "${text}","b":2}`,
    }
    expect(mergeTexts(driver, removed).text).toBe('{"b":2}')
    const far = {
      base: `{${blanks}"a":1,"b":1}`,
      ours: `{${blanks}"a":2,"b":1}`,
      theirs: '{"a":1,"b":2}',
    }
    expect(mergeTexts(driver, far).text).toBe('{"a":2,"b":2}')
  })

  it('takes long strings and documents as deep as it reads', () => {
    const long = 'x'.repeat(3_000_000)
    expect(merge(`{"a":"${long}","b":1}`, `{"a":"${long}y","b":1}`, `{"a":"${long}","b":2}`)).toBe(
      `{"a":"${long}y","b":2}`,
    )
    const deep = (inside: string): string => '{"a":'.repeat(198) + inside + '}'.repeat(198)
    expect(merge(deep('{"x":1,"y":1}'), deep('{"x":2,"y":1}'), deep('{"x":1,"y":2}'))).toBe(
      deep('{"x":2,"y":2}'),
    )
  })
})
