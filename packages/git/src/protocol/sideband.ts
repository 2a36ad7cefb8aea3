/**
 * Side-band: three streams over one. Band 1 is the pack (or a report), 2 is progress for a person, 3 a fatal error.
 *
 * Frames are cut per window of bytes, never per piece that happened to come: full frames, one array a window.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-pack#_packfile_data, https://git-scm.com/docs/protocol-v2#_fetch
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat, text, utf8 } from '../bytes.ts'
import { MalformedError, RefusedError } from '../error.ts'
import { FLUSH, expectPacket, writeLength } from './pkt-line.ts'

/** What the bands carry. */
export const BANDS = { data: 1, progress: 2, error: 3 } as const

/** Most bytes that a frame carries behind its band, for `side-band-64k` and for version 2. */
export const LARGE_FRAME = 65_515

/** The same for the old `side-band`. */
export const SMALL_FRAME = 995

// Frames that go out together take about so many bytes: a frame a piece would cost a packet for every object of a pack.
const WINDOW = 1 << 18

/** Frames that carry the bytes on a band, in one array; none for no bytes. */
export function encodeBand(
  band: number,
  bytes: Uint8Array,
  frame = LARGE_FRAME,
): Uint8Array<ArrayBuffer> {
  const count = Math.ceil(bytes.length / frame)
  const out = new Uint8Array(bytes.length + count * 5)
  let at = 0
  for (let start = 0; start < bytes.length; start += frame) {
    const part = bytes.subarray(start, start + frame)
    writeLength(part.length + 5, out, at)
    out[at + 4] = band
    out.set(part, at + 5)
    at += part.length + 5
  }
  return out
}

/** A message for the person at the other end. Bring your own newline, or carriage return for a line that changes. */
export function encodeProgress(message: string, frame = LARGE_FRAME): Uint8Array<ArrayBuffer> {
  return encodeBand(BANDS.progress, utf8(message), frame)
}

/**
 * The stream on band 1. A flush packet is not written: the message around the pack ends it. When `source` fails, so
 * does this, and the caller must cut the connection: see {@link encodeFatal}.
 *
 * What it gives lies in one buffer that is used again: valid until the next piece is asked for.
 */
export async function* bandFrames(
  source: AsyncIterable<Uint8Array>,
  frame = LARGE_FRAME,
): AsyncGenerator<Uint8Array, void, undefined> {
  const frames = new Frames(frame)
  for await (const piece of source) {
    for (let at = 0; at < piece.length;) {
      at += frames.take(piece, at)
      if (frames.isFull) yield frames.seal()
    }
  }
  const rest = frames.seal()
  if (rest.length > 0) yield rest
}

/** Full frames of band 1, filled byte by byte. */
class Frames {
  readonly #frame: number
  readonly #capacity: number
  readonly #bytes: Uint8Array
  /** Bytes that were taken, without what stands before them in each frame. */
  #taken = 0

  constructor(frame: number) {
    const count = Math.floor(WINDOW / frame)
    this.#frame = frame
    this.#capacity = count * frame
    this.#bytes = new Uint8Array(count * (frame + 5))
  }

  get isFull(): boolean {
    return this.#taken === this.#capacity
  }

  /** Takes what fits into the frame that is being filled; tells how much. */
  take(piece: Uint8Array, from: number): number {
    const inFrame = this.#taken % this.#frame
    const length = Math.min(this.#frame - inFrame, piece.length - from)
    this.#bytes.set(
      piece.subarray(from, from + length),
      this.#end(this.#taken - inFrame) + 5 + inFrame,
    )
    this.#taken += length
    return length
  }

  /** The frames, which are empty then. */
  seal(): Uint8Array {
    for (let start = 0; start < this.#taken; start += this.#frame) {
      const at = this.#end(start)
      writeLength(Math.min(this.#frame, this.#taken - start) + 5, this.#bytes, at)
      this.#bytes[at + 4] = BANDS.data
    }
    const frames = this.#bytes.subarray(0, this.#end(this.#taken))
    this.#taken = 0
    return frames
  }

  /** Where so many bytes end, with what stands before them. */
  #end(taken: number): number {
    return taken + 5 * Math.ceil(taken / this.#frame)
  }
}

/** What is sent when a stream on band 1 breaks off: an error that no client takes for the end. */
export function encodeFatal(message: string, frame = LARGE_FRAME): Uint8Array<ArrayBuffer> {
  return concat([encodeBand(BANDS.error, utf8(`${message}\n`), frame), FLUSH])
}

/**
 * What comes on band 1, up to and including the flush packet.
 *
 * @throws RefusedError `remote` when the other side reports an error on band 3
 * @throws MalformedError when there is no flush packet, or a band that means nothing
 */
export async function* readBands(
  reader: ByteReader,
  onProgress: (message: string) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) {
    const packet = await expectPacket(reader, 'a side-band')
    if (packet.kind !== 'line') return
    const [band] = packet.payload
    const bytes = packet.payload.subarray(1)
    if (band === BANDS.data) yield bytes
    else if (band === BANDS.progress) onProgress(text(bytes))
    else if (band === BANDS.error)
      throw new RefusedError('remote', `The other side says: ${text(bytes).trimEnd()}`)
    // Git sends an empty packet now and then, so that the line does not look dead.
    else if (band !== undefined) throw new MalformedError('a side-band', `there is no band ${band}`)
  }
}
