import { appendFileSync, mkdirSync, rmSync } from 'node:fs'

import { utf8 } from '@datakit/git/bytes'
import { expect, it } from 'vitest'

import { git, temporaryDirectory } from '../../test/git-sample.ts'
import { decodeAlternates, ObjectDirectories } from './object-directories.ts'

it('reads paths, quoted ones as git does, and passes over comments', () => {
  const lines = [
    '/a',
    '# no',
    '',
    '../b c',
    String.raw`"/d \"e\"\t\303\251\\"`,
    '"/open',
    '"/odd\\x"',
  ]
  expect(decodeAlternates(utf8(lines.join('\n')))).toEqual([
    '/a',
    '../b c',
    '/d "e"\té\\',
    '"/open',
    '"/odd\\x"',
  ])
})

it('borrows from where git does', () => {
  const root = temporaryDirectory()
  try {
    const lender = `${root}/a "lender"\té`
    mkdirSync(lender)
    git(lender, 'init', '-q', '--bare')
    const blob = git(lender, 'hash-object', '-w', '/dev/null')
    git(root, 'init', '-q', '--bare', 'borrower')
    const directory = `${root}/borrower`
    const quoted = String.raw`a \"lender\"\t\303\251`
    appendFileSync(`${directory}/objects/info/alternates`, `"${root}/${quoted}/objects"\n`)
    expect(git(directory, 'cat-file', '-t', blob)).toBe('blob')
    expect(new ObjectDirectories(directory).list()).toEqual([
      `${directory}/objects`,
      `${lender}/objects`,
    ])
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
