import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join as joinPath } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { RealRepository } from '../test/real-git.ts'
import { random, seed } from '../test/seed.ts'
import {
  attributesOf,
  parseAttributes,
  type AttributeRule,
  type AttributeValue,
} from './attributes.ts'
import { utf8 } from './bytes.ts'

const pick = random()
let git: RealRepository
let workTree: string
beforeAll(() => {
  git = new RealRepository()
  workTree = mkdtempSync(joinPath(tmpdir(), 'attributes-'))
})
afterAll(() => {
  git.remove()
  rmSync(workTree, { recursive: true })
})

function choose<T>(list: readonly T[]): T {
  const item = list[Math.floor(pick() * list.length)]
  if (item === undefined) throw new RangeError('Nothing to choose from')
  return item
}

function join(parts: readonly string[], most: number, between = ''): string {
  return Array.from({ length: 1 + Math.floor(pick() * most) }, () => choose(parts)).join(between)
}

const DIRECTORIES = ['', 'a', 'a/b', 'a/b/c', 'b']
const NAMES = ['a', 'b', 'x', 'a.b', 'x y', '"q"', '#h', '!n', 'é', 'ab', '[x]', '\\', '-m']
const PATHS = DIRECTORIES.flatMap((directory) =>
  NAMES.map((name) => (directory === '' ? name : `${directory}/${name}`)),
)

const PIECES = [
  'a',
  'b',
  'x',
  'x',
  '/',
  '/',
  '*',
  '*',
  '?',
  '[ab]',
  '[!a]',
  '.',
  '\\',
  '**/',
  '/**',
  'é',
  '[[]',
]
const PATTERNS = [
  '*',
  '*',
  '*.b',
  '/a',
  'a/*',
  'a/',
  '!a',
  '\\!n',
  '\\#h',
  '#h',
  '"x y"',
  '"\\"q\\""',
]
const ODD = [
  '"\\303\\251"',
  '"\\x"',
  '"a',
  '"a"b',
  '"[attr]q"',
  '[attr]',
  '"\\t"',
  '/*/b',
  '**/x',
  'b/**',
]
const STATES = [
  'merge',
  '-merge',
  '!merge',
  'merge=one',
  'merge=',
  'm',
  '-m',
  '!m',
  'm=two',
  'binary',
]
const MORE = [
  '-binary',
  '!binary',
  'n',
  '-n',
  'n=x=y',
  'm=two',
  '=',
  '--m',
  'é',
  'm.n',
  'binary=no',
]

function randomLine(): string {
  const kind = pick()
  const states = join([...STATES, ...STATES, ...MORE], 3, choose([' ', '\t', '  ']))
  if (kind < 0.15) return `[attr]${choose(['m', 'n', 'binary', 'm', '-x', ' m'])} ${states}`
  if (kind < 0.2)
    return choose(['', '# merge', ' \t', `* m ${'x'.repeat(2043)}`, `* m ${'x'.repeat(2044)}`])
  const pattern = kind < 0.6 ? join(PIECES, 4) : choose([...PATTERNS, ...ODD])
  // What stars in the middle of a step match depends on where Git 2.39 happens to have the pattern in its memory.
  if (/[^/*]\*\*/.test(pattern)) return randomLine()
  return (
    choose(['', '', '', ' ']) +
    pattern +
    choose([' ', '\t', '  ']) +
    states +
    choose(['', '', ' ', '\r'])
  )
}

const ROUNDS = 150

// Seen to fail when: the first line counts; a line is too long; an unset macro is expanded; `!` leaves what
// another line says; a pattern with a slash is one of names.
it(`says of ${PATHS.length} paths what git check-attr does, in ${ROUNDS} random sets of files`, () => {
  console.log(`SEED=${seed}`)
  const input = `${PATHS.join('\0')}\0`
  const [having, without] = [new Set<string>(), new Set<string>()]
  for (let round = 0; round < ROUNDS; round++) {
    const files = new Map<string, AttributeRule[]>()
    for (const directory of DIRECTORIES) {
      const body = join([0, 1, 2, 3, 4, 5].map(randomLine), 6, '\n') + choose(['', '\n'])
      const path = joinPath(workTree, directory, '.gitattributes')
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, body)
      files.set(directory, parseAttributes(utf8(body), directory))
    }
    const found: string[] = []
    for (const path of PATHS) {
      const steps = path.split('/').slice(0, -1)
      const way = ['', ...steps.map((_, i) => steps.slice(0, i + 1).join('/'))]
      const rules = way.map((directory) => files.get(directory) ?? [])
      const values = attributesOf(path, rules)
      for (const name of ['merge', 'm', 'n', 'binary']) {
        const value = values.get(name)
        found.push(`${path}\0${name}\0${say(value)}`)
        const seen = value === undefined ? without : having
        seen.add(path)
      }
    }
    const where = ['-C', workTree, `--git-dir=${git.folder}`, '--work-tree=.']
    const args = [...where, 'check-attr', '--stdin', '-z', 'merge', 'm', 'n', 'binary']
    const expected = git.run(args, input).split('\0')
    const triples = Array.from({ length: found.length }, (_, i) =>
      expected.slice(3 * i, 3 * i + 3).join('\0'),
    )
    expect(found, `round ${round} of seed ${seed}`).toEqual(triples)
  }
  expect(Math.min(having.size, without.size)).toBe(PATHS.length)
})

function say(value: AttributeValue | undefined): string {
  if (value === undefined) return 'unspecified'
  return value === true ? 'set' : value === false ? 'unset' : value
}
