/**
 * What differs from one JavaScript runtime to the next: compression and hashing.
 *
 * The core takes a {@link Runtime} from whoever starts the program, so that each runs on the fastest that its runtime
 * has: `@datakit/git/runtime/node` (node:zlib, node:crypto) in Node and workerd, `@datakit/git/runtime/portable` (our own
 * of both) in browsers.
 *
 * Specs: RFC 1950 (zlib), FIPS 180-4 (SHA-1)
 *
 * @module
 */

/** SHA-1 of bytes that come in pieces. */
export interface Hasher {
  /** Takes the next piece; the bytes may be reused by the caller afterwards. */
  update(piece: Uint8Array): void
  /** The 20 bytes of the digest. Nothing may be fed afterwards. */
  digest(): Uint8Array<ArrayBuffer>
}

/** Compression and hashing. {@link Runtime.digest} and {@link Runtime.deflate} may go off the calling thread. */
export interface Runtime {
  /** Bodies up to this many bytes are better kept as they are on this machine: compressing them takes longer than it is worth. */
  readonly storesUpTo: number
  /** SHA-1, 20 bytes, of the parts one after the other. For small bodies; large ones go to {@link digest}. */
  sha1(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer>
  /**
   * SHA-1 of one large array, off the calling thread where the runtime can. The bytes may be reused as soon as the promise
   * is there.
   */
  digest(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>>
  /** SHA-1 of what comes in pieces. */
  hasher(): Hasher
  /**
   * Compresses `body` to a zlib stream. `level` 0 stores, 1 is fast, 9 is small; 6 when left out. Not every runtime tells
   * the others from each other.
   */
  deflate(body: Uint8Array, level?: number): Promise<Uint8Array<ArrayBuffer>>
  /**
   * Decompresses the zlib stream that begins at `start` and ends no later than `end` (bytes behind it are allowed), to
   * exactly `size` bytes.
   *
   * @throws MalformedError when the stream is corrupt, ends before `size` bytes or goes on behind them
   */
  inflate(bytes: Uint8Array, start: number, end: number, size: number): Uint8Array<ArrayBuffer>
  /**
   * The same, where nobody knows how long the stream is: tells how many compressed bytes it used, its checksum included.
   * `undefined` when `bytes` end before the stream does: the caller comes again with more. The body is put into memory that
   * `makeRoom` gives, or into memory of its own.
   *
   * @throws MalformedError when the stream is corrupt, its Adler-32 is wrong or it does not hold exactly `size` bytes
   */
  inflateOpen(
    bytes: Uint8Array,
    start: number,
    size: number,
    makeRoom?: (size: number) => Uint8Array<ArrayBuffer>,
  ): { readonly body: Uint8Array<ArrayBuffer>; readonly used: number } | undefined
}
