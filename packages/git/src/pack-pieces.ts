/**
 * Pack pieces: a span of a pack read piece by piece.
 *
 * @module
 */
import { concat } from './bytes.ts'
import { MissingError } from './error.ts'
import type { PackSpan } from './pack-windows.ts'

/** Bytes that are read at once where nothing else decides. */
const STEP = 1024 * 1024

/** `Place.streamPack` of a place in which every read costs the same: one read after the other. */
export async function* inPieces(
  read: (start: number, end: number) => Promise<Uint8Array>,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = start; at < end;) {
    const piece = await read(at, Math.min(end, at + STEP))
    if (piece.length === 0) return
    at += piece.length
    yield piece
  }
}

/** Takes ranges out of the pieces of a span, in the order of the pack. */
export class PackCursor {
  readonly #pieces: AsyncIterator<Uint8Array>
  readonly #span: PackSpan
  #piece: Uint8Array = new Uint8Array(0)
  /** Where in the pack the piece begins. */
  #at: number

  /** The pieces of a span, from its start on. */
  constructor(pieces: AsyncIterable<Uint8Array>, span: PackSpan) {
    this.#pieces = pieces[Symbol.asyncIterator]()
    this.#span = span
    this.#at = span.start
  }

  /**
   * The bytes from `start` up to `end`, which lie behind all that was taken; valid until the next call.
   *
   * @throws MissingError when the pack is gone, or ends before
   */
  async take(start: number, end: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    for (let from = start; ;) {
      const stop = this.#at + this.#piece.length
      if (from < stop) {
        const part = this.#piece.subarray(from - this.#at, end - this.#at)
        if (end <= stop) return parts.length === 0 ? part : concat([...parts, part])
        // The piece is overwritten by the next one.
        parts.push(part.slice())
        from = stop
      }
      await this.#next()
    }
  }

  /** Lets go of the rest. */
  async close(): Promise<void> {
    await this.#pieces.return?.()
  }

  async #next(): Promise<void> {
    // Asked before: whoever fills the buffer again takes it away, and leaves a piece of no length.
    const { length } = this.#piece
    const { value, done } = await this.#pieces.next()
    if (done === true) throw new MissingError('the end of a pack', this.#span.pack.id)
    this.#at += length
    this.#piece = value
  }
}
