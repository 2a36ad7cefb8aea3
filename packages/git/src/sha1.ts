/**
 * SHA-1, synchronous, in plain TypeScript, for runtimes that only offer it asynchronously.
 *
 * `crypto.subtle` answers one microtask and one thread hop later, which costs more than hashing the small bodies that
 * a configuration repository is made of.
 *
 * Spec: FIPS 180-4, section 6.1
 *
 * @module
 */
import type { Hasher } from './runtime.ts'

const BLOCK = 64

/** SHA-1, 20 bytes, of the parts one after the other. */
export function sha1(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const hash = new Sha1()
  for (const part of parts) hash.update(part)
  return hash.digest()
}

// One schedule serves every hash: nothing is awaited between filling it and using it up.
const schedule = new Int32Array(80)

/** What a hash begins with. */
export const INITIAL_STATE: Int32Array = Int32Array.of(
  0x67452301,
  0xefcdab89,
  0x98badcfe,
  0x10325476,
  0xc3d2e1f0,
)

/** SHA-1 of bytes that come in pieces. */
export class Sha1 implements Hasher {
  readonly #state = INITIAL_STATE.slice()
  readonly #pending = new Uint8Array(BLOCK)
  #pendingLength = 0
  #length = 0

  /** Takes the next piece; the bytes may be reused by the caller afterwards. */
  update(piece: Uint8Array): void {
    this.#length += piece.length
    let offset = 0
    if (this.#pendingLength > 0) {
      offset = Math.min(BLOCK - this.#pendingLength, piece.length)
      this.#pending.set(piece.subarray(0, offset), this.#pendingLength)
      this.#pendingLength += offset
      if (this.#pendingLength < BLOCK) return
      compress(this.#state, this.#pending, 0)
      this.#pendingLength = 0
    }
    for (; offset + BLOCK <= piece.length; offset += BLOCK) compress(this.#state, piece, offset)
    this.#pending.set(piece.subarray(offset))
    this.#pendingLength = piece.length - offset
  }

  /** The 20 bytes of the digest. Nothing may be fed afterwards. */
  digest(): Uint8Array<ArrayBuffer> {
    const pending = this.#pending
    pending.fill(0, this.#pendingLength)
    pending[this.#pendingLength] = 0x80
    if (this.#pendingLength >= BLOCK - 8) {
      compress(this.#state, pending, 0)
      pending.fill(0)
    }
    const view = new DataView(pending.buffer)
    // Whatever is above 32 bits, or below one, is cut off.
    view.setUint32(56, this.#length / 0x20000000)
    view.setUint32(60, this.#length * 8)
    compress(this.#state, pending, 0)
    const digest = new Uint8Array(20)
    const digestView = new DataView(digest.buffer)
    this.#state.forEach((word, i) => digestView.setInt32(4 * i, word))
    return digest
  }
}

function fillSchedule(w: Int32Array, bytes: Uint8Array, offset: number): void {
  for (let i = 0, at = offset; i < 16; i++, at += 4) {
    w[i] =
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)
  }
  for (let i = 16; i < 80; i++) {
    const x =
      (w[i - 3] as number) ^ (w[i - 8] as number) ^ (w[i - 14] as number) ^ (w[i - 16] as number)
    w[i] = (x << 1) | (x >>> 31)
  }
}

/**
 * One block into the state. The casts hold because every index is below the length of its array: `compress` is only
 * called with a whole block. Four loops, so that no round asks which function it takes.
 */
export function compress(state: Int32Array, bytes: Uint8Array, offset: number): void {
  const w = schedule
  fillSchedule(w, bytes, offset)
  let a = state[0] as number
  let b = state[1] as number
  let c = state[2] as number
  let d = state[3] as number
  let e = state[4] as number
  let i = 0
  let next = 0
  for (; i < 20; i++) {
    next = (((a << 5) | (a >>> 27)) + (d ^ (b & (c ^ d))) + e + (w[i] as number) + 0x5a827999) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (; i < 40; i++) {
    next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + (w[i] as number) + 0x6ed9eba1) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (; i < 60; i++) {
    next =
      (((a << 5) | (a >>> 27)) + ((b & c) | (d & (b | c))) + e + (w[i] as number) + 0x8f1bbcdc) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (; i < 80; i++) {
    next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + (w[i] as number) + 0xca62c1d6) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  state[0] = (state[0] as number) + a
  state[1] = (state[1] as number) + b
  state[2] = (state[2] as number) + c
  state[3] = (state[3] as number) + d
  state[4] = (state[4] as number) + e
}
