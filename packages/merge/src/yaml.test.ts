import { describe, expect, it } from 'vitest'
import { edit, mergeLawfully } from '../test/merge.ts'
import { compose, manifests, workflow } from '../test/yaml-documents.ts'
import { formatLayout, type DocumentNode } from './structured/document.ts'
import { yamlFormat } from './structured/yaml-format.ts'
import { yamlDriver } from './yaml.ts'

const driver = yamlDriver()

function merge(base: string | undefined, ours: string, theirs: string): string | undefined {
  return mergeLawfully(driver, { base, ours, theirs }).text
}

describe('real documents', () => {
  const added = '    healthcheck:\n      test: ["CMD", "true"]\n'
  it.each([
    ['values far apart', compose, [['3.4.1', '3.4.2']], [['postgres:17', 'postgres:18']]],
    [
      'a service and a value',
      compose,
      [['volumes:\n  data', '  queue:\n    image: queue:1\n\nvolumes:\n  data']],
      [['WORKERS: 4', 'WORKERS: 8']],
    ],
    [
      'an item of a list and a comment',
      compose,
      [['      - "8443:443"\n', '      - "8443:443"\n      - "9000:90"\n']],
      [['info # debug is too much', 'warn # info is too much']],
    ],
    [
      'in one map',
      compose,
      [['      WORKERS: 4\n', '']],
      [['LOG_LEVEL: info', 'LOG_LEVEL: debug']],
    ],
    [
      'a block scalar and what follows it',
      compose,
      [['max_connections=200', 'max_connections=300']],
      [['POSTGRES_USER: ada', 'POSTGRES_USER: grace']],
    ],
    [
      'flow and block',
      compose,
      [['[db, cache]', '[db, cache, queue]']],
      [['    restart: unless-stopped\n', '']],
    ],
    [
      'an anchor and a comment above',
      compose,
      [['"10m"', '"20m"']],
      [['# The one that keeps everything', '# Keeps everything']],
    ],
    [
      'at the end of a map inside',
      compose,
      [["    command: ['redis-server'", `${added}    command: ['redis-server'`]],
      [['      retries: 5\n', '      retries: 5\n      timeout: 3s\n']],
    ],
    ['containers by name', manifests, [['web:1.2.3', 'web:1.2.4']], [['proxy:0.9', 'proxy:1.0']]],
    [
      'environment by name',
      manifests,
      [['value: info', 'value: debug']],
      [['key: mode}', 'key: table.txt}']],
    ],
    [
      'documents',
      manifests,
      [['replicas: 3', 'replicas: 5']],
      [
        ['ClusterIP', 'NodePort'],
        ['mode: "on"', 'mode: "off"'],
      ],
    ],
    [
      'a document that is removed',
      manifests,
      [
        [manifests.slice(0, manifests.indexOf('---\n')), ''],
        ['---\n', ''],
      ],
      [['ClusterIP', 'NodePort']],
    ],
    [
      'a document that is added',
      manifests,
      [['---\n# Reached', '---\nkind: Secret\nmetadata:\n  name: key\n---\n# Reached']],
      [['mode: "on"', 'mode: "off"']],
    ],
    [
      'a document added in front of one that is changed',
      manifests,
      [['---\n# Reached', '---\nkind: Secret\nmetadata:\n  name: key\n---\n# Reached']],
      [['ClusterIP', 'NodePort']],
    ],
    [
      'lines of a block scalar and a value',
      workflow,
      [['npm run types', 'npm run types:all']],
      [['fail-fast: false', 'fail-fast: true']],
    ],
    [
      'a key without a value',
      workflow,
      [['  pull_request:\n', '  pull_request:\n    branches: [main]\n']],
      [['branches: [main]\n  pull', 'branches: [main, next]\n  pull']],
    ],
    [
      'a comment between steps',
      workflow,
      [['# everything that can fail', '# all that can fail']],
      [['run: npm ci', 'run: npm ci --ignore-scripts']],
    ],
  ] as const)('merge: %s', (...[, base, ourEdits, theirEdits]) => {
    const [ours, theirs] = [edit(base, ...ourEdits), edit(base, ...theirEdits)]
    expect(merge(base, ours, theirs)).toBe(edit(ours, ...theirEdits))
  })

  it.each([compose, manifests, workflow])(
    'are put together from their parts to the byte: %#',
    checkLayouts,
  )
})

