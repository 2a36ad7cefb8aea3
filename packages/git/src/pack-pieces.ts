/**
 * Pack pieces: a span of a pack read piece by piece.
 *
 * @module
 */
import { MissingError } from './error.ts'
import { reusedRoom } from './pack/room.ts'
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
  /** For what lies in several pieces. */
  readonly #room = reusedRoom()
  #piece: Uint8Array = new Uint8Array(0)
  /** Where in the pack the piece begins. */
  #at: number

  /** The pieces of a span, from its start on. */
  constructor(pieces: AsyncIterable<Uint8Array>, span: PackSpan) {
    this.#pieces = pieces[Symbol.asyncIterator]()
    this.#span = span
    this.#at = span.start
  }

  /** The first byte of a range that the piece at hand holds; `undefined` of one that it does not. */
  firstOf(start: number, end: number): number | undefined {
    const at = this.#at
    return start < at || end > at + this.#piece.length ? undefined : this.#piece[start - at]
  }

  /**
   * The bytes from `start` up to `end`, which lie behind all that was taken; valid until the next call.
   *
   * @throws MissingError when the pack is gone, or ends before
   */
  async take(start: number, end: number): Promise<Uint8Array> {
    if (start >= this.#at && end <= this.#at + this.#piece.length)
      return this.#piece.subarray(start - this.#at, end - this.#at)
    const range = this.#room(end - start)
    for (let from = start; ;) {
      const stop = this.#at + this.#piece.length
      if (from < stop) {
        // The piece is overwritten by the next one.
        range.set(this.#piece.subarray(from - this.#at, end - this.#at), from - start)
        if (end <= stop) return range
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
