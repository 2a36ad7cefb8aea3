import { crc32 as zlibCrc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { cases, random } from '../../test/seed.ts'
import { crc32 } from './crc32.ts'

it('is what zlib says, wherever the bytes lie and in how many pieces they come', () => {
  const next = random()
  const number = (limit: number) => Math.floor(next() * limit)
  const { numRuns } = cases(500)
  const memory = Uint8Array.from({ length: 1000 }, () => number(256))
  for (let i = 0; i < numRuns; i++) {
    const bytes = memory.subarray(number(8), 8 + number(900))
    const start = number(bytes.length)
    const end = start + number(bytes.length - start + 1)
    const between = start + number(end - start + 1)
    const found = crc32(bytes, crc32(bytes, 0, start, between), between, end)
    expect(found).toBe(zlibCrc32(bytes.subarray(start, end)))
  }
})
