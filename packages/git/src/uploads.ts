/**
 * Uploads: parts of packs that clients are sending, kept for them between requests.
 *
 * A pack that is uploaded in parts belongs to nothing yet: no state names it, nobody reads it but the request that ends it.
 * Parts are named by what they are, so that whoever sends one twice changes nothing.
 *
 * @module
 */

/** Where a pack that is uploaded in parts is kept. */
export interface Upload {
  /** Name of the repository, which need not exist yet. */
  readonly repository: string
  /** The SHA-1 at the end of the pack, 40 hexadecimal digits. */
  readonly pack: string
}

/** Keeps parts of packs, whatever else happens to the server. Bounded in bytes and in time. */
export interface Uploads {
  /** Lengths of the parts that are here, by their numbers, which count from 0. */
  list(upload: Upload): Promise<ReadonlyMap<number, number>>
  /**
   * Keeps a part; on return it outlives a crash. Packs of the same repository that nobody went on with for longest make room
   * for it.
   *
   * @throws UnavailableError when it cannot be written
   */
  write(upload: Upload, number: number, bytes: Uint8Array): Promise<void>
  /** A part as it was written; `undefined` when it is not here. */
  read(upload: Upload, number: number): Promise<Uint8Array | undefined>
  /** Lets go of a pack. */
  remove(upload: Upload): Promise<void>
  /** Lets go of every pack that nobody went on with for a day. */
  sweep(): Promise<{ readonly deleted: number }>
}
