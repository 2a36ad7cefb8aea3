import { equal, text, utf8 } from '@datakit/git/bytes'
import { MalformedError, UnsupportedError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import { expect, it } from 'vitest'
import { packId } from './keys.ts'
import { decodeRoot, encodeRoot, NO_ROOT, versionOf, type Root } from './root.ts'

const oid = 'a'.repeat(40) as Oid
const other = 'b'.repeat(40) as Oid
const repository = '0123456789abcdef'.repeat(2)
const id = (digit: string) => digit.repeat(32)
const noLedger = async () => utf8('')

const root: Root = {
  repository,
  epoch: 7,
  head: { ref: 'refs/heads/main' },
  refs: {
    table: { id: id('1'), size: 100, index: 90, rows: 3, at: 5 },
    changed: new Map([
      ['refs/heads/main', { oid, peeled: undefined }],
      ['refs/tags/v1', { oid, peeled: other }],
      ['refs/heads/gone', undefined],
      ['refs/heads/\uDCFF', { oid, peeled: undefined }],
    ]),
  },
  packs: [
    {
      id: packId(repository, id('2')),
      size: 10,
      indexSize: 20,
      objects: 1,
      verified: true,
      needs: [],
    },
    {
      id: packId(id('9'), id('3')),
      size: 11,
      indexSize: 21,
      objects: 2,
      verified: false,
      needs: [packId(repository, id('2'))],
    },
  ],
  condemned: [{ key: `p/${repository}/${id('4')}`, at: 6 }],
  earlier: { id: id('5'), newest: 4 },
  ledger: undefined,
  catalogs: [
    { key: `p/${repository}/${id('2')}`, start: 0, size: 9, covers: [packId(repository, id('2'))] },
  ],
  shallow: new Set([oid]),
  promised: { table: undefined, added: new Map([[other, 'origin']]) },
  log: {
    older: id('6'),
    lines: [
      {
        ref: 'HEAD',
        from: undefined,
        to: oid,
        who: 'Ada <ada@example.org>',
        at: 1,
        why: 'ü',
        external: false,
      },
    ],
  },
  receipts: {
    tables: [],
    tail: [
      { id: id('7'), digest: id('8'), at: 2, outcome: 'done', version: versionOf(repository, 7) },
    ],
  },
}

it('reads what it wrote', async () => {
  expect(await decodeRoot(encodeRoot(root), noLedger)).toEqual(root)
})

it('never writes the same bytes twice, so an etag never comes back', () => {
  expect(equal(encodeRoot(root), encodeRoot(root))).toBe(false)
})

it('begins empty', async () => {
  const first = { ...NO_ROOT, repository, epoch: 1 }
  expect(await decodeRoot(encodeRoot(first), noLedger)).toEqual(first)
})

it('refuses a root of a later format by its number', async () => {
  const later = utf8(text(encodeRoot(root)).replace('"format":1', '"format":2'))
  await expect(decodeRoot(later, noLedger)).rejects.toThrow(UnsupportedError)
})

it('refuses a root that was cut short at every length', async () => {
  const bytes = encodeRoot(root)
  for (let end = 0; end < bytes.length; end++) {
    await expect(decodeRoot(bytes.subarray(0, end), noLedger)).rejects.toThrow(MalformedError)
  }
})

it('refuses values of the wrong kind in every place', async () => {
  const whole = text(encodeRoot(root))
  let tried = 0
  // Every number and every text of a list, one after the other, becomes an object.
  for (const match of whole.matchAll(/(?<=[:[,])(\d+|"[^"]*")(?=[,\]}])/g)) {
    const garbled = `${whole.slice(0, match.index)}{}${whole.slice(match.index + match[0].length)}`
    const answer = await decodeRoot(utf8(garbled), noLedger).catch((error: unknown) => error)
    if (!(answer instanceof MalformedError)) {
      // Flags and the nonce mean nothing else than they say, so anything else reads as "not".
      expect(answer).toMatchObject({ repository })
    }
    tried++
  }
  expect(tried).toBeGreaterThan(40)
})
