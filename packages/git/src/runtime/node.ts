/**
 * The runtime of Node, and of Workers with the `nodejs_compat` flag.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { deflateSync, inflateSync } from 'node:zlib'

import { MalformedError } from '../error.ts'
import { inflateZlib } from '../inflate.ts'
import type { Hasher, Runtime } from '../runtime.ts'

/**
 * Bodies up to this many bytes are inflated by this package: each call of node:zlib sets up an engine, which takes longer
 * than they do (20,000 bodies of 120 bytes in workerd: 0.36 s, and 0.05 s by ours; at 2,000 bytes they are even there, at 400 in
 * Node), and gives memory of its own for each, of which a Worker has little.
 */
const SMALL_BODY =
  typeof navigator !== 'undefined' && navigator.userAgent === 'Cloudflare-Workers' ? 2048 : 512

/** Bytes that are compressed to at a time. */
const MAX_CHUNK = 64 * 1024

/** Compression and hashing by node:zlib and node:crypto. */
export const nodeRuntime: Runtime = {
  storesUpTo: 0,
  sha1(...parts) {
    const hash = createHash('sha1')
    for (const part of parts) hash.update(part)
    return ownBytes(hash.digest())
  },
  digest(bytes) {
    return Promise.resolve(ownBytes(createHash('sha1').update(bytes).digest()))
  },
  hasher() {
    return new NodeHasher()
  },
  deflate(body, level = 6) {
    // What comes out is a view of a chunk, which is 16 kB unless it is told: memory that a small object would hold on to.
    const chunkSize = Math.min(MAX_CHUNK, body.length + (body.length >> 8) + 64)
    return Promise.resolve(ownBytes(deflateSync(body, { level, chunkSize })))
  },
  inflate(bytes, start, end, size) {
    const inflated =
      size <= SMALL_BODY
        ? inflateZlib(bytes, { start, end, size })
        : inflateWith(bytes.subarray(start, end), size)
    if (inflated === undefined)
      throw new MalformedError('a zlib stream', `it is cut short: expected ${size} bytes`)
    return inflated.body
  },
  inflateOpen(bytes, start, size, makeRoom) {
    if (size <= SMALL_BODY) return inflateZlib(bytes, { start, end: bytes.length, size, makeRoom })
    return inflateWith(bytes.subarray(start), size)
  },
}

class NodeHasher implements Hasher {
  readonly #hash = createHash('sha1')

  update(piece: Uint8Array): void {
    this.#hash.update(piece)
  }

  digest(): Uint8Array<ArrayBuffer> {
    return ownBytes(this.#hash.digest())
  }
}

/** `undefined` when the input ends before the stream does. */
function inflateWith(
  bytes: Uint8Array,
  size: number,
): { body: Uint8Array<ArrayBuffer>; used: number } | undefined {
  // Deflate makes at most 1,032 bytes out of one: a size that cannot come out of these is not allocated.
  if (size > bytes.length * 1032) return undefined
  try {
    // With `info` node:zlib also gives the engine, which has counted what it read; @types/node does not say so.
    const { buffer, engine } = inflateSync(bytes, {
      info: true,
      chunkSize: Math.max(64, size + 1),
      maxOutputLength: size + 1,
    }) as unknown as { buffer: Uint8Array; engine: { bytesWritten: number } }
    if (buffer.length === size) return { body: ownBytes(buffer), used: engine.bytesWritten }
    throw new MalformedError('a zlib stream', `it holds ${buffer.length} bytes, expected ${size}`)
  } catch (cause) {
    if (cause instanceof MalformedError) throw cause
    if (hasCode(cause, 'Z_BUF_ERROR')) return undefined
    const problem = hasCode(cause, 'ERR_BUFFER_TOO_LARGE')
      ? `it holds more than ${size} bytes`
      : cause instanceof Error
        ? cause.message
        : String(cause)
    throw new MalformedError('a zlib stream', problem, { cause })
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** The same bytes as a plain `Uint8Array`: a `Buffer` behaves differently in `slice`. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  // Neither node:zlib nor node:crypto gives shared memory.
  return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length)
}
