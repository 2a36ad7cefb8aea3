/**
 * StoredPack: the bytes of a pack that a place keeps, to be read from the beginning to the end, and here and there once more.
 *
 * The deltas of a pack are not made in the order in which they are stored, so that a pack that is read again goes back to
 * thousands of its entries. A request to a place takes a millisecond or more: what was read is kept for a while.
 *
 * @module
 */
import { ByteCache } from '@datakit/git/byte-cache'
import { concat } from '@datakit/git/bytes'
import type { PackInfo, PackWriter, Place } from '@datakit/git/place'

/** What is read at once on the way through, and of it what is kept or read again. In bytes. */
const STEP = 1024 * 1024
const PIECE = 256 * 1024
/** Bytes that are kept. */
const KEPT = 16 * 1024 * 1024

/** Reads one pack of a place. */
export class StoredPack {
  readonly #place: Place
  readonly #pack: PackInfo
  /** By number, from the beginning of the pack. */
  readonly #pieces = new ByteCache<number, Uint8Array>(KEPT)

  constructor(place: Place, pack: PackInfo) {
    this.#place = place
    this.#pack = pack
  }

  /** What `readPack` reads again of what it has seen; what it writes is there already. */
  get writer(): Pick<PackWriter, 'write' | 'read'> {
    return { write: async () => {}, read: (start, end) => this.read(start, end) }
  }

  /** All of it, a piece at a time. */
  async *pieces(): AsyncGenerator<Uint8Array> {
    const { size } = this.#pack
    for (let start = 0; start < size; start += STEP) {
      const bytes = await this.#place.readPack(this.#pack.id, start, Math.min(size, start + STEP))
      for (let at = 0; at < bytes.length; at += PIECE)
        this.#keep((start + at) / PIECE, bytes.subarray(at, at + PIECE))
      yield bytes
    }
  }

  /** The bytes from `start` up to `end`; fewer where the pack ends before. */
  async read(start: number, end: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    for (let at = start; at < end;) {
      const number = Math.floor(at / PIECE)
      const from = number * PIECE
      const piece = this.#pieces.get(number) ?? (await this.#piece(number))
      parts.push(piece.subarray(at - from, end - from))
      at = from + PIECE
    }
    const [first] = parts
    return first !== undefined && parts.length === 1 ? first : concat(parts)
  }

  async #piece(number: number): Promise<Uint8Array> {
    const { id, size } = this.#pack
    const start = number * PIECE
    const piece = await this.#place.readPack(id, start, Math.min(size, start + PIECE))
    this.#keep(number, piece)
    return piece
  }

  #keep(number: number, piece: Uint8Array): void {
    this.#pieces.set(number, piece, piece.length)
  }
}