function checkLayouts(text: string): void {
  const check = (node: DocumentNode): void => {
    if (node.kind === 'scalar') return
    expect(formatLayout(node.layout())).toBe(node.text)
    for (const item of node.items) check(item.node)
  }
  const { root } = yamlFormat.read(text)
  expect(root.text).toBe(text)
  check(root)
}

it.each([
  '# nothing\n',
  'a: &x !t\n  b: |\n    q\n\n  c: >+\n    z\n\n\nd: *x\n',
  'a:\n  b: |\n    q\n\n\n  # c\n  d: 1\n',
  '? a\n: b\n? c\n',
  'a:\nb: !!str\nc: &q\n- 1\n# tail\n',
  '{a: 1, b, "c":2, d: !t {x: 1},}',
  '--- x\n--- # c\n- a # b\n...\n# z\n---\n',
  '\uFEFF# h\na: 1',
  '- - 1\n  - 2\n- a: 1\n  b: 2\n-\n  c: 3\n-\n- # c\n  d: 1\n',
  'a:\r\n  b: |\r\n    x\r\n  c: 1\r\n',
  '[a, # x, y\n b, ]\n',
  "a: \"x\n  y\"\nb: x\n  y\nc: 'it''s'\n",
  'a: # about the value\n  # about b\n\n  b: 1\n',
])('takes apart and puts together: %j', checkLayouts)

