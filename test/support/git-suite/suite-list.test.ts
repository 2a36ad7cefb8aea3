import { expect, it } from 'vitest'
import { stepOf } from './apache-rules.ts'
import { testsIn } from './run-script.ts'
import { formatSuiteList, parseSuiteList, recordOf, type RunRecord } from './suite-list.ts'

const empty = `Words
<!-- counts -->
<!-- end of counts -->
More words
<!-- failures -->
<!-- end of failures -->
`

const runs: RunRecord[] = [
  { script: 't1-a', protocol: '0', passed: 3, failed: ['one: (two)', 'last'] },
  { script: 't1-a', protocol: '2', passed: 4, failed: ['last'] },
  { script: 't2-b', protocol: '1', passed: 1, failed: [] },
]

it('writes a list that it reads back', () => {
  const written = formatSuiteList(empty, runs)
  expect(written).toContain('| t1-a | 3 of 5 |  | 4 of 5 |')
  expect(written).toContain('- t1-a: `last` (0, 2): ?')
  const read = parseSuiteList(written)
  expect(read.runs.map((run) => ({ ...run, failed: new Set(run.failed) }))).toEqual(
    runs.map((run) => ({ ...run, failed: new Set(run.failed) })),
  )
  expect(formatSuiteList(written, runs)).toBe(written)
})

it('keeps the reasons of what still does not pass', () => {
  const reasoned = formatSuiteList(empty, runs).replace(
    '`last` (0, 2): ?',
    '`last` (0, 2): because',
  )
  expect(formatSuiteList(reasoned, runs.slice(0, 1))).toContain('`last` (0): because')
})

it('reads what a script of Git says of its tests', () => {
  const output = `expecting success of 1
ok 1 - first
not ok 2 - second # it says
not ok 3 - third # TODO known breakage
ok 4 # skip fourth (missing X of Y)
ok 5 # skip fifth (--run)
#	echo ok 6 - no test
1..5`
  const tests = testsIn(output)
  expect(tests.map(({ number, outcome }) => `${number} ${outcome}`)).toEqual([
    '1 passed',
    '2 failed',
    '3 known',
    '4 skipped',
  ])
  const run = { script: 't1-a', protocol: '2', server: 'ours' } as const
  expect(recordOf(run, tests)).toEqual({
    script: 't1-a',
    protocol: '2',
    passed: 1,
    failed: ['second # it says'],
  })
})

it.each([
  ['/smart/a.git/info/refs', { kind: 'git', path: '/a.git/info/refs', variant: 'plain' }],
  ['/smart_v0/a.git/HEAD', { kind: 'git', path: '/a.git/HEAD', variant: 'protocol-0' }],
  ['/auth/smart/a.git/info/refs', { kind: 'password' }],
  ['/smart_headers/a.git/info/refs', { kind: 'status', status: 403 }],
  ['/error/text/a.git', { kind: 'script', script: 'error.sh', pathInfo: '/text/a.git' }],
  ['/dumb/a.git/HEAD', { kind: 'file', path: '/a.git/HEAD' }],
  ['/redir-to/502/a', { kind: 'redirect', status: 302, to: '/really-redir-to?path=502/a&qs=q=1' }],
])('answers %s as Apache would', (path, step) => {
  expect(stepOf({ path, query: 'q=1', authorization: undefined, magic: '' })).toEqual(step)
})
