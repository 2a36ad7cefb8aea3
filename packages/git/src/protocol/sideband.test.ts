import { describe, expect, it } from 'vitest'

import { bytesOf, collect, latin1, pieces, readerOf } from '../../test/support/hostile.ts'
import { concat } from '../bytes.ts'
import { FLUSH, readPacket } from './pkt-line.ts'
import {
  BANDS,
  bandFrames,
  encodeBand,
  encodeFatal,
  encodeProgress,
  LARGE_FRAME,
  readBands,
  SMALL_FRAME,
} from './sideband.ts'

const body = Uint8Array.from({ length: 700_000 }, (_, i) => i % 251)

describe('side-band', () => {
  it('writes the band behind the length', () => {
    expect(latin1(encodeBand(1, bytesOf('abc')))).toBe('0008\x01abc')
    expect(latin1(encodeProgress('Counting\r'))).toBe('000e\x02Counting\r')
    expect(latin1(encodeFatal('gone'))).toBe('000a\x03gone\n0000')
    expect(encodeBand(1, new Uint8Array())).toHaveLength(0)
  })

  it.each([
    [LARGE_FRAME, 1000],
    [LARGE_FRAME, 300_000],
    [SMALL_FRAME, 7],
  ])('fills frames of %i from pieces of %i', async (frame, size) => {
    const wire = await collect(bandFrames(pieces(body, size), frame))
    const reader = readerOf(wire)
    const lengths: number[] = []
    for (let packet = await readPacket(reader); packet; packet = await readPacket(reader)) {
      lengths.push(packet.kind === 'line' ? packet.payload.length : 0)
    }
    expect(lengths).toHaveLength(Math.ceil(body.length / frame))
    expect(new Set(lengths.slice(0, -1))).toEqual(new Set([frame + 1]))
    expect(
      Buffer.compare(
        await collect(readBands(readerOf(concat([wire, FLUSH]), 999), () => {})),
        body,
      ),
    ).toBe(0)
  })

  it('tells progress apart from the pack', async () => {
    const said: string[] = []
    const wire = concat([
      encodeProgress('1/2\r'),
      encodeBand(BANDS.data, bytesOf('PACK')),
      bytesOf('0005\x01'),
      encodeProgress('2/2\n'),
      FLUSH,
    ])
    expect(
      latin1(await collect(readBands(readerOf(wire, 1), (message) => said.push(message)))),
    ).toBe('PACK')
    expect(said).toEqual(['1/2\r', '2/2\n'])
  })

  it('never takes a broken stream for the end', async () => {
    const wire = concat([encodeBand(BANDS.data, bytesOf('PACK')), FLUSH])
    for (let length = 0; length < wire.length; length++) {
      await expect(
        collect(readBands(readerOf(wire.subarray(0, length)), () => {})),
      ).rejects.toThrow('Cannot read')
    }
    const fatal = concat([encodeBand(BANDS.data, bytesOf('PACK')), encodeFatal('the pack is gone')])
    await expect(collect(readBands(readerOf(fatal), () => {}))).rejects.toThrow(
      'The other side says: the pack is gone',
    )
  })

  it('fails when its source does', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytesOf('PACK')
      throw new Error('the pack is gone')
    }
    await expect(collect(bandFrames(broken()))).rejects.toThrow('the pack is gone')
  })

  it('refuses a band that means nothing', async () => {
    await expect(collect(readBands(readerOf(bytesOf('0006\x04a0000')), () => {}))).rejects.toThrow(
      'there is no band 4',
    )
  })
})
