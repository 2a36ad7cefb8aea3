import { expect, it } from 'vitest'

import { parseOid } from '../oid.ts'
import { distinctRows } from './distinct-rows.ts'
import { packRow, PackTable } from './pack-table.ts'

const [A, B, C] = ['a', 'b', 'c'].map((digit) => parseOid(digit.repeat(40)))

/** A table of objects with their bases, each at the offset of its place. */
function tableOf(rows: readonly (readonly [typeof A, typeof A])[]): PackTable {
  const table = new PackTable()
  for (const [i, [oid = parseOid(''), base]] of rows.entries()) {
    const type = 'blob' as const
    table.addRaw(
      packRow({ oid, offset: i, length: 1, crc: 0, type, size: 1, base, links: undefined }),
    )
  }
  return table
}

function offsetsOf(table: PackTable): number[] {
  return Array.from({ length: table.count }, (_, row) => table.offset(row))
}

it('is the table itself where nothing is there twice', () => {
  const table = tableOf([
    [A, undefined],
    [B, A],
  ])
  expect(distinctRows(table)).toBe(table)
})

it('takes the first of equal copies', () => {
  const table = tableOf([
    [A, undefined],
    [B, A],
    [A, undefined],
    [B, A],
  ])
  expect(offsetsOf(distinctRows(table))).toEqual([0, 1])
  expect(() => table.order()).toThrow('twice')
  expect(distinctRows(table).order().count).toBe(2)
})

it('takes no copies that are made of each other', () => {
  // A is made of B and B of A, and there is a whole A behind both.
  const table = tableOf([
    [B, A],
    [A, B],
    [C, B],
    [A, undefined],
  ])
  expect(offsetsOf(distinctRows(table))).toEqual([0, 2, 3])
})

it('takes a base outside of the pack for one that is there', () => {
  const table = tableOf([
    [B, C],
    [B, C],
  ])
  expect(offsetsOf(distinctRows(table))).toEqual([0])
})
