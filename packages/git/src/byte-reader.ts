/**
 * ByteReader: exact amounts of bytes out of a stream that comes in pieces of any size.
 *
 * @module
 */
import { concat } from './bytes.ts'
import { MalformedError } from './error.ts'

/** Reads a stream of bytes front to back. One reader at a time: calls do not overlap. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #what: string
  /** What of the last piece was not taken yet. */
  #piece: Uint8Array = new Uint8Array()

  /** `what` names the stream in errors: "a push", "an advertisement". */
  constructor(source: AsyncIterable<Uint8Array>, what = 'a stream') {
    this.#source = source[Symbol.asyncIterator]()
    this.#what = what
  }

  /** Whether nothing is left; waits for the next piece to know. */
  async atEnd(): Promise<boolean> {
    return (await this.readSome(0)) === undefined
  }

  /**
   * Exactly `length` bytes. They may be a view of the source's own piece: copy what you keep for long.
   *
   * @throws MalformedError when the stream ends before
   */
  async read(length: number): Promise<Uint8Array> {
    const bytes = await this.readOrEnd(length)
    if (bytes !== undefined || length === 0) return bytes ?? new Uint8Array()
    throw this.#early(length)
  }

  /**
   * Exactly `length` bytes, or `undefined` when the stream ends right here.
   *
   * @throws MalformedError when the stream ends in the middle
   */
  async readOrEnd(length: number): Promise<Uint8Array | undefined> {
    const first = await this.readSome(length)
    if (first === undefined || first.length === length) return first
    // Pieces are gathered as they arrive, so that a length that is a lie allocates nothing.
    const parts = [first]
    for await (const part of this.take(length - first.length)) parts.push(part)
    return concat(parts)
  }

  /** Whatever the stream has ready, at most `most` bytes; `undefined` at its end. */
  async readSome(most: number): Promise<Uint8Array | undefined> {
    while (this.#piece.length === 0) {
      const next = await this.#source.next()
      if (next.done === true) return undefined
      this.#piece = next.value
    }
    const taken = this.#piece.subarray(0, most)
    this.#piece = this.#piece.subarray(taken.length)
    return taken
  }

  /**
   * The next `length` bytes as they come, never collected.
   *
   * @throws MalformedError when the stream ends before
   */
  async *take(length: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = length; left > 0;) {
      const piece = await this.readSome(left)
      if (piece === undefined) throw this.#early(left)
      left -= piece.length
      yield piece
    }
  }

  /** Everything that is left, as it comes. */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const piece = await this.readSome(Infinity)
      if (piece === undefined) return
      yield piece
    }
  }

  /** Tells the source that nothing more will be read. */
  async cancel(): Promise<void> {
    this.#piece = new Uint8Array()
    await this.#source.return?.()
  }

  #early(missing: number): MalformedError {
    return new MalformedError(this.#what, `it ends where ${missing} more bytes were expected`)
  }
}

/** A stream of pieces that are there already. */
export async function* streamOf(
  ...pieces: readonly Uint8Array[]
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* pieces
}
