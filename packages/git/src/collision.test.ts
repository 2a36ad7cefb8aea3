import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'

import { random, seed } from '../test/seed.ts'
import { isCollision } from './collision.ts'

/** How the first of the two documents of https://shattered.io begins, up to where both lead to the same state. */
const SHATTERED = Buffer.from(
  'JVBERi0xLjMKJeLjz9MKCgoxIDAgb2JqCjw8L1dpZHRoIDIgMCBSL0hlaWdodCAzIDAgUi9UeXBlIDQgMCBSL1N1Yn' +
    'R5cGUgNSAwIFIvRmlsdGVyIDYgMCBSL0NvbG9yU3BhY2UgNyAwIFIvTGVuZ3RoIDggMCBSL0JpdHNQZXJDb21wb25l' +
    'bnQgOD4+CnN0cmVhbQr/2P/+ACRTSEEtMSBpcyBkZWFkISEhISGFL+wJIzl1nDmxocY8TJfh//4Bc0bckWa2fhGPAp' +
    'q2IbJWD/nKZ8yox/hbqEx5AwwrPeIY+G2zqQkB1d9FwU8m/t+z3DjpasIv571yjw5FvOBG0jxXD+sUE5i7VS71oKgr' +
    '4zH+pIA3uLXXHw4zLt+TrDUA603cDezBqGR5DHgsdiFWYN0wl5HQa9CvP5jNpLxGKbE=',
  'base64',
)

const none = new Uint8Array(0)

describe('a collision of SHA-1', () => {
  it('is found in a document of which there is another one', () => {
    expect(isCollision(none, SHATTERED)).toBe(true)
    expect(isCollision(none, Buffer.concat([SHATTERED, Buffer.from('whatever follows')]))).toBe(
      true,
    )
    // The other document: where the differences are, it has the other words.
    expect(createHash('sha1').update(SHATTERED).digest('hex')).toBe(
      'f92d74e3874587aaf443d1db961d4e26dde13e9c',
    )
  })

  it('is found wherever its head ends', () => {
    for (const length of [1, 10, 63])
      expect(isCollision(SHATTERED.subarray(0, length), SHATTERED.subarray(length))).toBe(true)
  })

  it('is found behind whole blocks alone', () => {
    expect(isCollision(none, SHATTERED.subarray(0, 319))).toBe(false)
    expect(isCollision(none, SHATTERED.subarray(0, 256))).toBe(false)
  })

  it('is none when a bit of it is another one, or it begins with something else', () => {
    for (let bit = 192 * 8; bit < 320 * 8; bit += 5) {
      const changed = Uint8Array.from(SHATTERED)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(isCollision(none, changed)).toBe(false)
    }
    const blob = Buffer.from(`blob ${SHATTERED.length}\0`)
    expect(isCollision(blob, SHATTERED)).toBe(false)
  })

  it('is in nothing that came by chance', () => {
    console.log(`SEED=${seed}, 2000000 bytes`)
    const next = random()
    const bytes = Uint8Array.from({ length: 2_000_000 }, () => next() * 256)
    expect(isCollision(none, bytes)).toBe(false)
  })
})
