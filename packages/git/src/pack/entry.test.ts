import fc from 'fast-check'
import { expect, it } from 'vitest'

import { cases } from '../../test/seed.ts'
import { concat } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import { EMPTY_TREE } from '../oid.ts'
import { encodeEntryHeader, encodeOfsHeader, encodeRefHeader, readEntryHeader } from './entry.ts'

it.each([
  ['blob', 0, [0x30]],
  ['blob', 15, [0x3f]],
  ['commit', 16, [0x90, 0x01]],
  ['tag', 300, [0xcc, 0x12]],
] as const)('writes a %s of %i bytes as git does', (type, size, bytes) => {
  expect([...encodeEntryHeader(type, size)]).toEqual(bytes)
})

it.each([
  [1, [0x60, 1]],
  [127, [0x60, 127]],
  [128, [0x60, 0x80, 0]],
  [16_511, [0x60, 0xff, 0x7f]],
  [16_512, [0x60, 0x80, 0x80, 0]],
])('writes a distance of %i as git does', (distance, bytes) => {
  expect([...encodeOfsHeader(0, distance)]).toEqual(bytes)
})

const size = fc.oneof(
  fc.nat(200),
  fc.nat(),
  fc.maxSafeInteger().map((n) => Math.abs(n) % 2 ** 46),
)

// Seen to catch: a distance whose bytes are not counted down by one.
it('reads what it wrote, wherever it begins', () => {
  fc.assert(
    fc.property(size, size, fc.nat(5), (length, distance, shift) => {
      const before = new Uint8Array(shift)
      const ofs = encodeOfsHeader(length, distance)
      const read = readEntryHeader(concat([before, ofs, Uint8Array.of(0x78)]), shift)
      expect(read).toEqual({
        type: undefined,
        size: length,
        length: ofs.length,
        distance,
        base: undefined,
      })
      const blob = encodeEntryHeader('blob', length)
      expect(readEntryHeader(concat([before, blob]), shift)).toMatchObject({
        type: 'blob',
        size: length,
      })
      const ref = readEntryHeader(encodeRefHeader(length, EMPTY_TREE), 0)
      expect(ref).toMatchObject({
        type: undefined,
        size: length,
        base: EMPTY_TREE,
        distance: undefined,
      })
    }),
    cases(500),
  )
})

it.each([
  ['a type', encodeEntryHeader('tree', 1_000_000)],
  ['a distance', encodeOfsHeader(1_000_000, 1_000_000)],
  ['a name', encodeRefHeader(1_000_000, EMPTY_TREE)],
])('asks for more when a header with %s is cut short, at every length', (_, header) => {
  for (let length = 0; length < header.length; length++) {
    expect(readEntryHeader(header.subarray(0, length), 0)).toBeUndefined()
  }
})

it.each([
  ['type 0', [0x00]],
  ['type 5', [0x50]],
  ['a size without end', Array.from({ length: 20 }, () => 0xff)],
  ['a distance without end', [0x60, ...Array.from({ length: 20 }, () => 0xff)]],
])('refuses %s', (_, bytes) => {
  expect(() => readEntryHeader(Uint8Array.from(bytes), 0)).toThrow(MalformedError)
})
