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
  #piece: Uint8Array = new Uint8Array()
  #offset = 0
  #ended = false
  #position = 0

  /** `what` names the stream in errors: "a push", "an advertisement". */
  constructor(source: AsyncIterable<Uint8Array>, what = 'a stream') {
    this.#source = source[Symbol.asyncIterator]()
    this.#what = what
  }

  /** How many bytes were taken so far. */
  get position(): number {
    return this.#position
  }

  /** Whether nothing is left; waits for the next piece to know. */
  async atEnd(): Promise<boolean> {
    return !(await this.#fill())
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
    return (await this.#fill()) ? this.#takeUpTo(most) : undefined
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
      const piece = await this.readSome(Number.MAX_SAFE_INTEGER)
      if (piece === undefined) return
      yield piece
    }
  }

  /** Tells the source that nothing more will be read. */
  async cancel(): Promise<void> {
    this.#ended = true
    this.#piece = new Uint8Array()
    this.#offset = 0
    await this.#source.return?.()
  }

  #early(missing: number): MalformedError {
    return new MalformedError(this.#what, `it ends where ${missing} more bytes were expected`)
  }

  #takeUpTo(most: number): Uint8Array {
    const end = Math.min(this.#offset + most, this.#piece.length)
    const taken = this.#piece.subarray(this.#offset, end)
    this.#offset = end
    this.#position += taken.length
    return taken
  }

  async #fill(): Promise<boolean> {
    while (this.#offset === this.#piece.length) {
      if (this.#ended) return false
      const next = await this.#source.next()
      if (next.done === true) {
        this.#ended = true
        return false
      }
      this.#piece = next.value
      this.#offset = 0
    }
    return true
  }
}

/** A stream of pieces that are there already. */
export async function* streamOf(
  ...pieces: readonly Uint8Array[]
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* pieces
}
