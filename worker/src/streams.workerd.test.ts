import { describe, expect, it, vi } from 'vitest'
import { streamOf } from './streams.ts'

/** Pieces in one buffer that is used again, as those of a pack. */
async function* reused(count: number, onEnd: () => void = () => {}): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(100_000)
  try {
    for (let i = 0; i < count; i++) yield buffer.fill(i)
  } finally {
    onEnd()
  }
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(10)
  throw new Error('the bucket is on fire')
}

describe('a stream of workerd', () => {
  it('has sent a piece before the buffer is filled again', async () => {
    const bytes = new Uint8Array(await new Response(streamOf(reused(40))).arrayBuffer())
    expect(bytes).toHaveLength(4_000_000)
    for (let i = 0; i < 40; i++)
      expect(bytes.subarray(i * 100_000, (i + 1) * 100_000).every((byte) => byte === i)).toBe(true)
  })

  it('breaks off where its source does, and does not end', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {})
    await expect(new Response(streamOf(broken())).arrayBuffer()).rejects.toThrow()
    expect(String(log.mock.calls[0]?.[0])).toContain('on fire')
    log.mockRestore()
  })

  it('lets go of its source when nobody reads any more', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const reader = streamOf(reused(1000, resolve)).getReader()
    await reader.read()
    await reader.cancel()
    await promise
  })
})
