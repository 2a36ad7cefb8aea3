import { MalformedError } from '@datakit/git/error'
import type { PackInfo } from '@datakit/git/place'
import { expect, it } from 'vitest'
import { decodeCatalogs, encodeCatalogs, nextCatalogs, type CatalogRow } from './catalogs.ts'
import { Fields } from './fields.ts'

const fields = new Fields('a root')

function packs(...ids: string[]): PackInfo[] {
  const rest = { size: 1, indexSize: 1, objects: 1, needs: [], verified: true }
  return ids.map((id) => ({ id, ...rest }))
}

function catalog(...covers: string[]): CatalogRow {
  return { key: `p/${covers.at(-1)}`, start: 1, size: 2, covers }
}

const live = packs('a', 'b', 'c', 'd', 'e')

it('writes packs in a row as the first and the last, and reads all of them', () => {
  const rows = [catalog('a', 'b', 'c', 'e'), catalog('d')]
  const encoded = encodeCatalogs(rows, live)
  expect(JSON.stringify(encoded)).toBe('[["p/e",1,2,[[0,2],4]],["p/d",1,2,[3]]]')
  expect(decodeCatalogs(fields, encoded, live)).toEqual(rows)
})

it('reads rows that name each pack by itself', () => {
  expect(decodeCatalogs(fields, [['p/c', 1, 2, [0, 1, 2]]], live)).toEqual([
    { ...catalog('a', 'b', 'c') },
  ])
})

it('writes no catalog of a pack that is not listed', () => {
  expect(encodeCatalogs([catalog('a', 'gone'), catalog('b')], live)).toEqual([['p/b', 1, 2, [1]]])
})

it.each([[[5]], [[[1, 5]]], [[[2, 1]]], [[[0]]], [[-1]], [['a']], [{}], [[[0, 1e15]]]])(
  'refuses packs that are not listed: %j',
  (covers) => {
    expect(() => decodeCatalogs(fields, [['p/x', 1, 2, covers]], live)).toThrow(MalformedError)
  },
)

it('takes a tail instead of the catalogs that it includes', () => {
  const next = nextCatalogs([catalog('a'), catalog('b', 'c')], [catalog('b', 'c', 'd')], live)
  expect(next).toEqual([catalog('a'), catalog('b', 'c', 'd')])
})

it('takes of tails that were made of the same root the first one only', () => {
  const tails = [catalog('a', 'b', 'c'), catalog('a', 'b', 'd'), catalog('e')]
  expect(nextCatalogs([catalog('a', 'b')], tails, live)).toEqual([
    catalog('a', 'b', 'c'),
    catalog('e'),
  ])
})

it('drops a catalog of a pack that is not live', () => {
  expect(nextCatalogs([catalog('a', 'gone'), catalog('b')], [catalog('c', 'gone')], live)).toEqual([
    catalog('b'),
  ])
})
