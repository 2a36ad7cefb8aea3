import { deflateSync, inflateSync } from 'node:zlib'

import fc from 'fast-check'
import { expect, it } from 'vitest'

import { cases, random } from '../test/seed.ts'
import { utf8 } from './bytes.ts'
import { codesOf, lengthsOf } from './deflate-codes.ts'
import { deflateZlib } from './deflate.ts'

function inflated(stream: Uint8Array): Uint8Array {
  return new Uint8Array(inflateSync(stream))
}

it('makes streams that zlib reads, of any bytes at any level', () => {
  // Pieces that are repeated, near and far, between bytes that are not.
  const pieces = fc.array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.nat(3000)), {
    maxLength: 30,
  })
  fc.assert(
    fc.property(pieces, fc.integer({ min: 0, max: 9 }), (parts, level) => {
      const body = Uint8Array.from(
        parts.flatMap(([piece, repeat]) =>
          Array.from({ length: repeat }, (_, i) => piece[i % piece.length] ?? 0),
        ),
      )
      expect(inflated(deflateZlib(body, level))).toEqual(body)
    }),
    cases(150),
  )
})

it.each([
  ['nothing', new Uint8Array(0)],
  ['one byte', utf8('a')],
  ['noise of several blocks', noise(200_000)],
  ['zeros of several blocks', new Uint8Array(200_000)],
  ['a block and one byte', new Uint8Array(0x10000).fill(97)],
  ['a match from the other end of the window', twice(noise(32_768))],
  ['a match that is too far', twice(noise(32_769))],
])('compresses %s', (_, body) => {
  const stream = deflateZlib(body, 6)
  expect(inflated(stream)).toEqual(body)
  expect(stream.length).toBeLessThanOrEqual(deflateSync(body).length * 1.01 + 200)
})

it('stores noise with five bytes a block', () => {
  expect(deflateZlib(noise(100_000), 6)).toHaveLength(100_000 + 2 * 5 + 6)
})

it('makes a configuration file as small as zlib does', () => {
  const limits = Array.from({ length: 40 }, (_, i) => ({ path: `limits/${i * 7919}`, most: i * i }))
  for (const count of [2, 10, 40]) {
    const body = utf8(JSON.stringify(limits.slice(0, count), undefined, 2))
    expect(deflateZlib(body, 6).length).toBeLessThanOrEqual(deflateSync(body).length * 1.01)
  }
})

it('keeps codes within their limit, however rare a symbol is', () => {
  const fibonacci = [1, 1]
  while (fibonacci.length < 25) fibonacci.push((fibonacci.at(-1) ?? 0) + (fibonacci.at(-2) ?? 0))
  for (const limit of [5, 7, 15]) {
    const lengths = lengthsOf(Uint32Array.from(fibonacci), limit)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(limit)
    // A whole set of codes.
    expect(lengths.reduce((sum, length) => sum + 2 ** -length, 0)).toBe(1)
  }
})

it('gives codes as RFC 1951 does', () => {
  // Section 3.2.2: A to H have 010 011 100 101 110 00 1110 1111, their first bit lowest here.
  const codes = codesOf(Uint8Array.of(3, 3, 3, 3, 3, 2, 4, 4))
  expect([...codes]).toEqual([0b010, 0b110, 0b001, 0b101, 0b011, 0b00, 0b0111, 0b1111])
})

function noise(size: number): Uint8Array {
  const next = random(size)
  return Uint8Array.from({ length: size }, () => Math.floor(next() * 256))
}

function twice(body: Uint8Array): Uint8Array {
  return Uint8Array.of(...body, ...body)
}
