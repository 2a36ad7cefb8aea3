import { afterAll, beforeAll, expect, it } from 'vitest'

import { RealRepository } from '../test/real-git.ts'
import { random, seed } from '../test/seed.ts'
import { wildmatch } from './wildmatch.ts'

const PATTERNS = 400
const pick = random()
let git: RealRepository
beforeAll(() => {
  git = new RealRepository()
})
afterAll(() => git.remove())

function choose<T>(list: readonly T[]): T {
  const item = list[Math.floor(pick() * list.length)]
  if (item === undefined) throw new RangeError('Nothing to choose from')
  return item
}

function join(parts: readonly string[], most: number): string {
  return Array.from({ length: 1 + Math.floor(pick() * most) }, () => choose(parts)).join('')
}

const LETTERS = ['a', 'b', 'c', 'B', '1', '-', ']', 'é', '!', '/', '/']
const PIECES = [
  ...['a', 'b', '/', '/', '?', '*', '*', '**', '**/', '/**', '/**/', '***', '\\a', '\\/', 'é', '-'],
  ...[
    '[ab]',
    '[!a]',
    '[^b/]',
    '[a-c]',
    '[]a]',
    '[!]]',
    '[a-]',
    '[\\]]',
    '[a-\\c]',
    '[--1]',
    '[z-a]',
  ],
  ...[
    '[[:alpha:]]',
    '[![:digit:]]',
    '[[:upper:]a]',
    '[[:punct:]]',
    '[[:print:]-z]',
    '[[:]',
    '[[:a]',
  ],
  ...['[[:none:]]', '[', '[a', '[]', '\\'],
]

/** Names of which none is a directory of another. */
function names(allowed: (name: string) => boolean): string[] {
  const found: string[] = []
  while (found.length < 80) {
    const name = join(LETTERS, 6)
    if (name.split('/').includes('') || !allowed(name)) continue
    if (found.some((other) => other === name || collide(other, name))) continue
    found.push(name)
  }
  return found
}

function collide(a: string, b: string): boolean {
  return a.startsWith(`${b}/`) || b.startsWith(`${a}/`)
}

// Seen to fail when: a star crosses slashes of a path; `**/` needs a directory; the first bracket ends a set.
it(`matches names as git branch --list does, for ${PATTERNS} patterns`, () => {
  console.log(`SEED=${seed}`)
  const branches = names((name) => !name.startsWith('-'))
  const empty = git.run(['commit-tree', git.run(['mktree']), '-m', 'Empty'])
  git.run(
    ['update-ref', '--stdin'],
    branches.map((b) => `create refs/heads/${b} ${empty}\n`).join(''),
  )
  for (let i = 0; i < PATTERNS; i++) {
    const pattern = join(PIECES, 5)
    const listed = git.run(['branch', '--list', '--format=%(refname:lstrip=2)', '--', pattern])
    const matches = wildmatch(pattern, { isPath: false })
    expect(branches.filter(matches).sort(), `seed ${seed}: ${pattern}`).toEqual(
      listed.split('\n').filter(Boolean).sort(),
    )
  }
})

it(`matches paths as a pathspec :(glob) does, for ${PATTERNS} patterns`, () => {
  const paths = names(() => true)
  const blob = git.run(['hash-object', '-w', '--stdin'])
  const env = paths.map((path) => `100644 ${blob}\t${path}\0`).join('')
  git.run(['update-index', '-z', '--index-info'], env)
  const tree = git.run(['write-tree'])
  const nothing = git.run(['mktree'])
  for (let i = 0; i < PATTERNS; i++) {
    const pattern = join(PIECES, 5)
    // Without anything special, a pathspec names a directory as well. One that ends with a slash or begins with one is
    // no pattern of paths, two slashes are one, and what stars in the middle of a step match depends on where Git 2.39
    // happens to have the pattern in its memory.
    if (!/[*?[\\]/.test(pattern) || /^\/|\/$|\/\/|[^/*]\*\*/.test(pattern)) continue
    const args = ['diff-tree', '-r', '-z', '--name-only', nothing, tree, '--', `:(glob)${pattern}`]
    const matches = wildmatch(pattern, { isPath: true })
    expect(paths.filter(matches).sort(), `seed ${seed}: ${pattern}`).toEqual(
      git.run(args).split('\0').filter(Boolean).sort(),
    )
  }
})

it('takes no exponential time', () => {
  const text = `${'a'.repeat(2000)}c`
  expect(wildmatch('*a*a*a*a*a*a*a*b', { isPath: true })(text)).toBe(false)
})
