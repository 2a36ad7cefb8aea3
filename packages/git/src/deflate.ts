/**
 * Deflate: compression to a zlib stream by the platform, and zlib streams that compress nothing.
 *
 * A browser brings a compressor, which takes a fraction of a millisecond to start; short of that, small bodies are better
 * stored as they are.
 *
 * Specs: RFC 1950 (zlib), RFC 1951 (deflate), https://compression.spec.whatwg.org
 *
 * @module
 */
import { concat } from './bytes.ts'
import { adler32 } from './inflate.ts'

/** The longest stored block, in bytes. */
const MAX_BLOCK = 0xffff

/** A zlib stream that holds `body` as it is, five bytes for each 64 kB and six for the whole longer. */
export function storeZlib(body: Uint8Array): Uint8Array<ArrayBuffer> {
  const blocks = Math.max(1, Math.ceil(body.length / MAX_BLOCK))
  const stream = new Uint8Array(body.length + 5 * blocks + 6)
  const view = new DataView(stream.buffer)
  view.setUint16(0, 0x7801)
  for (let i = 0, at = 2; i < blocks; i++) {
    const block = body.subarray(i * MAX_BLOCK, (i + 1) * MAX_BLOCK)
    stream[at] = i === blocks - 1 ? 1 : 0
    view.setUint16(at + 1, block.length, true)
    view.setUint16(at + 3, ~block.length, true)
    stream.set(block, at + 5)
    at += 5 + block.length
  }
  view.setUint32(stream.length - 4, adler32(body))
  return stream
}

/** Compresses `body` to a zlib stream, as small as the platform's compressor makes it. */
export async function deflateZlib(body: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const { readable, writable } = new CompressionStream('deflate')
  const writer = writable.getWriter()
  // What fails here fails the reading too. The bytes are no shared memory, which the types cannot tell.
  writer.write(body as Uint8Array<ArrayBuffer>).catch(() => undefined)
  writer.close().catch(() => undefined)
  const reader = readable.getReader()
  const pieces: Uint8Array[] = []
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return concat(pieces)
    pieces.push(value)
  }
}
