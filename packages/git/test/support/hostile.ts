/**
 * What every reader of a stream has to live with: one byte at a time, and an end at every length.
 *
 * @module
 */
import { ByteReader } from '../../src/byte-reader.ts'
import { GitError } from '../../src/error.ts'

/** A reader over bytes that come in pieces of `size`. */
export function readerOf(bytes: Uint8Array, size = bytes.length): ByteReader {
  return new ByteReader(pieces(bytes, size), 'a test')
}

/** The bytes in pieces of `size`, each in an array of its own. */
export async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.slice(i, i + size)
}

/** Everything that comes, in one array. */
export async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  // A piece may be valid until the next one is asked for.
  for await (const part of source) parts.push(part.slice())
  return Uint8Array.from(Buffer.concat(parts))
}

/** Bytes of text in which each character is one byte. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

/** Text in which each character is one byte. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

/**
 * Lengths at which the message, cut short, was read without an error. An error that is not ours is thrown on: a parser
 * must not stumble.
 */
export async function readCuts(
  bytes: Uint8Array,
  read: (reader: ByteReader) => Promise<unknown>,
): Promise<number[]> {
  const lengths: number[] = []
  for (let length = 0; length < bytes.length; length++) {
    try {
      await read(readerOf(bytes.subarray(0, length)))
      lengths.push(length)
    } catch (error) {
      if (!(error instanceof GitError)) throw error
    }
  }
  return lengths
}
