import { constants, crc32 as zlibCrc, deflateSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'

import { cases, random } from '../../test/seed.ts'
import { inflateZlib } from '../inflate.ts'
import { openKernel, type Kernel } from './kernel.ts'

const { Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE, Z_DEFAULT_STRATEGY } = constants

let kernel: Kernel
beforeAll(async () => {
  cases(1)
  kernel = await openKernel()
})

/** Bytes that compress more or less well. */
function sample(size: number, next: () => number): Uint8Array {
  const letters = 1 + Math.floor(next() * 255)
  const body = new Uint8Array(size)
  for (let i = 0; i < size; i++) {
    const far = 1 + Math.floor(next() * Math.min(i, 40_000))
    body[i] = i > 0 && next() < 0.7 ? (body[i - far] ?? 0) : Math.floor(next() * letters)
  }
  return body
}

function stream(body: Uint8Array, next: () => number): Uint8Array {
  const strategies = [Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE, Z_DEFAULT_STRATEGY, Z_DEFAULT_STRATEGY]
  const strategy = strategies[Math.floor(next() * strategies.length)] ?? Z_DEFAULT_STRATEGY
  return new Uint8Array(deflateSync(body, { strategy, level: Math.floor(next() * 10) }))
}

/** What our own inflate makes of it; `undefined` when it finds it damaged. */
function expected(bytes: Uint8Array, size: number): Uint8Array | undefined {
  try {
    return inflateZlib(bytes, { start: 0, end: bytes.length, size })?.body
  } catch {
    return undefined
  }
}

describe('the kernel', () => {
  it('inflates what zlib made, of any kind', () => {
    const next = random()
    for (let i = 0; i < 400; i++) {
      const body = sample(i % 20 === 0 ? 100_000 : Math.floor(next() * 3000), next)
      expect(kernel.inflate(stream(body, next), body.length)).toEqual(body)
    }
  })

  it('finds damaged what inflate finds damaged', () => {
    const next = random()
    let damaged = 0
    for (let i = 0; i < 4000; i++) {
      const body = sample(1 + Math.floor(next() * 300), next)
      const bytes = stream(body, next)
      const at = Math.floor(next() * bytes.length)
      const spoilt = next() < 0.2 ? bytes.subarray(0, at) : bytes
      if (spoilt === bytes) bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(next() * 8))
      const size = body.length + (next() < 0.1 ? 1 : 0)
      const found = kernel.inflate(spoilt, size)
      expect(found).toEqual(expected(spoilt, size))
      if (found === undefined) damaged++
    }
    expect(damaged).toBeGreaterThan(3900)
  })

  it('makes the checksums of zlib, of any part of what is there', () => {
    const next = random()
    for (const size of [0, 1, 3, 4, 5, 63, 5000, 2_500_000]) {
      const bytes = sample(size, next)
      const start = Math.floor(next() * size)
      const end = start + Math.floor(next() * (size - start))
      const before = zlibCrc(bytes.subarray(0, start))
      expect(kernel.crc32(bytes, 0, 0, size)).toBe(zlibCrc(bytes))
      expect(kernel.crc32(bytes, before, start, end)).toBe(zlibCrc(bytes.subarray(0, end)))
    }
  })
})
