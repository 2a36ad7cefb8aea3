import { createHash } from 'node:crypto'
import { constants, deflateRawSync, deflateSync } from 'node:zlib'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { cases, random } from '../test/seed.ts'
import { adler32, inflateZlib } from './inflate.ts'
import { toHex } from './bytes.ts'
import { nodeRuntime } from './runtime/node.ts'
import { portableRuntime } from './runtime/portable.ts'

/** Text that compresses, with some noise in it. */
function sample(size: number, next = random(size)): Uint8Array {
  const body = new Uint8Array(size)
  for (let i = 0; i < size;) {
    const from = Math.floor(next() * i)
    const length = Math.min(1 + Math.floor(next() * 40), size - i)
    if (i > 0 && next() < 0.6) for (let k = 0; k < length; k++, i++) body[i] = body[from + k] ?? 0
    else for (let k = 0; k < length; k++, i++) body[i] = Math.floor(next() * 256)
  }
  return body
}

const sizes = [0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 1000, 70_000]

describe.each([
  ['node', nodeRuntime],
  ['portable', portableRuntime],
])('the %s runtime', (_, runtime) => {
  it.each(sizes)('hashes %i bytes', async (size) => {
    const body = sample(size)
    const expected = createHash('sha1').update(body).digest('hex')
    expect(toHex(runtime.sha1(body))).toBe(expected)
    expect(toHex(await runtime.digest(body))).toBe(expected)
    expect(toHex(runtime.sha1(body.subarray(0, size >> 1), body.subarray(size >> 1)))).toBe(
      expected,
    )
  })

  it('hashes what comes in pieces of any size', () => {
    // Seen to fail when the bytes of an earlier piece were dropped as a piece filled the block.
    const cut = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 })
    fc.assert(
      fc.property(cut, (pieces) => {
        const hasher = runtime.hasher()
        const expected = createHash('sha1')
        for (const piece of pieces) {
          const borrowed = piece.slice()
          hasher.update(borrowed)
          borrowed.fill(0xff)
          expected.update(piece)
        }
        expect(toHex(hasher.digest())).toBe(expected.digest('hex'))
      }),
      cases(300),
    )
  })

  it.each([0, 1, 6, 9])('reads what it compressed at level %i', async (level) => {
    for (const size of sizes) {
      const body = sample(size)
      const stream = await runtime.deflate(body, level)
      expect(runtime.inflate(stream, 0, stream.length, size)).toEqual(body)
      expect(nodeRuntime.inflate(stream, 0, stream.length, size)).toEqual(body)
    }
  })

  it('reads a stream among other bytes and says how long it is', () => {
    const body = sample(5000)
    const stream = deflateSync(body)
    const bytes = Uint8Array.of(1, 2, 3, ...stream, 4, 5, 6)
    expect(runtime.inflateOpen(bytes, 3, 5000)).toEqual({ body, used: stream.length })
    expect(runtime.inflate(bytes, 3, bytes.length, 5000)).toEqual(body)
    expect(runtime.inflate(bytes, 3, 3 + stream.length, 5000)).toEqual(body)
  })

  it('asks for more wherever a stream is cut short', () => {
    for (const options of [{}, { level: 0 }, { strategy: constants.Z_FIXED }]) {
      const stream = new Uint8Array(deflateSync(sample(1500), options))
      for (let end = 0; end < stream.length; end++) {
        expect(runtime.inflateOpen(stream.slice(0, end), 0, 1500)).toBeUndefined()
        expect(() => runtime.inflate(stream, 0, end, 1500)).toThrow('cut short')
      }
    }
  })

  it('refuses a stream that holds more or less than it should', () => {
    for (const size of [1, 100, 3000]) {
      const stream = deflateSync(sample(size))
      for (const wrong of [size - 1, size + 1, 0]) {
        expect(() => runtime.inflateOpen(stream, 0, wrong)).toThrow(/Cannot read a zlib stream/)
        expect(() => runtime.inflate(stream, 0, stream.length, wrong)).toThrow(/Cannot read a zlib/)
      }
    }
  })

  it('allocates nothing for a size that cannot come out of the bytes that are there', () => {
    const stream = deflateSync(sample(100))
    expect(runtime.inflateOpen(stream, 0, 2 ** 40)).toBeUndefined()
  })

  it('reads the longest matches there can be', () => {
    const body = new Uint8Array(300_000).fill(7)
    const stream = deflateSync(body, { level: 9 })
    expect(runtime.inflate(stream, 0, stream.length, body.length)).toEqual(body)
  })
})

/** `read` runs to its end, wants more, or refuses. */
function verdict(read: () => { body: Uint8Array; used: number } | undefined): string {
  try {
    const inflated = read()
    return inflated === undefined ? 'cut short' : `${toHex(inflated.body)} ${inflated.used}`
  } catch {
    return 'refused'
  }
}

