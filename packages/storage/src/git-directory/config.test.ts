import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'

import { afterEach, beforeEach, expect, it } from 'vitest'

import { git, temporaryDirectory } from '../../test/git-sample.ts'
import { Config, parseConfig, readConfig } from './config.ts'

let directory = ''

beforeEach(() => {
  directory = `${temporaryDirectory()}`
  git(directory, 'init', '-q', '--bare')
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** What stock git reads in the repository's file, includes followed. */
function stockConfig(): [string, string][] {
  const args = ['config', '--local', '--includes', '--list', '-z']
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' }
  const listed = execFileSync('git', args, { cwd: directory, encoding: 'utf8', env })
  return listed
    .split('\0')
    .slice(0, -1)
    .map((entry) => {
      const at = entry.indexOf('\n')
      return at < 0 ? [entry, 'true'] : [entry.slice(0, at), entry.slice(at + 1)]
    })
}

function ourConfig(): [string, string][] {
  return readConfig(directory)
    .all()
    .map(({ key, value }) => [key, value ?? 'true'])
}

it.each([
  '[core]\n\tbare = true\n[receive]\n\tdenyDeletes\n',
  '[a "Sub \\"quoted\\" \\\\"]\n  Key = " spaced "  # comment\n  other=x\\ty;more\n',
  '[A.Sub]key = one two   three  \n[b] k=1 # c\n\n;comment\n#another\n',
  '[a]\n\tlong = one \\\n  two\\\n\n\tempty =\n\tquoted = ""\n',
  '[a]\r\n\tk = v\r\n',
  'k = v\n[a]\nk = v\n',
  '\ufeff[a]\nk = "a;b#c" d\n',
  '[remote "x"]\n\turl = "https://example.org/a b"\n[remote "X"]\n\turl = other\n',
])('reads what git reads: %j', (body) => {
  writeFileSync(`${directory}/config`, body)
  expect(ourConfig()).toEqual(stockConfig())
})

it('follows includes, with and without a condition', () => {
  writeFileSync(`${directory}/more`, '[a]\n\tfrom = more\n[include]\n\tpath = again\n')
  writeFileSync(`${directory}/again`, '[a]\n\tfrom = again\n')
  const lines = [
    '[a]\n\tfrom = config',
    '[include]\n\tpath = more\n\tpath = missing',
    `[includeIf "gitdir:${directory}/"]\n\tpath = again`,
    '[includeIf "gitdir:/elsewhere/"]\n\tpath = again',
  ]
  writeFileSync(`${directory}/config`, `${lines.join('\n')}\n`)
  expect(ourConfig()).toEqual(stockConfig())
})

it.each([
  '[a',
  'k v\n',
  '1k = v\n',
  '[a]\n1k = v\n',
  '[a]\nk = "v\n',
  '[a]\nk = \\q\n',
  '[a]\nk v\n',
  '[a b]\n',
  '[]\n',
])('refuses what git refuses: %j', (body) => {
  writeFileSync(`${directory}/config`, body)
  expect(() => readConfig(directory)).toThrow(/line \d/)
  expect(() => git(directory, 'config', '--local', '--list')).toThrow()
})

it('knows numbers and yes and no', () => {
  const config = new Config(
    parseConfig(
      '[a]\nyes\nno = off\nempty =\none = 1\nzero = 0\nsize = 2k\nodd = maybe\n[a "B"]\nKey = sub\n',
    ),
  )
  expect(
    ['yes', 'no', 'empty', 'one', 'zero', 'none'].map((key) => config.bool(`A.${key}`)),
  ).toEqual([true, false, false, true, false, undefined])
  expect(config.int('a.size')).toBe(2048)
  expect(config.get('A.B.KEY')).toBe('sub')
  expect(config.get('a.b.key')).toBeUndefined()
  expect(() => config.bool('a.odd')).toThrow('"maybe"')
  expect(() => config.int('a.odd')).toThrow('"maybe"')
})

it('never ends otherwise than with settings or a MalformedError', () => {
  const whole = '[core "a\\"b"]\n\tk = "v # w" \\\n more ; c\n[include]\n\tpath\n'
  for (let end = 0; end <= whole.length; end++) {
    try {
      parseConfig(whole.slice(0, end))
    } catch (error) {
      expect(error).toMatchObject({ code: 'malformed' })
    }
  }
})
