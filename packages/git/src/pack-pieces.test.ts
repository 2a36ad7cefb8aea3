import { expect, it } from 'vitest'
import { PackCursor } from './pack-pieces.ts'
import type { PackInfo } from './place.ts'

const pack: PackInfo = {
  id: 'a',
  size: 100,
  indexSize: 0,
  objects: 1,
  needs: [],
  verified: true,
}

/** The bytes 0 to 99 in pieces of ten, in one buffer that each next piece takes away, as workerd does. */
async function* transferred(): AsyncGenerator<Uint8Array> {
  let buffer = new ArrayBuffer(10)
  for (let at = 0; at < 100; at += 10) {
    buffer = structuredClone(buffer, { transfer: [buffer] })
    const piece = new Uint8Array(buffer)
    for (let i = 0; i < 10; i++) piece[i] = at + i
    yield piece
  }
}

it('takes ranges out of pieces whose buffer is taken away with each next one', async () => {
  const cursor = new PackCursor(transferred(), { pack, start: 0, end: 100 })
  for (const [start, end] of [
    [0, 4],
    [4, 10],
    [12, 37],
    [40, 41],
    [95, 100],
  ] as const) {
    const expected = Array.from({ length: end - start }, (_, i) => start + i)
    expect([...(await cursor.take(start, end))]).toEqual(expected)
  }
})
