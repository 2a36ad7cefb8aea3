/**
 * PackStream: a pack that is written entry by entry, with entries copied from other packs as they are.
 *
 * Spec: https://git-scm.com/docs/pack-format
 *
 * @module
 */
import { RefusedError } from '../error.ts'
import type { GitObject, ObjectType } from '../object.ts'
import { encodeOid, type Oid } from '../oid.ts'
import type { Hasher, Runtime } from '../runtime.ts'
import { crc32 } from './crc32.ts'
import { encodeEntryHeader, encodeOfsHeader, encodeRefHeader } from './entry.ts'
import { packLinks, type Links } from './links.ts'
import type { PackTable } from './pack-table.ts'
import { encodePackHeader } from './write-pack.ts'

/** The longest pack that is written, in bytes: offsets are kept in 32 bits. */
export const MAX_PACK = 2 ** 32 - 1

/** What the table is told of an entry. */
export interface StreamedObject {
  readonly oid: Oid
  readonly type: ObjectType
  /** Length of the body. */
  readonly size: number
  readonly links: Links | undefined
}

/** A delta, compressed already, to be given another header. */
export interface StoredDelta {
  readonly base: Oid
  /** Length of the delta before it was compressed. */
  readonly size: number
  /** The compressed delta. */
  readonly data: Uint8Array
}

/** Encodes a pack of a known number of objects. What its methods give is to be sent in that order. */
export class PackStream {
  readonly #runtime: Runtime
  readonly #hasher: Hasher
  readonly #count: number
  readonly #table: PackTable | undefined
  readonly #offsets = new Map<Oid, number>()
  #offset = 0

  /** A pack of `count` objects; each is entered in `table`, if there is one. */
  constructor(runtime: Runtime, count: number, table?: PackTable) {
    this.#runtime = runtime
    this.#hasher = runtime.hasher()
    this.#count = count
    this.#table = table
  }

  /** Bytes that were given so far. */
  get offset(): number {
    return this.#offset
  }

  /** Whether the object was given before. */
  has(oid: Oid): boolean {
    return this.#offsets.has(oid)
  }

  /** The header. Comes first. */
  begin(): Uint8Array[] {
    return this.#pass([encodePackHeader(this.#count)])
  }

  /** An object as a whole, compressed here. */
  async whole(object: StreamedObject, { type, body }: GitObject): Promise<Uint8Array[]> {
    const data = await this.#runtime.deflate(body)
    return this.#entry(object, undefined, [encodeEntryHeader(type, body.length), data])
  }

  /** An entry of a whole object as it is stored elsewhere, header included. */
  stored(object: StreamedObject, entry: Uint8Array): Uint8Array[] {
    return this.#entry(object, undefined, [entry])
  }

  /**
   * A delta as it is stored elsewhere: by distance when its base was given before and `usesDistance`, by name otherwise.
   */
  delta(
    object: StreamedObject,
    { base, size, data }: StoredDelta,
    usesDistance: boolean,
  ): Uint8Array[] {
    const at = usesDistance ? this.#offsets.get(base) : undefined
    const header =
      at === undefined ? encodeRefHeader(size, base) : encodeOfsHeader(size, this.#offset - at)
    return this.#entry(object, base, [header, data])
  }

  /** The trailer. @throws RangeError when fewer or more objects were given than announced */
  end(): Uint8Array[] {
    if (this.#offsets.size !== this.#count) {
      throw new RangeError(`A pack of ${this.#count} objects was given ${this.#offsets.size}`)
    }
    const digest = this.#hasher.digest()
    this.#offset += digest.length
    return [digest]
  }

  #entry(object: StreamedObject, base: Oid | undefined, parts: Uint8Array[]): Uint8Array[] {
    const { oid, type, size, links } = object
    if (this.#offsets.has(oid)) throw new RangeError(`${oid} is given to a pack twice`)
    const offset = this.#offset
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    if (offset + length + 20 > MAX_PACK) {
      throw new RefusedError('too-large', `A pack would be larger than ${MAX_PACK} bytes`)
    }
    this.#offsets.set(oid, offset)
    this.#table?.addRaw({
      oid: encodeOid(oid),
      offset,
      length,
      crc: parts.reduce((crc, part) => crc32(part, crc), 0),
      type,
      size,
      base: base === undefined ? undefined : encodeOid(base),
      links: links === undefined ? undefined : packLinks(links),
    })
    return this.#pass(parts)
  }

  #pass(parts: Uint8Array[]): Uint8Array[] {
    for (const part of parts) {
      this.#hasher.update(part)
      this.#offset += part.length
    }
    return parts
  }
}
