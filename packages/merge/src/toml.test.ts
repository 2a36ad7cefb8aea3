import { describe, expect, it } from 'vitest'
import { edit, mergeLawfully, mergeTexts } from '../test/merge.ts'
import { cargo, pyproject, service } from '../test/toml-documents.ts'
import { formatLayout, type DocumentNode } from './structured/document.ts'
import { tomlFormat } from './structured/toml-format.ts'
import { tomlDriver } from './toml.ts'

const driver = tomlDriver()

function merge(base: string | undefined, ours: string, theirs: string): string | undefined {
  return mergeLawfully(driver, { base, ours, theirs }).text
}

describe('real documents', () => {
  it.each([
    ['values far apart', cargo, [['3.4.1', '3.4.2']], [['lto = true', 'lto = "fat"']]],
    [
      'one inline table',
      cargo,
      [['"0.9"', '"0.10"']],
      [['"light", "bell"', '"light", "bell", "horn"']],
    ],
    ['a dependency and the one below', cargo, [['anchor = "1.2"\n', '']], [['"0.9"', '"0.10"']]],
    [
      'items of an array on lines',
      cargo,
      [['    "tides",\n', '']],
      [['# needs the derive', '# derives']],
    ],
    [
      'items of an array of tables',
      cargo,
      [['src/bin/pilot.rs', 'src/pilot.rs']],
      [['["full"]', '["full", "tides"]']],
    ],
    [
      'a new item of an array of tables',
      cargo,
      [['[profile.release]\n', '[[bin]]\nname = "crew"\n\n[profile.release]\n']],
      [['src/bin/pilot.rs', 'src/pilot.rs']],
    ],
    [
      'a new table and a value above',
      cargo,
      [['[profile.release]\n', '[workspace]\nmembers = ["a"]\n\n[profile.release]\n']],
      [['edition = "2024"', 'edition = "2027"']],
    ],
    [
      'a table that is removed',
      cargo,
      [['[dev-dependencies]\ntempfile = "3"\n\n', '']],
      [['default = ["tides"]', 'default = []']],
    ],
    [
      'a comment above a table',
      cargo,
      [['# What every build needs', '# What all builds need']],
      [['compass = { path', 'compass = { optional = true, path']],
    ],
    [
      'keys with dots',
      pyproject,
      [['lint.ignore = ["E501"]', 'lint.ignore = []']],
      [['line-length = 100', 'line-length = 120']],
    ],
    [
      'a string on lines',
      pyproject,
      [['one line each.', 'a line each.']],
      [["readme = 'README.md'", 'readme = "README.md"']],
    ],
    [
      'a quoted key',
      pyproject,
      [['/issues"', '/bugs"']],
      [['homepage = "https://harbour', 'homepage = "https://www']],
    ],
    [
      'authors by name',
      pyproject,
      [['ada@example.org', 'ada@example.com']],
      [['grace@example.org', 'grace@example.com']],
    ],
    [
      'the value in front of all tables',
      service,
      [['enabled = true', 'enabled = false']],
      [['[routes.limits]\n  rate = 20', '[routes.limits]\n  rate = 30']],
    ],
    [
      'dates and numbers',
      service,
      [['2024-05-27T07:32:00Z', '2024-05-27T07:32:00+02:00']],
      [
        ['1.50', '1.5'],
        ['0xff_00', '0xff00'],
      ],
    ],
    [
      'tables in items of an array of tables',
      service,
      [['rate = 100', 'rate = 200']],
      [['name = "deny"', 'name = "deny"\n  log = true']],
    ],
  ] as const)('merge: %s', (...[, base, ourEdits, theirEdits]) => {
    const [ours, theirs] = [edit(base, ...ourEdits), edit(base, ...theirEdits)]
    expect(merge(base, ours, theirs)).toBe(edit(ours, ...theirEdits))
  })
})

it.each([
  cargo,
  pyproject,
  service,
  '',
  '# nothing\n',
  'a = 1',
  '\uFEFF# h\na = 1\n',
  '[ a . "b c" ] # x\nq = 1 # y\n\n# tail\n',
  '[[a]]\n[[a.b]]\nc = 1\n[a.b.d]\n[[a.b]]\n[[a]] # x\n',
  'a = [ # x, y\n  1, # z\n  2, ]\r\nb = { c = 1, d.e = 2 }\r\n',
])('takes apart and puts together: %j', (text) => {
  const check = (node: DocumentNode): void => {
    if (node.kind === 'scalar') return
    expect(formatLayout(node.layout())).toBe(node.text)
    for (const item of node.items) check(item.node)
  }
  const { root } = tomlFormat.read(text)
  expect(root.text).toBe(text)
  check(root)
})