describe('the inflater', () => {
  it('says of a damaged stream what zlib says', () => {
    // Seen to fail when the Adler-32 was not compared.
    const damaged = fc.tuple(
      fc.nat(400),
      fc.constantFrom(constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_HUFFMAN_ONLY),
      fc.array(fc.tuple(fc.nat(), fc.nat(7)), { maxLength: 2 }),
    )
    fc.assert(
      fc.property(damaged, ([size, strategy, flips]) => {
        const stream = new Uint8Array(deflateSync(sample(size), { strategy, memLevel: 1 }))
        for (const [at, bit] of flips)
          stream[at % stream.length] = (stream[at % stream.length] ?? 0) ^ (1 << bit)
        const own = verdict(() => inflateZlib(stream, { start: 0, end: stream.length, size }))
        const zlib = verdict(() => nodeRuntime.inflateOpen(stream, 0, size))
        // A stream that goes wrong and is too short may be called either.
        if (own !== 'cut short' && zlib !== 'cut short') expect(own).toBe(zlib)
        else expect([own, zlib].sort()).not.toContain(expect.stringMatching(/^[0-9a-f]* \d+$/))
      }),
      cases(3000),
    )
  })

  it('never fails but by refusing, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(500), (garbage, size) => {
        const stream = Uint8Array.of(0x78, 0x9c, ...garbage)
        const own = verdict(() => portableRuntime.inflateOpen(stream, 0, size))
        const zlib = verdict(() => nodeRuntime.inflateOpen(stream, 0, size))
        if (own !== 'cut short' && zlib !== 'cut short') expect(own).toBe(zlib)
      }),
      cases(3000),
    )
  })

  // Seen to fail when sets of too few codes were taken, and when distances before the begin were.
  it.each([
    ['a fixed block', ['1', '10', '10010001', '0000000'], 'a'],
    [
      'a match at the begin of what it copies',
      ['1', '10', '10010001', '0000001', '00000', '0000000'],
      'aaaa',
    ],
    ['a match before the begin', ['1', '10', '10010001', '0000001', '00001', '0000000'], 'a\0a\0'],
    [
      'a distance that means nothing',
      ['1', '10', '10010001', '0000001', '11110', '0000000'],
      'aaaa',
    ],
    [
      'a length that means nothing',
      ['1', '10', '10010001', '11000110', '00000', '0000000'],
      'aaaa',
    ],
    ['a block of the third kind', ['1', '11'], ''],
    ['a whole set of codes', dynamicBlock('10'), 'a'],
    ['too few codes', dynamicBlock('11'), 'a'],
  ])('says of %s what zlib says', (_, bits, body) => {
    const stream = zlibOf(bits, new TextEncoder().encode(body))
    const own = verdict(() => portableRuntime.inflateOpen(stream, 0, body.length))
    expect(own).toBe(verdict(() => nodeRuntime.inflateOpen(stream, 0, body.length)))
  })

  it('refuses bytes without a zlib header', () => {
    expect(() => portableRuntime.inflateOpen(deflateRawSync(sample(100)), 0, 100)).toThrow(
      'zlib header',
    )
    expect(() => portableRuntime.inflateOpen(Uint8Array.of(0x78, 0xbb, 0, 0, 0, 1), 0, 0)).toThrow(
      'dictionary',
    )
  })

  it('sums as RFC 1950 says', () => {
    expect(adler32(new TextEncoder().encode('Wikipedia'))).toBe(0x11e60398)
    expect(adler32(new Uint8Array(100_000).fill(255))).toBe(adlerSlow(100_000))
  })
})

/**
 * A block with codes of its own for `a`, for its end and for one distance: of one bit each (`10`), or of two (`11`), which
 * leaves codes unused.
 */
function dynamicBlock(length: '10' | '11'): string[] {
  const bit = (value: number, count: number): string =>
    [...value.toString(2).padStart(count, '0')].toReversed().join('')
  // Lengths of the code lengths, in their own order: 18 takes one bit, 1 and 2 take two.
  const lengths = Array.from({ length: 18 }, (_, i) =>
    bit(i === 2 ? 1 : i === 15 || i === 17 ? 2 : 0, 3),
  )
  const zeros = (count: number): string => `0${bit(count - 11, 7)}`
  const [a, end] = length === '10' ? ['0', '1'] : ['00', '01']
  const head = ['1', '01', bit(0, 5), bit(0, 5), bit(14, 4), ...lengths]
  return [...head, zeros(97), length, zeros(138), zeros(20), length, '10', a ?? '', end ?? '']
}

/** A zlib stream of these bits, lowest first, with the Adler-32 of `body`. */
function zlibOf(bits: readonly string[], body: Uint8Array): Uint8Array {
  const all = bits.join('')
  const bytes = Array.from({ length: Math.ceil(all.length / 8) }, (_, i) =>
    Number.parseInt([...all.slice(8 * i, 8 * i + 8).padEnd(8, '0')].toReversed().join(''), 2),
  )
  const sum = adler32(body)
  return Uint8Array.of(
    0x78,
    0x9c,
    ...bytes,
    sum >>> 24,
    (sum >>> 16) & 255,
    (sum >>> 8) & 255,
    sum & 255,
  )
}

function adlerSlow(count: number): number {
  let a = 1
  let b = 0
  for (let i = 0; i < count; i++) {
    a = (a + 255) % 65521
    b = (b + a) % 65521
  }
  return b * 65536 + a
}
