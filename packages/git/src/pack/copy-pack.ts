/**
 * Copying objects into a new pack: to answer a fetch, to push, to merge packs.
 *
 * Entries are copied as they are stored. A delta stays one only when its base comes earlier in the new pack, or when the
 * receiver has it; everything else is read and compressed anew. That order is total, so that copies of two objects which
 * are each a delta of the other never make a circle.
 *
 * @module
 */
import { concat } from '../bytes.ts'
import { MalformedError, MissingError } from '../error.ts'
import type { Located } from '../object-lookup.ts'
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import { crc32 } from './crc32.ts'
import { readEntryHeader } from './entry.ts'
import { readLinks, unpackLinks, type Links } from './links.ts'
import { PackStream, type StreamedObject } from './pack-stream.ts'
import type { PackTable } from './pack-table.ts'

/** How objects are copied. */
export interface CopyOptions {
  /** Whether the receiver has an object, so that deltas against it may be sent: a thin pack. Nothing when left out. */
  readonly receiverHas?: ((oid: Oid) => boolean) | undefined
  /** Whether the receiver reads OFS_DELTA; `true` when left out. */
  readonly usesDistance?: boolean | undefined
  /** Is given a row for every object, with its links. */
  readonly table?: PackTable | undefined
  /** Whether each entry is compared with its CRC-32 first, as it should where the copy replaces what it is made of. */
  readonly checks?: boolean | undefined
  /** Objects whose first copy is damaged: they are read, from whichever copy is sound, and written whole. */
  readonly rereads?: ReadonlySet<Oid> | undefined
  readonly signal?: AbortSignal | undefined
}

/** An object that is copied, and from where. */
interface Source {
  readonly oid: Oid
  readonly located: Located | undefined
}

/** Objects whose windows are fetched ahead. */
const AHEAD = 128
/** What is passed on at once. */
const PIECE = 256 * 1024

/**
 * The pack that holds the objects, each once, in the order in which they are stored. If it throws, what came before is
 * no pack.
 *
 * @throws MissingError, NotHereError, MalformedError as `Objects.read`
 * @throws RefusedError `too-large` when it would pass 4 GiB
 */
export async function* copyPack(
  objects: Objects,
  oids: Iterable<Oid>,
  options: CopyOptions = {},
): AsyncGenerator<Uint8Array> {
  const sources = await inStoredOrder(objects, new Set(oids))
  const stream = new PackStream(objects.runtime, sources.length, options.table)
  let parts = stream.begin()
  let held = 0
  for (const [i, source] of sources.entries()) {
    options.signal?.throwIfAborted()
    if (i % AHEAD === 0) prefetch(objects, sources.slice(i, i + 2 * AHEAD))
    for (const part of await copyOne(objects, source, { stream, options })) {
      parts.push(part)
      held += part.length
    }
    if (held < PIECE) continue
    yield concat(parts)
    parts = []
    held = 0
  }
  yield concat([...parts, ...stream.end()])
}

async function inStoredOrder(objects: Objects, oids: ReadonlySet<Oid>): Promise<Source[]> {
  const sources: Source[] = []
  for (const oid of oids) sources.push({ oid, located: (await objects.locate(oid))[0] })
  const ranks = new Map(objects.state.packs.map(({ id }, rank) => [id, rank]))
  const rank = ({ located }: Source) =>
    located === undefined ? -1 : (ranks.get(located.pack.id) ?? 0)
  const offset = ({ located }: Source) => located?.index.offset(located.ordinal) ?? 0
  return sources.sort((a, b) => rank(a) - rank(b) || offset(a) - offset(b))
}

function prefetch(objects: Objects, sources: readonly Source[]): void {
  objects.prefetch(sources.flatMap(({ located }) => located ?? []))
}

interface Copying {
  readonly stream: PackStream
  readonly options: CopyOptions
}

async function copyOne(
  objects: Objects,
  { oid, located }: Source,
  copying: Copying,
): Promise<Uint8Array[]> {
  // What nobody verified is not passed on as it is.
  if (located?.pack.verified === true && copying.options.rereads?.has(oid) !== true) {
    try {
      const copied = await copyStored(objects, { oid, located }, copying)
      if (copied !== undefined) return copied
    } catch (error) {
      // The pack is gone: `read` looks where the object is instead.
      if (!(error instanceof MissingError)) throw error
    }
  }
  const { stream, options } = copying
  const object = await objects.read(oid)
  const links = await linksOf(objects, oid, { stream, options })
  return stream.whole({ oid, type: object.type, size: object.body.length, links }, object)
}

/** What the table is told that an object names: a tree by another only if the receiver will have that before. */
async function linksOf(
  objects: Objects,
  oid: Oid,
  { stream, options }: Copying,
): Promise<Links | undefined> {
  if (options.table === undefined) return undefined
  const links = await objects.links(oid)
  if (links?.kind !== 'tree' || links.against === undefined) return links
  if (stream.has(links.against) || options.receiverHas?.(links.against) === true) return links
  const whole = readLinks('tree', (await objects.read(oid)).body)
  return whole === undefined ? undefined : unpackLinks(whole)
}

/** The stored entry with a header that fits; `undefined` when it is a delta that the receiver could not resolve. */
async function copyStored(
  objects: Objects,
  { oid, located }: { oid: Oid; located: Located },
  { stream, options }: Copying,
): Promise<Uint8Array[] | undefined> {
  const { pack, index, ordinal } = located
  const start = index.offset(ordinal)
  const entry = await objects.readSpan({ pack, start, end: start + index.length(ordinal) })
  const header = readEntryHeader(entry, 0)
  if (header === undefined)
    throw new MalformedError(`pack ${pack.id}`, `the entry at ${start} is cut short`)
  if (options.checks === true && crc32(entry) !== (await index.crcs())[ordinal]) {
    throw new MalformedError(
      `pack ${pack.id}`,
      `the entry at ${start} has another checksum than its index says`,
    )
  }
  const links = await linksOf(objects, oid, { stream, options })
  const object: StreamedObject = {
    oid,
    type: index.type(ordinal),
    size: index.size(ordinal),
    links,
  }
  if (header.type !== undefined) return stream.stored(object, entry)
  const base = index.linkOid(index.base(ordinal))
  if (base === undefined) return undefined
  if (!stream.has(base) && options.receiverHas?.(base) !== true) return undefined
  const delta = { base, size: header.size, data: entry.subarray(header.length) }
  return stream.delta(object, delta, options.usesDistance !== false)
}