describe('ways to write', () => {
  it.each([
    [
      'a key and a table are added',
      'a = 1\n',
      'a = 1\nz = 2\n',
      'a = 1\n\n[b]\nc = 3\n',
      'a = 1\nz = 2\n\n[b]\nc = 3\n',
    ],
    [
      'tables are added',
      '[a]\nx = 1\n',
      '[a]\nx = 1\n\n[c]\nx = 1\n',
      '[a]\nx = 1\n\n[b]\nx = 1\n',
      '[a]\nx = 1\n\n[b]\nx = 1\n\n[c]\nx = 1\n',
    ],
    [
      'tables are moved',
      '[a]\nx = 1\n\n[b]\nx = 1\n',
      '[b]\nx = 1\n\n[a]\nx = 1\n',
      '[a]\nx = 2\n\n[b]\nx = 1\n',
      '[b]\nx = 1\n\n[a]\nx = 2\n',
    ],
    [
      'strings are written in another way',
      'a = "x"\nb = 1\n',
      "a = 'x'\nb = 1\n",
      'a = "x"\nb = 2\n',
      "a = 'x'\nb = 2\n",
    ],
    [
      'a string is written in another way by one side, and changed by the other',
      'a = "x"\n',
      "a = 'x'\n",
      'a = "y"\n',
      'a = "y"\n',
    ],
    ['keys are quoted', 'a = 1\nb = 1\n', '"a" = 2\nb = 1\n', 'a = 1\nb = 2\n', '"a" = 2\nb = 2\n'],
    [
      'a last line has no end',
      'a = 1\nb = 1',
      'a = 1\nb = 1\nc = 1',
      'a = 2\nb = 1',
      'a = 2\nb = 1\nc = 1',
    ],
    [
      'CRLF',
      'a = 1\r\n[b]\r\nc = 1\r\n',
      'a = 2\r\n[b]\r\nc = 1\r\n',
      'a = 1\r\n[b]\r\nc = 1\r\nd = 1\r\n',
      'a = 2\r\n[b]\r\nc = 1\r\nd = 1\r\n',
    ],
    [
      'a byte order mark',
      '\uFEFFa = 1\nb = 1\n',
      '\uFEFFa = 2\nb = 1\n',
      'a = 1\nb = 2\n',
      'a = 2\nb = 2\n',
    ],
    [
      'an inline table becomes a table',
      'a = {x = 1}\nb = 1\n',
      'b = 1\n[a]\nx = 1\n',
      'a = {x = 1}\nb = 2\n',
      'b = 2\n[a]\nx = 1\n',
    ],
    [
      'numbers past 2^53',
      'a = 9007199254740993\nb = 1\n',
      'a = 9007199254740995\nb = 1\n',
      'a = 9007199254740993\nb = 2\n',
      'a = 9007199254740995\nb = 2\n',
    ],
    [
      'a key called __proto__',
      '__proto__ = 1\nb = 1\n',
      '__proto__ = 2\nb = 1\n',
      '__proto__ = 1\nb = 2\n',
      '__proto__ = 2\nb = 2\n',
    ],
    ['both added the file', undefined, 'a = 1\n', '[b]\nc = 1\n', 'a = 1\n[b]\nc = 1\n'],
    ['an empty file', '', 'a = 1\n', 'b = 1\n', 'a = 1\nb = 1\n'],
    [
      'a long string',
      `a = "${'x'.repeat(100_000)}"\nb = 1\n`,
      'a = "short"\nb = 1\n',
      `a = "${'x'.repeat(100_000)}"\nb = 2\n`,
      'a = "short"\nb = 2\n',
    ],
    [
      'a table removed whose inner one stays, and another added',
      '[a]\nx = 1\n[a.b]\n',
      '[a.b]\n',
      '[a]\nx = 1\n[a.b]\n[a.c]\n',
      '[a.b]\n[a.c]\n',
    ],
    [
      'the last table removed from one that nobody writes, and another added',
      '[tool.a]\nx = 1\n[z]\n',
      '[z]\n',
      '[tool.a]\nx = 1\n[tool.b]\n[z]\n',
      '[tool.b]\n[z]\n',
    ],
  ])('merge: %s', (...[, base, ours, theirs, merged]) => {
    expect(merge(base, ours, theirs)).toBe(merged)
  })

  it.each([
    ['a value of a table', '[a.b]\nc = 1\n', '[a.b]\nc = 2\n', '[a.b]\nc = 3\n', ['a.b', 'c']],
    ['a date', 'a = 2024-01-01\n', 'a = 2024-01-02\n', 'a = 2024-01-01T00:00:00Z\n', ['a']],
    ['one number, written in two ways', 'a = 1\n', 'a = 1_000\n', 'a = 1000\n', ['a']],
    [
      'a table that is removed and changed',
      '[a]\nb = 1\n[c]\n',
      '[c]\n',
      '[a]\nb = 2\n[c]\n',
      ['a'],
    ],
    [
      'an item of an array of tables',
      '[[a]]\nid = 1\nb = 1\n',
      '[[a]]\nid = 1\nb = 2\n',
      '[[a]]\nid = 1\nb = 3\n',
      ['a', '1', 'b'],
    ],
  ])('conflict: %s', (...[, base, ours, theirs, key]) => {
    expect(mergeLawfully(driver, { base, ours, theirs }).keys.map((found) => found.key)).toEqual([
      key,
    ])
  })
})

