import { expect, it } from 'vitest'
import { problemOfName } from '@datakit/git/path'
import { isPlainName } from './path.ts'

const LETTERS = ['a', 'G', '1', '.', '-', '_', '~', ' ', ':', '\\', '/', '\0', '\u200c', 'é', '']

// Seen to fail when a plain name may begin with a dot.
it('takes no name for plain that Git has something against', () => {
  const names = ['.git', '.GIT', 'git~1', '.git.', '.git ', '..', '.']
  for (const a of LETTERS)
    for (const b of LETTERS) for (const c of LETTERS) names.push(a + b + c, `${a}git${b}${c}`)
  const plain = names.filter(isPlainName)
  expect(plain.filter((name) => problemOfName(name) !== undefined)).toEqual([])
  expect(plain.length).toBeGreaterThan(200)
})

it('takes usual names for plain', () => {
  for (const name of ['a', 'limits.json', 'feature_flags', 'v1.2-rc.yaml', '2024-01-01'])
    expect(isPlainName(name)).toBe(true)
})