describe('ways to write', () => {
  it.each([
    ['quotes and a value', 'a: x\nb: 1\n', 'a: "x"\nb: 1\n', 'a: x\nb: 2\n', 'a: "x"\nb: 2\n'],
    ['quotes by one side, and another value', 'a: x\n', 'a: "x"\n', 'a: y\n', 'a: y\n'],
    ['a quoted key', 'a: x\nb: 1\n', '"a": y\nb: 1\n', 'a: x\nb: 2\n', '"a": y\nb: 2\n'],
    [
      'a list that is not indented',
      'a:\n- 1\n- 2\n- 3\nb: 1\n',
      'a:\n- 0\n- 1\n- 2\n- 3\nb: 1\n',
      'a:\n- 1\n- 2\n- 4\nb: 2\n',
      'a:\n- 0\n- 1\n- 2\n- 4\nb: 2\n',
    ],
    [
      'the first key of an item',
      '- a: 1\n  b: 2\n  id: 1\n',
      '- b: 2\n  id: 1\n',
      '- a: 1\n  b: 3\n  id: 1\n',
      '- b: 3\n  id: 1\n',
    ],
    [
      'a new first key of an item',
      '- a: 1\n  id: 1\n',
      '- c: 1\n  a: 1\n  id: 1\n',
      '- a: 2\n  id: 1\n',
      '- c: 1\n  a: 2\n  id: 1\n',
    ],
    [
      'a new indentation and a new key',
      'a:\n  b: 1\n  c:\n    d: 1\n',
      'a:\n    b: 1\n    c:\n        d: 1\n',
      'a:\n  b: 1\n  c:\n    d: 1\n    e:\n      f: |\n        g\n\n          h\n',
      'a:\n    b: 1\n    c:\n        d: 1\n        e:\n          f: |\n            g\n\n              h\n',
    ],
    [
      'a new indentation and another block scalar',
      'a:\n  b: |\n    x\n  c: 1\n',
      'a:\n    b: |\n        x\n    c: 1\n',
      'a:\n  b: |\n    y\n    z\n  c: 1\n',
      'a:\n    b: |\n      y\n      z\n    c: 1\n',
    ],
    [
      'a list that is indented anew and a new item',
      'a:\n- 1\n- 2\n',
      'a:\n  - 1\n  - 2\n',
      'a:\n- 1\n- 2\n- b: 3\n  # c\n  c: 4\n',
      'a:\n  - 1\n  - 2\n  - b: 3\n    # c\n    c: 4\n',
    ],
    [
      'a last line without an end',
      'a: 1\nb: 1',
      'a: 1\nb: 1\nc: 1',
      'a: 2\nb: 1',
      'a: 2\nb: 1\nc: 1',
    ],
    ['an end that one side adds', 'a: 1\nb: 1', 'a: 1\nb: 1\n', 'a: 2\nb: 1', 'a: 2\nb: 1\n'],
    [
      'CRLF',
      'a: 1\r\nb: |\r\n  x\r\nc: 1\r\n',
      'a: 2\r\nb: |\r\n  x\r\nc: 1\r\n',
      'a: 1\r\nb: |\r\n  x\r\n  y\r\nc: 1\r\n',
      'a: 2\r\nb: |\r\n  x\r\n  y\r\nc: 1\r\n',
    ],
    ['CRLF on one side', 'a: 1\nb: 1\n', 'a: 1\r\nb: 1\r\n', 'a: 2\nb: 1\n', 'a: 2\r\nb: 1\r\n'],
    [
      'a byte order mark',
      '\uFEFFa: 1\nb: 1\n',
      '\uFEFFa: 2\nb: 1\n',
      'a: 1\nb: 2\n',
      'a: 2\nb: 2\n',
    ],
    [
      'a marker of a document',
      'a: 1\nb: 1\n',
      '---\na: 1\nb: 1\n',
      'a: 1\nb: 2\n',
      '---\na: 1\nb: 2\n',
    ],
    [
      'a header',
      '# all\n\na: 1\n',
      '# all\n\nb: 1\na: 1\n',
      '# all\n\nc: 1\na: 1\n',
      '# all\n\nb: 1\nc: 1\na: 1\n',
    ],
    [
      'a header right above the first key',
      '# all\na: 1\n',
      '# all\nb: 1\na: 1\n',
      '# all\nc: 1\na: 1\n',
      '# all\nb: 1\nc: 1\na: 1\n',
    ],
    [
      'a comment behind a key without a value',
      'a: # x\nb: 1\n',
      'a: # x\nb: 2\n',
      'a: 3 # x\nb: 1\n',
      'a: 3 # x\nb: 2\n',
    ],
    [
      'folded and literal',
      'a: >\n  x\n  y\nb: 1\n',
      'a: |\n  x y\nb: 1\n',
      'a: >\n  x\n  y\nb: 2\n',
      'a: |\n  x y\nb: 2\n',
    ],
    [
      'explicit keys',
      '? a\n: 1\n? b\n: 1\n',
      '? a\n: 2\n? b\n: 1\n',
      '? a\n: 1\n? b\n: 2\n',
      '? a\n: 2\n? b\n: 2\n',
    ],
    [
      'tags',
      'a: !x 1\nb: !y {c: 1, d: 1}\n',
      'a: !x 2\nb: !y {c: 2, d: 1}\n',
      'a: !x 1\nb: !y {c: 1, d: 2}\n',
      'a: !x 2\nb: !y {c: 2, d: 2}\n',
    ],
    ['nothing at the base', undefined, 'a: 1\n', 'b: 1\n', 'a: 1\nb: 1\n'],
    ['comments alone at the base', '# x\n', '# x\na: 1\n', '# x\nb: 1\n', '# x\na: 1\nb: 1\n'],
    ['scalars of a stream', '--- a\n--- b\n', '--- c\n--- b\n', '--- a\n--- d\n', '--- c\n--- d\n'],
    [
      'a long string',
      `a: ${'x'.repeat(100_000)}\nb: 1\n`,
      'a: short\nb: 1\n',
      `a: ${'x'.repeat(100_000)}\nb: 2\n`,
      'a: short\nb: 2\n',
    ],
    [
      'numbers past 2^53',
      'a: 9007199254740993\nb: 1\n',
      'a: 9007199254740995\nb: 1\n',
      'a: 9007199254740993\nb: 1e400\n',
      'a: 9007199254740995\nb: 1e400\n',
    ],
    [
      'a key called __proto__',
      '__proto__: 1\nb: 1\n',
      '__proto__: {x: 1}\nb: 1\n',
      '__proto__: 1\nb: 2\n',
      '__proto__: {x: 1}\nb: 2\n',
    ],
  ])('merge: %s', (...[, base, ours, theirs, merged]) => {
    expect(merge(base, ours, theirs)).toBe(merged)
  })

  it.each([
    ['one number, written in two ways', 'a: 1\n', 'a: 012\n', 'a: 10\n', 'a'],
    ['a string that some schema takes for a boolean', 'a: x\n', 'a: no\n', 'a: "no"\n', 'a'],
    ['tags', 'a: 1\n', 'a: !x 1\n', 'a: !y 1\n', 'a'],
    ['an anchor', 'a: &x {c: 1}\nb: *x\n', 'a: &y {c: 1}\nb: *y\n', 'a: &z {c: 1}\nb: *z\n', 'a'],
    ['block and flow', 'a:\n  b: 1\n', 'a: {b: 2}\n', 'a:\n  b: 3\n', 'a'],
    ['lines of a block scalar', 'a: |\n  x\n  y\n', 'a: |\n  z\n  y\n', 'a: |\n  x\n  z\n', 'a'],
    [
      'an alias',
      'a: &x 1\nb: &y 2\nc: *x\n',
      'a: &x 1\nb: &y 2\nc: *y\n',
      'a: &x 1\nb: &y 2\nc: 3\n',
      'c',
    ],
  ])('conflict: %s', (...[, base, ours, theirs, at]) => {
    const { keys } = mergeLawfully(driver, { base, ours, theirs })
    expect(keys[0]?.key.join('/')).toBe(at)
  })
})

