import { inflateSync } from 'node:zlib'

import fc from 'fast-check'
import { expect, it } from 'vitest'

import { cases } from '../test/seed.ts'
import { utf8 } from './bytes.ts'
import { deflateZlib, storeZlib } from './deflate.ts'

function inflated(stream: Uint8Array): Uint8Array {
  return new Uint8Array(inflateSync(stream))
}

it('makes streams that zlib reads, of any bytes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.nat(60), async (piece, repeat) => {
      const body = new Uint8Array(piece.length * repeat)
      for (let i = 0; i < repeat; i++) body.set(piece, i * piece.length)
      expect(inflated(storeZlib(body))).toEqual(body)
      expect(inflated(await deflateZlib(body))).toEqual(body)
    }),
    cases(150),
  )
})

it.each([0, 1, 0xffff, 0x10000, 2 * 0xffff, 200_000])('stores %i bytes', (length) => {
  const body = Uint8Array.from({ length }, (_, i) => (i * 31) >> 3)
  const stream = storeZlib(body)
  expect(inflated(stream)).toEqual(body)
  expect(stream).toHaveLength(length + 5 * Math.max(1, Math.ceil(length / 0xffff)) + 6)
})

it('compresses what can be', async () => {
  const body = utf8(
    JSON.stringify(Array.from({ length: 100 }, (_, i) => ({ path: `limits/${i}` }))),
  )
  expect((await deflateZlib(body)).length).toBeLessThan(body.length / 4)
})
