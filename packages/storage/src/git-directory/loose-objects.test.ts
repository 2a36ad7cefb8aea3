import { readFileSync, rmSync } from 'node:fs'
import { deflateSync, gzipSync } from 'node:zlib'

import { concat, utf8 } from '@datakit/git/bytes'
import fc from 'fast-check'
import { expect, it } from 'vitest'

import { cases } from '../../../git/test/seed.ts'
import { git, temporaryDirectory } from '../../test/git-sample.ts'
import { decodeLoose } from './loose-objects.ts'

const body = utf8(
  'the body of a blob, which is long enough to be deflated to something\n'.repeat(9),
)
const file = deflateSync(concat([utf8(`blob ${body.length}\0`), body]))

it('reads what git writes', () => {
  const directory = temporaryDirectory()
  try {
    git(directory, 'init', '-q')
    git(directory, 'commit', '-q', '--allow-empty', '-m', 'one')
    git(directory, 'tag', '-a', '-m', 'a tag', 'v1')
    for (const name of ['HEAD', 'v1', 'HEAD^{tree}']) {
      const oid = git(directory, 'rev-parse', name)
      const path = `${directory}/.git/objects/${oid.slice(0, 2)}/${oid.slice(2)}`
      const object = decodeLoose(readFileSync(path))
      expect(object?.type).toBe(git(directory, 'cat-file', '-t', oid))
      expect(String(object?.body.length)).toBe(git(directory, 'cat-file', '-s', oid))
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

it('takes one that is cut short for broken, at every length', () => {
  expect(decodeLoose(file)).toEqual({ type: 'blob', body: Buffer.from(body) })
  for (let end = 0; end < file.length; end++)
    expect(decodeLoose(file.subarray(0, end))).toBeUndefined()
})

it('takes one with any other byte for broken, or reads the same', () => {
  for (let i = 0; i < file.length; i++) {
    const spoilt = Uint8Array.from(file)
    spoilt[i] = (spoilt[i] ?? 0) ^ 0x55
    // Some bits of a deflate header mean nothing.
    const object = decodeLoose(spoilt)
    if (object !== undefined) expect(Buffer.from(object.body)).toEqual(Buffer.from(body))
  }
})

it.each([
  'blob 5\0four',
  'blob 3\0four',
  'blob -4\0four',
  'blob 4.0\0four',
  'blob 0x4\0four',
  'blob  4\0four',
  ' blob 4\0four',
  'blob 4 four',
  'thing 4\0four',
  'BLOB 4\0four',
  `blob ${'0'.repeat(40)}4\0four`,
  'blob 9007199254740993\0four',
  '\0',
  '',
])('takes %j for broken', (text) => {
  expect(decodeLoose(deflateSync(text))).toBeUndefined()
})

it('takes what is no zlib stream for broken, a gzip of an object included', () => {
  expect(decodeLoose(gzipSync('blob 4\0four'))).toBeUndefined()
  expect(decodeLoose(utf8('blob 4\0four'))).toBeUndefined()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(decodeLoose(bytes)).toBeUndefined()
    }),
    cases(500),
  )
})

it('reads the beginning of a file that goes on behind its object', () => {
  expect(decodeLoose(concat([file, utf8('behind')]))?.body.length).toBe(body.length)
})
