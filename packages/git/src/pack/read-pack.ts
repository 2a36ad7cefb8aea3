/**
 * Reading a pack that comes from outside: every object inflated, its deltas resolved, and named.
 *
 * The first pass takes the stream as it comes, hands it on to the writer and names whole objects, and those made of
 * bases that are still at hand. The second resolves the other deltas, bases first and depth first, so that each base is
 * made once; what does not fit into memory is read again from the writer. Nothing that a header announces is allocated
 * before the bytes that it takes are there.
 *
 * Spec: https://git-scm.com/docs/pack-format
 *
 * @module
 */
import { ByteCache } from '../byte-cache.ts'
import { MalformedError, RefusedError } from '../error.ts'
import type { GitObject, ObjectType } from '../object.ts'
import { readOid, type Oid } from '../oid.ts'
import type { PackWriter } from '../place.ts'
import type { Runtime } from '../runtime.ts'
import { BodyCache } from './body-cache.ts'
import { crc32 } from './crc32.ts'
import { DeltaResolver } from './delta-resolver.ts'
import { errorOfEntry } from './entry-error.ts'
import { readEntryHeader, type EntryHeader } from './entry.ts'
import { EntryTable, NONE } from './entry-table.ts'
import { readLinks } from './links.ts'
import { objectNameBytes } from './object-name.ts'
import { PackInput } from './pack-input.ts'
import { allLimits, checkSize, spend, type PackBudget, type PackLimits } from './pack-limits.ts'
import { PackTable } from './pack-table.ts'
import { reusedRoom } from './room.ts'

/** An object of the pack, as it is met: bases before what is made of them. */
export interface PackedObject extends GitObject {
  readonly oid: Oid
}

/** How a pack is read. */
export interface ReadPackOptions {
  readonly runtime: Runtime
  /** Takes the pack as it comes. Stays the caller's, to finish or to abort. */
  readonly writer: Pick<PackWriter, 'write' | 'read'>
  /** Objects that a thin pack may have its bases in; nothing is outside when left out. */
  readonly resolveBase?: ((oid: Oid) => Promise<GitObject | undefined>) | undefined
  /**
   * Called for every object; the body is not to be changed, and is another one's once the call, or its promise, is over.
   * What it throws ends the reading.
   */
  readonly onObject?: ((object: PackedObject) => void | Promise<void>) | undefined
  /** Told how many objects the pack announces, before the first of them. */
  readonly onCount?: ((count: number) => void) | undefined
  readonly limits?: PackLimits | undefined
  /** Takes a pack that holds objects twice, as existing ones do; see `distinctRows`. */
  readonly allowsRepeats?: boolean | undefined
  /** Bytes of bodies and deltas that are kept between the passes; 48 MiB when left out. */
  readonly cache?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** A pack that was read. */
export interface ReadPack {
  readonly table: PackTable
  /** The SHA-1 that ends the pack. */
  readonly trailer: Uint8Array<ArrayBuffer>
  /** Bytes of the pack, trailer included. */
  readonly size: number
  /** Bases that the pack does not hold: none unless it is thin. */
  readonly outside: readonly Oid[]
}

/**
 * Reads a whole pack from `source`, to its end.
 *
 * @throws MalformedError when it is not a pack of version 2 or 3, cut short, corrupt, holds an object twice unless it may, has another
 *   number of objects than it announces or bytes behind its trailer
 * @throws MissingError when the base of a delta is nowhere
 * @throws RefusedError `too-large`, `too-many` or `too-deep` when it is beyond a limit
 */
export async function readPack(
  source: AsyncIterable<Uint8Array>,
  options: ReadPackOptions,
): Promise<ReadPack> {
  const { runtime, writer, signal } = options
  const limits = allLimits(options.limits)
  const input = new PackInput(source, runtime, { writer, limit: limits.bytes, signal })
  const scan = new PackScan(input, options, limits)
  try {
    const trailer = await scan.run()
    const outside = await scan.resolver.run()
    return { table: scan.table, trailer, size: input.offset, outside }
  } finally {
    scan.release()
    await input.close()
  }
}

interface OpenEntry {
  readonly header: EntryHeader
  /** Valid until the next entry is opened. */
  readonly body: Uint8Array
  /** Compressed bytes of the body. */
  readonly used: number
  readonly base: number
}

/** The first pass. */
class PackScan {
  readonly table = new PackTable()
  /** Makes what is a delta, now and in the second pass. */
  readonly resolver: DeltaResolver
  readonly #entries = new EntryTable()
  /** Bodies, by entry. */
  readonly #bodies: BodyCache
  /** Deltas that have to wait, by entry. */
  readonly #deltas: ByteCache<number, Uint8Array>
  readonly #limits: PackBudget
  /** Where one body or delta after the other is inflated to. */
  readonly #makeRoom = reusedRoom()
  readonly #input: PackInput
  readonly #options: ReadPackOptions

