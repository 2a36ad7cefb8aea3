import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeText, encodeText, formatSize } from './text-file.ts'

const seed = Number(process.env['SEED'] ?? Date.now())

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

describe('a text file', () => {
  it.each([
    ['a\nb\n', '\n'],
    ['a\r\nb\r\n', '\r\n'],
    ['a\rb\r', '\r'],
    ['a\r\nb\nc\r\n', '\n'],
    ['\n', '\n'],
    ['\r\n\n', '\n'],
    ['a', '\n'],
    ['', '\n'],
  ])('finds how the lines of %j end', (text, lineBreak) => {
    expect(decodeText(bytesOf(text))).toMatchObject({ kind: 'text', text, lineBreak })
  })

  it('sets the byte order mark aside and puts it back', () => {
    const bytes = Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d)
    const file = decodeText(bytes)
    expect(file).toMatchObject({ text: '{}', hasByteOrderMark: true })
    expect(file.kind === 'text' && encodeText(file.text, file)).toEqual(bytes)
  })

  it('refuses what editing would damage, and says why', () => {
    expect(decodeText(Uint8Array.of(0x41, 0x00))).toEqual({
      kind: 'binary',
      reason: 'It is binary: byte 1 is zero',
    })
    const latin = decodeText(Uint8Array.of(0x67, 0x72, 0xfc, 0xdf))
    expect(latin).toMatchObject({ reason: expect.stringContaining('not UTF-8') as string })
  })

  // Seen to fail when the decoder drops the byte order mark (ignoreBOM: false).
  it(`gives back the bytes of 1000 files (seed ${seed})`, () => {
    const mark = fc.constant(Uint8Array.of(0xef, 0xbb, 0xbf))
    const line = fc.string({ unit: 'binary' }).map(bytesOf)
    const end = fc.constantFrom('\n', '\r\n', '\r').map(bytesOf)
    const piece = fc.oneof(line, end, mark, fc.uint8Array({ maxLength: 3 }))
    const property = fc.property(fc.array(piece), (pieces) => {
      const bytes = Uint8Array.from(pieces.flatMap((part) => [...part]))
      const file = decodeText(bytes)
      if (file.kind === 'text') expect(encodeText(file.text, file)).toEqual(bytes)
    })
    fc.assert(property, { seed, numRuns: 1000 })
  })
})

describe('a size', () => {
  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [999, '999 bytes'],
    [1000, '1.0 kB'],
    [12_345, '12 kB'],
    [5_000_000, '5.0 MB'],
  ])('of %i bytes reads %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text)
  })
})
