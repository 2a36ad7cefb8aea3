import { describe, expect, it } from 'vitest'

import { bytesOf, collect, latin1, pieces, readerOf } from '../test/support/hostile.ts'
import { ByteReader, streamOf } from './byte-reader.ts'

describe('a byte reader', () => {
  it.each([1, 2, 3, 100])('gives exact amounts of a stream in pieces of %i', async (size) => {
    const reader = readerOf(bytesOf('abcdefghij'), size)
    expect(latin1(await reader.read(3))).toBe('abc')
    expect(await reader.read(0)).toHaveLength(0)
    expect(latin1(await collect(reader.take(4)))).toBe('defg')
    expect(await reader.atEnd()).toBe(false)
    expect(latin1(await collect(reader.rest()))).toBe('hij')
    expect(await reader.atEnd()).toBe(true)
    expect(await reader.readOrEnd(4)).toBeUndefined()
  })

  it('passes over empty pieces', async () => {
    const reader = new ByteReader(
      streamOf(bytesOf(''), bytesOf('a'), bytesOf(''), bytesOf('b'), bytesOf('')),
    )
    expect(latin1(await reader.read(2))).toBe('ab')
    expect(await reader.atEnd()).toBe(true)
  })

  it('fails by name when the stream ends early', async () => {
    const reader = new ByteReader(streamOf(bytesOf('abc')), 'a push')
    await expect(reader.read(4)).rejects.toThrow(
      'Cannot read a push: it ends where 1 more bytes were expected',
    )
    const other = new ByteReader(streamOf(bytesOf('abc')), 'a push')
    await expect(collect(other.take(5))).rejects.toThrow('it ends where 2 more bytes were expected')
  })

  it('allocates nothing for a length that is a lie', async () => {
    await expect(readerOf(bytesOf('abc')).read(2 ** 50)).rejects.toThrow('Cannot read')
  })

  it('tells its source when nothing more is read', async () => {
    const source = pieces(bytesOf('abcdef'), 2)
    const reader = new ByteReader(source)
    await reader.read(1)
    await reader.cancel()
    expect(await source.next()).toEqual({ done: true, value: undefined })
    expect(await reader.atEnd()).toBe(true)
  })
})