describe('what cannot be merged by key', () => {
  it.each([
    [
      'a key twice',
      'a: 1\na: 2\n',
      'theirs, read as YAML: the key "a" is there twice (line 2, column 1)',
    ],
    ['a key twice, once in quotes', 'a: 1\n"a": 2\n', 'the key "a" is there twice'],
    ['a number twice, once in hexadecimal', '17: a\n0x11: b\n', 'the key "0x11" is there twice'],
    ['a number and a string as keys', '1: a\n"1": b\n', 'the key "1" is there twice'],
    ['a tab', 'a:\n\tb: 1\n', 'theirs, read as YAML'],
    ['a bracket that does not close', 'a: [1, 2\n', 'theirs, read as YAML'],
    ['a map as a key', '? {a: 1}\n: 2\n', 'a key that is no scalar (line 1, column 3)'],
    ['an anchor on a key', '&x a: 1\n', 'a key with an anchor or a tag'],
    ['an anchor twice', 'a: &x 1\nb: &x 2\n', 'the anchor "&x" is there twice'],
    ['an alias without an anchor', 'a: *x\n', 'the alias "*x" has no anchor in front of it'],
    ['an alias in its own anchor', 'a: &x [*x]\n', 'the alias "*x" has no anchor in front of it'],
    ['a pair in a list', 'a: [b: 1]\n', 'a pair without braces in a list'],
    ['a directive', '%YAML 1.1\n---\na: 1\n', 'a directive (line 1, column 1)'],
    ['a deep list', '['.repeat(100_000), 'too many levels'],
    ['a deep list of dashes', `${'- '.repeat(100_000)}a`, 'too many levels'],
    [
      'levels that the library reads',
      `${'['.repeat(300)}${']'.repeat(300)}`,
      'more than 200 levels',
    ],
  ])('gives a reason: %s', (_, theirs, reason) => {
    expect(mergeLawfully(driver, { base: 'a: 0\n', ours: 'a: 3\n', theirs }).reason).toContain(
      reason,
    )
  })

  it('does not expand aliases of aliases', () => {
    const bomb = `a0: &a0 x\n${Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i}, `.repeat(9)}]\n`).join('')}`
    const ours = edit(bomb, ['&a0 x', '&a0 y'])
    expect(merge(bomb, ours, `${bomb}z: 1\n`)).toBe(`${ours}z: 1\n`)
  })
})
