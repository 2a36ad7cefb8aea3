import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

import { decodeName, utf8 } from '@datakit/git/bytes'
import { EMPTY_TREE, parseOid } from '@datakit/git/oid'
import { compareNames, isRefName } from '@datakit/git/ref-name'
import fc from 'fast-check'
import { expect, it } from 'vitest'

import { cases } from '../../../git/test/seed.ts'
import { git, stockRefs, temporaryDirectory } from '../../test/git-sample.ts'
import { decodePackedRefs, encodePackedRefs } from './packed-refs.ts'

const ONE = parseOid('1'.repeat(40))
const TWO = parseOid('2'.repeat(40))

it('writes the bytes that git pack-refs writes', () => {
  const directory = temporaryDirectory()
  try {
    git(directory, 'init', '-q', '-b', 'main')
    git(directory, 'commit', '-q', '--allow-empty', '-m', 'one')
    git(directory, 'tag', '-a', '-m', 'tag', 'v1')
    for (const name of ['a-b', 'a/b', 'a.b', 'é', '😀']) git(directory, 'branch', name)
    git(directory, 'pack-refs', '--all')
    const packed = readFileSync(`${directory}/.git/packed-refs`)
    const refs = decodePackedRefs(packed)
    expect(Buffer.from(encodePackedRefs(refs))).toEqual(packed)
    expect(refs.find(({ name }) => name === 'refs/tags/v1')?.peeled).toBe(
      git(directory, 'rev-parse', 'v1^{}'),
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

const step = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
const names = fc.uniqueArray(
  fc.array(step, { minLength: 1, maxLength: 3 }).map((steps) => `refs/heads/${steps.join('/')}`),
  { minLength: 1, maxLength: 12 },
)

it('writes what git reads, and the other way, whatever the names are', { timeout: 60_000 }, () => {
  const directory = temporaryDirectory()
  try {
    git(directory, 'init', '-q', '--bare', '-b', 'main')
    const commit = git(directory, 'commit-tree', '-m', 'one', EMPTY_TREE)
    fc.assert(
      fc.property(names, (all) => {
        const kept = all.filter((name) => isRefName(name))
        // Of names that are file and directory at once, Git takes one.
        const sound = kept.filter((name) => !kept.some((other) => name.startsWith(`${other}/`)))
        rmSync(`${directory}/packed-refs`, { force: true })
        const lines = sound.map((name) => `create ${name}\0${commit}\0`).join('')
        updateRefs(directory, lines)
        git(directory, 'pack-refs', '--all')
        const packed = existsSync(`${directory}/packed-refs`)
          ? readFileSync(`${directory}/packed-refs`)
          : Buffer.of()
        const refs = decodePackedRefs(packed)
        expect(refs.map(({ name }) => name)).toEqual([...sound].sort(compareNames))
        if (refs.length === 0) return
        expect(Buffer.from(encodePackedRefs(refs))).toEqual(packed)
        writeFileSync(`${directory}/packed-refs`, encodePackedRefs(refs))
        expect(stockRefs(directory)).toEqual(refs.map(({ name, oid }) => `${name} ${oid}`))
      }),
      cases(25),
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

/** Has git create refs, as `update-ref --stdin -z` takes them. */
function updateRefs(directory: string, lines: string): void {
  execFileSync('git', ['update-ref', '--stdin', '-z'], { cwd: directory, input: lines })
}

it('claims to have peeled everything only when it has', () => {
  const unknown = { name: 'refs/tags/x', oid: ONE, peeled: undefined }
  const known = { name: 'refs/tags/y', oid: ONE, peeled: TWO }
  const body = Buffer.from(encodePackedRefs([unknown, known])).toString()
  expect(body).toBe(`# pack-refs with: sorted \n${ONE} refs/tags/x\n${ONE} refs/tags/y\n^${TWO}\n`)
  expect(decodePackedRefs(utf8(body))).toEqual([unknown, known])
})

it('keeps names that are not UTF-8, in the order of their bytes', () => {
  const odd = decodeName(Uint8Array.from([...utf8('refs/heads/caf'), 0xe9]))
  const names = ['refs/heads/caf', odd, 'refs/heads/ｚ', 'refs/heads/😀']
  const refs = names.map((name) => ({ name, oid: ONE, peeled: false as const }))
  expect(decodePackedRefs(encodePackedRefs(refs)).map(({ name }) => name)).toEqual(names)
  expect(names.toReversed().sort(compareNames)).toEqual(names)
})

it('sorts a file that does not say that it is sorted', () => {
  const body = `${ONE} refs/heads/b\n${ONE} refs/heads/a\n`
  expect(decodePackedRefs(utf8(body)).map(({ name }) => name)).toEqual([
    'refs/heads/a',
    'refs/heads/b',
  ])
})

it('refuses a file that is cut short or garbage', () => {
  const body = encodePackedRefs([
    { name: 'refs/heads/a', oid: ONE, peeled: false },
    { name: 'refs/tags/v', oid: ONE, peeled: TWO },
  ])
  for (let end = 1; end < body.length; end++) {
    if (body[end - 1] === 10) continue
    expect(() => decodePackedRefs(body.subarray(0, end))).toThrow('Cannot read packed-refs')
  }
  for (const line of [
    `^${ONE}`,
    'x',
    `${ONE}`,
    `${ONE} `,
    `${ONE}  `.slice(0, 41),
    `${ONE}\trefs/heads/a`,
  ]) {
    expect(() => decodePackedRefs(utf8(`${line}\n`))).toThrow('Cannot read packed-refs')
  }
})
