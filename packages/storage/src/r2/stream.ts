/**
 * Stream: a range of an object as it comes out of the bucket, for those who pass it on.
 *
 * One buffer is used again for all pieces where the runtime lets it, so that an object of any size costs the memory of a
 * piece. A stream that breaks is taken up again where it broke.
 *
 * @module
 */
import { MissingError, UnavailableError } from '@datakit/git/error'
import type { Bucket } from './bucket.ts'
import { hasBody, pause } from './store.ts'

/** Bytes of a piece. */
const PIECE = 512 * 1024
/** How often in a row a stream is taken up again without a byte of progress. */
const TRIES = 3

/**
 * The bytes of an object from `start` up to `end`; each piece is valid until the next one is asked for.
 *
 * @throws MissingError when there is no such object, or it ends before `end`
 * @throws UnavailableError when the bucket fails each time
 */
export async function* streamRange(
  bucket: Bucket,
  key: string,
  { start, end }: { readonly start: number; readonly end: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = start, tries = 1; at < end;) {
    const before = at
    try {
      for await (const piece of piecesOf(bucket, key, { offset: at, length: end - at })) {
        at += piece.length
        yield piece
      }
      if (at < end) throw new MissingError('the end of an object in the bucket', key)
    } catch (cause) {
      if (cause instanceof MissingError) throw cause
      tries = at > before ? 1 : tries + 1
      if (tries > TRIES)
        throw new UnavailableError('Cannot read from the bucket: it fails each time', { cause })
      await pause(Math.random() * 50 * tries)
    }
  }
}

async function* piecesOf(
  bucket: Bucket,
  key: string,
  range: { readonly offset: number; readonly length: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const found = await bucket.get(key, { range })
  if (found === null || !hasBody(found)) throw new MissingError('an object in the bucket', key)
  const reader = readerOf(found.body)
  try {
    let buffer = new ArrayBuffer(reader.fills ? Math.min(PIECE, range.length) : 0)
    for (let left = range.length; left > 0;) {
      const piece = await reader.read(buffer, Math.min(left, PIECE))
      if (piece === undefined || piece.length === 0) return
      left -= piece.length
      yield piece
      buffer = piece.buffer
    }
  } finally {
    // Nobody is left to hear why a stream that nobody wants could not be cancelled.
    await reader.cancel().catch(() => undefined)
  }
}

interface PieceReader {
  /** Whether pieces come in the buffer that is given. */
  readonly fills: boolean
  read(buffer: ArrayBuffer, length: number): Promise<Uint8Array<ArrayBuffer> | undefined>
  cancel(): Promise<void>
}

/** Of workerd alone: waits until the view is full or the stream ends. */
interface FillingReader {
  readAtLeast(
    length: number,
    view: Uint8Array<ArrayBuffer>,
  ): Promise<{ readonly value?: Uint8Array<ArrayBuffer> }>
  cancel(): Promise<void>
}

function readerOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): PieceReader {
  const filling = fillingReader(stream)
  if (filling !== undefined) {
    return {
      fills: true,
      read: async (buffer, length) =>
        (await filling.readAtLeast(length, new Uint8Array(buffer, 0, length))).value,
      cancel: () => filling.cancel(),
    }
  }
  const reader = stream.getReader()
  return {
    fills: false,
    read: async () => (await reader.read()).value,
    cancel: () => reader.cancel(),
  }
}

function fillingReader(stream: ReadableStream<Uint8Array<ArrayBuffer>>): FillingReader | undefined {
  try {
    const reader: object = stream.getReader({ mode: 'byob' })
    if (hasReadAtLeast(reader)) return reader
    // The buckets of other runtimes give streams of this kind too, and no way to fill a view.
    ;(reader as ReadableStreamBYOBReader).releaseLock()
  } catch {
    // A stream that does not read into buffers of ours.
  }
  return undefined
}

function hasReadAtLeast(reader: object): reader is FillingReader {
  return 'readAtLeast' in reader
}