  constructor(input: PackInput, options: ReadPackOptions, limits: PackBudget) {
    this.#input = input
    this.#options = options
    this.#limits = limits
    const cache = options.cache ?? 48 * 1024 * 1024
    this.#bodies = new BodyCache(cache / 2)
    this.#deltas = new ByteCache(cache / 2)
    const [entries, bodies, deltas] = [this.#entries, this.#bodies, this.#deltas]
    this.resolver = new DeltaResolver({
      ...options,
      table: this.table,
      entries,
      bodies,
      deltas,
      limits,
    })
  }

  /** Reads everything; gives the trailer. */
  async run(): Promise<Uint8Array<ArrayBuffer>> {
    const count = await this.#readCount()
    for (let i = 0; i < count; i++) await this.#readEntry()
    return this.#input.finish()
  }

  /** Gives back what was kept between the passes. */
  release(): void {
    this.#bodies.release()
    this.#entries.release()
  }

  async #readCount(): Promise<number> {
    if (!(await this.#input.more(12))) throw malformed('it ends inside its header')
    const { bytes } = this.#input
    const view = new DataView(bytes.buffer, bytes.byteOffset, 12)
    if (view.getUint32(0) !== 0x5041434b) throw malformed('it does not begin with "PACK"')
    const version = view.getUint32(4)
    if (version !== 2 && version !== 3) throw malformed(`its version is ${version}, expected 2`)
    const count = view.getUint32(8)
    if (count > this.#limits.objects) {
      throw new RefusedError(
        'too-many',
        `The pack has ${count} objects, at most ${this.#limits.objects} are taken`,
      )
    }
    await this.#input.take(12)
    this.#options.onCount?.(count)
    return count
  }

  async #readEntry(): Promise<void> {
    const input = this.#input
    const { header, body, used, base } = await this.#openEntry().catch((error: unknown) => {
      throw errorOfEntry(error, this.#entries.count, input.offset)
    })
    const length = header.length + used
    const offset = input.offset
    const crc = crc32(input.bytes, 0, 0, length)
    const { length: head, size, base: baseOid } = header
    const entry = this.#entries.add({ offset, length, head, size, crc, base, baseOid })
    await input.take(length)
    if (header.type !== undefined) return this.#addWhole(entry, header.type, body)
    const made = this.resolver.makeNow(entry, body)
    if (made === undefined) this.#deltas.set(entry, body.slice(), size + 100)
    else await made
  }

  /** What the next entry holds, and the entry that its base is. */
  async #openEntry(): Promise<OpenEntry> {
    const header = await this.#readHeader()
    checkSize(header.size, this.#limits)
    const { body, used } = await this.#inflate(header)
    if (header.distance === undefined) return { header, body, used, base: NONE }
    const base = this.#entries.at(this.#input.offset - header.distance)
    if (base === NONE) throw malformed('no entry begins where its base should be')
    return { header, body, used, base }
  }

  async #readHeader(): Promise<EntryHeader> {
    for (let length = 1; ; length = this.#input.bytes.length + 1) {
      if (!(await this.#input.more(length))) throw malformed('it ends before its last object')
      const header = readEntryHeader(this.#input.bytes, 0)
      if (header !== undefined) return header
    }
  }

  async #inflate(header: EntryHeader): Promise<{ body: Uint8Array; used: number }> {
    for (;;) {
      const { bytes } = this.#input
      const inflated = this.#options.runtime.inflateOpen(
        bytes,
        header.length,
        header.size,
        this.#makeRoom,
      )
      if (inflated !== undefined) return inflated
      // Twice as much each time: a large object that comes in small pieces is tried a few times and not thousands.
      const had = bytes.length
      if (!(await this.#input.more(had * 2)) && this.#input.bytes.length === had) {
        throw malformed('it ends inside an object')
      }
    }
  }

  async #addWhole(entry: number, type: ObjectType, body: Uint8Array): Promise<void> {
    spend(body.length, this.#limits)
    const named = objectNameBytes(this.#options.runtime, { type, body })
    const oid = named instanceof Uint8Array ? named : await named
    const { table } = this
    const entries = this.#entries
    const row = { oid, type, size: body.length, base: undefined, links: readLinks(type, body) }
    entries.setRow(
      entry,
      table.addRaw({
        ...row,
        offset: entries.offset(entry),
        length: entries.length(entry),
        crc: entries.crc(entry),
      }),
    )
    this.#bodies.set(entry, body)
    const { onObject } = this.#options
    const called = onObject === undefined ? undefined : onObject({ type, body, oid: readOid(oid) })
    if (called !== undefined) await called
  }
}

function malformed(problem: string): MalformedError {
  return new MalformedError('a pack', problem)
}
