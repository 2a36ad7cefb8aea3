/**
 * PackInput: the bytes of a pack as they come in, in whatever pieces.
 *
 * Holds what was not understood yet, hashes what was, and hands it on to the writer in large pieces.
 *
 * @module
 */
import { MalformedError, RefusedError } from '../error.ts'
import type { PackWriter } from '../place.ts'
import type { Hasher, Runtime } from '../runtime.ts'

/** What is handed to the writer at once. */
const WRITE_STEP = 512 * 1024

/** Takes a pack apart from its beginning. */
export class PackInput {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #writer: Pick<PackWriter, 'write'>
  readonly #hasher: Hasher
  readonly #limit: number
  readonly #signal: AbortSignal | undefined
  #bytes: Uint8Array = new Uint8Array(64 * 1024)
  /** Where in `#bytes` that begins which the writer does not have. */
  #written = 0
  #start = 0
  #end = 0
  #taken = 0
  #hasEnded = false

  constructor(
    source: AsyncIterable<Uint8Array>,
    runtime: Runtime,
    options: {
      readonly writer: Pick<PackWriter, 'write'>
      /** Bytes of the longest pack that is taken. */
      readonly limit: number
      readonly signal: AbortSignal | undefined
    },
  ) {
    this.#source = source[Symbol.asyncIterator]()
    this.#hasher = runtime.hasher()
    this.#writer = options.writer
    this.#limit = options.limit
    this.#signal = options.signal
  }

  /** Bytes that were taken so far: where in the pack {@link bytes} begins. */
  get offset(): number {
    return this.#taken
  }

  /** What is here of the rest; valid until the next call of {@link more} or {@link take}. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end)
  }

  /** Waits until at least `length` bytes are here; `false` when the source ends before. */
  async more(length: number): Promise<boolean> {
    while (this.#end - this.#start < length) {
      if (this.#hasEnded) return false
      const { value, done } = await this.#source.next()
      this.#signal?.throwIfAborted()
      if (done === true) this.#hasEnded = true
      else await this.#append(value)
    }
    return true
  }

  /** Takes `length` bytes that are here. */
  async take(length: number): Promise<void> {
    this.#hasher.update(this.#bytes.subarray(this.#start, this.#start + length))
    this.#start += length
    this.#taken += length
    if (this.#start - this.#written >= WRITE_STEP) await this.#write()
  }

  /**
   * Takes the SHA-1 that ends the pack, and everything goes to the writer.
   *
   * @throws MalformedError when it is cut short, is not that of what came before it, or bytes follow it
   */
  async finish(): Promise<Uint8Array<ArrayBuffer>> {
    if (!(await this.more(20))) throw new MalformedError('a pack', 'it ends before its checksum')
    const digest = this.#hasher.digest()
    for (const [i, byte] of digest.entries()) {
      if (this.bytes[i] !== byte)
        throw new MalformedError('a pack', 'its checksum is not that of its bytes')
    }
    if (await this.more(21)) throw new MalformedError('a pack', 'bytes follow its checksum')
    this.#start += 20
    this.#taken += 20
    await this.#write()
    return digest
  }

  /** Lets the source know that nobody wants the rest. */
  async close(): Promise<void> {
    if (!this.#hasEnded) await this.#source.return?.()
  }

  async #append(piece: Uint8Array): Promise<void> {
    if (this.#taken + (this.#end - this.#start) + piece.length > this.#limit) {
      throw new RefusedError('too-large', `The pack is larger than ${this.#limit} bytes`)
    }
    if (this.#end + piece.length > this.#bytes.length) await this.#makeRoom(piece.length)
    this.#bytes.set(piece, this.#end)
    this.#end += piece.length
  }

  /** Moves what is left to the beginning of the buffer, of a larger one where it fills more than half of it. */
  async #makeRoom(length: number): Promise<void> {
    await this.#write()
    const left = this.#end - this.#start
    const rest = this.#bytes.subarray(this.#start, this.#end)
    if ((left + length) * 2 > this.#bytes.length) this.#bytes = new Uint8Array((left + length) * 2)
    this.#bytes.set(rest)
    this.#start = 0
    this.#end = left
    this.#written = 0
  }

  async #write(): Promise<void> {
    if (this.#start > this.#written)
      await this.#writer.write(this.#bytes.subarray(this.#written, this.#start))
    this.#written = this.#start
  }
}
