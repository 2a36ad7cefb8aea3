import { describe, expect, it } from 'vitest'

import { bytesOf, latin1, readCuts, readerOf } from '../../test/support/hostile.ts'
import type { ByteReader } from '../byte-reader.ts'
import {
  DELIMITER,
  encodeError,
  encodeLine,
  expectPacket,
  FLUSH,
  lineText,
  MAX_PAYLOAD,
  readLines,
  readPacket,
  RESPONSE_END,
} from './pkt-line.ts'

async function readAll(reader: ByteReader): Promise<string[]> {
  const found: string[] = []
  for (let packet = await readPacket(reader); packet; packet = await readPacket(reader)) {
    found.push(packet.kind === 'line' ? `line ${lineText(packet.payload)}` : packet.kind)
  }
  return found
}

describe('pkt-line', () => {
  it('writes the length in front, itself included', () => {
    expect(latin1(encodeLine('hi\n'))).toBe('0007hi\n')
    expect(latin1(encodeLine(''))).toBe('0004')
    expect(latin1(encodeLine(new Uint8Array(MAX_PAYLOAD)).slice(0, 4))).toBe('fff0')
    expect([FLUSH, DELIMITER, RESPONSE_END].map(latin1)).toEqual(['0000', '0001', '0002'])
  })

  it('refuses to write more than a line holds', () => {
    expect(() => encodeLine(new Uint8Array(MAX_PAYLOAD + 1))).toThrow(RangeError)
  })

  it.each([1, 2, 5, 1000])('reads lines and marks in pieces of %i', async (size) => {
    const wire = bytesOf('0006a\n0001000BabCdEfg0004000200000008\xff\xfe\n\n')
    expect(await readAll(readerOf(wire, size))).toEqual([
      'line a',
      'delimiter',
      'line abCdEfg',
      'line ',
      'response-end',
      'flush',
      'line \udcff\udcfe\n',
    ])
  })

  it('is whole only between packets', async () => {
    expect(await readCuts(bytesOf('0006a\n00010008abcd0000'), readAll)).toEqual([0, 6, 10, 18])
  })

  it.each(['0003', 'fff1', 'ffff', '-001', '00 4', '000g', '0x10', '\xff\xff\xff\xff', 'HTTP'])(
    'refuses the length "%s"',
    async (digits) => {
      const reader = readerOf(bytesOf(digits + 'x'.repeat(70_000)))
      await expect(readPacket(reader)).rejects.toThrow('Cannot read a packet: its length is')
    },
  )

  it('reads the longest line', async () => {
    const packet = await readPacket(readerOf(encodeLine(new Uint8Array(MAX_PAYLOAD).fill(7)), 1000))
    expect(packet?.kind === 'line' && packet.payload.length).toBe(MAX_PAYLOAD)
  })

  it('makes an error of an ERR line, wherever it comes', async () => {
    const reader = readerOf(encodeError('upload-pack: not our ref'))
    await expect(expectPacket(reader, 'refs')).rejects.toThrow(
      'The other side says: upload-pack: not our ref',
    )
  })

  it('stops at too many lines', async () => {
    const reader = readerOf(bytesOf('0005a'.repeat(11)))
    const readTen = async () => {
      for await (const line of readLines(reader, 'a list', 10)) expect(line).toBe('a')
    }
    await expect(readTen()).rejects.toThrow('Cannot read a list: it has more than 10 lines')
  })
})