describe('what cannot be merged by key', () => {
  it.each([
    [
      'a key twice',
      'a = 1\na = 2\n',
      'theirs, read as TOML: Defining a key multiple times is invalid (line 2, column 1)',
    ],
    ['a value that is missing', 'a =\n', 'theirs, read as TOML'],
    ['a date that does not exist', 'a = 2024-02-30\n', 'theirs, read as TOML'],
    ['an array of tables in two places', '[[a]]\n[b]\n[[a]]\n', 'theirs, read as TOML'],
    [
      'a table apart from its array',
      '[[a]]\n[b]\n[a.c]\n',
      'a table apart from the array that it is in (line 3, column 1)',
    ],
    ['a deep array', `a = ${'['.repeat(100_000)}`, 'too many levels'],
    [
      'levels that the library reads',
      `a = ${'['.repeat(300)}${']'.repeat(300)}`,
      'more than 200 levels',
    ],
  ])('gives a reason: %s', (_, theirs, reason) => {
    expect(mergeLawfully(driver, { base: 'a = 0\n', ours: 'a = 3\n', theirs }).reason).toContain(
      reason,
    )
  })

  it('gives a reason for a string that is longer than the library reads', () => {
    const theirs = `a = "${'x'.repeat(2_000_000)}"\n`
    expect(mergeLawfully(driver, { base: 'a = 0\n', ours: 'a = 3\n', theirs }).reason).toContain(
      'longer or deeper than what can be read as TOML',
    )
  })

  it.each([
    ['a table', '[a]\nx = 1\n[b]\n', '[b]\n', '[a]\nx = 1\n[a.c]\ny = 1\n[b]\n', '"a.c"'],
    [
      'a table with a table in it',
      '["q.r"]\nx = 1\n["q.r".s]\n[b]\n',
      '[b]\n',
      '["q.r"]\nx = 1\n["q.r".s]\n["q.r".t.u]\n[b]\n',
      '\'"q.r".t\''.replaceAll("'", '"'),
    ],
  ])('gives a reason where one side removes and the other adds to: %s', (...args) => {
    const [, base, ours, theirs, added] = args
    expect(mergeLawfully(driver, { base, ours, theirs }).reason).toContain(
      `while the other added ${added}`,
    )
  })

  it.each([
    ['a table and a key in it', '', '[a]\nx = 1\n', 'a.x = 2\n'],
    [
      'an inline table becomes a table that the other changes',
      'a = {x = 1}\n',
      '[a]\nx = 1\n',
      'a = {x = 2}\n',
    ],
    [
      'a table inside, written in two places',
      '[a]\nx = 1\n',
      '[a]\nx = 1\nb.c = 1\n',
      '[a]\nx = 1\n[a.b]\nd = 1\n',
    ],
  ])('is a conflict: %s', (_, base, ours, theirs) => {
    expect(mergeLawfully(driver, { base, ours, theirs }).text).toBeUndefined()
  })
})

it('merges a third of a megabyte with ten changes on each side', () => {
  const write = (from: number): string =>
    Array.from(
      { length: 4000 },
      (_, id) =>
        `[[package]]\nname = "p${id}"\nversion = "${id % 400 === from ? 'changed' : '1.0'}"\ntags = ["a", "b"]\nfrom = { url = "x", id = ${id} }\n\n`,
    ).join('')
  const texts = { base: write(-1), ours: write(10), theirs: write(20) }
  const start = process.cpuUsage()
  const { text } = mergeTexts(driver, texts)
  const { user, system } = process.cpuUsage(start)
  console.log(`${texts.base.length} characters merged in ${Math.round((user + system) / 1000)} ms`)
  expect(text?.match(/changed/g)).toHaveLength(20)
})

// Seen to fail when: the tables that follow are copied for each array of tables.
it('reads thousands of arrays of tables in time that is proportional to them', () => {
  const arrays = (value: number): string =>
    Array.from({ length: 20_000 }, (_, i) => `[[k${i}]]\na = ${i === 7 ? value : 0}\n`).join('')
  const start = process.cpuUsage()
  const texts = { base: arrays(0), ours: arrays(1), theirs: `${arrays(0)}[z]\n` }
  expect(mergeTexts(driver, texts).text).toBe(`${arrays(1)}[z]\n`)
  expect(process.cpuUsage(start).user).toBeLessThan(10_000_000)
})

it('makes a conflict of a file that would take too long to read', () => {
  const start = process.cpuUsage()
  const theirs = `a = [${'1,'.repeat(500_000)}]\n`
  const { reason, text } = mergeTexts(driver, { base: 'a = 0\n', ours: 'a = 3\n', theirs })
  expect(text).toBeUndefined()
  expect(reason).toContain('a version has more than 150,000 tokens of TOML')
  expect(process.cpuUsage(start).user).toBeLessThan(3_000_000)
})
