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
import { concat, u32 } from './bytes.ts'
import { adler32 } from './inflate.ts'

/** The longest stored block, in bytes. */
const MAX_BLOCK = 0xffff

/** A zlib stream that holds `body` as it is, five bytes for each 64 kB and six for the whole longer. */
export function storeZlib(body: Uint8Array): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [Uint8Array.of(0x78, 1)]
  let at = 0
  do {
    const block = body.subarray(at, at + MAX_BLOCK)
    at += MAX_BLOCK
    const { length } = block
    const isLast = at < body.length ? 0 : 1
    parts.push(Uint8Array.of(isLast, length, length >> 8, ~length, ~length >> 8), block)
  } while (at < body.length)
  return concat([...parts, u32(adler32(body))])
}

/** Compresses `body` to a zlib stream, as small as the platform's compressor makes it. */
export async function deflateZlib(body: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const { readable, writable } = new CompressionStream('deflate')
  const writer = writable.getWriter()
  // What fails here fails the reading too. The bytes are no shared memory, which the types cannot tell.
  writer.write(body as Uint8Array<ArrayBuffer>).catch(() => undefined)
  writer.close().catch(() => undefined)
  return new Uint8Array(await new Response(readable).arrayBuffer())
}
