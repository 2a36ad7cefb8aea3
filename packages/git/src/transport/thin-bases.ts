/**
 * Thin bases: how far a pack may lean on others.
 *
 * A client sends each version of a tree as a delta to the one before. Kept as they come, a thousand pushes would be a
 * chain through a thousand packs, and every read would follow it. Where the chain under a base is long enough, the base
 * is put into the new pack as a whole, and the next chain begins there.
 *
 * @module
 */
import { concat } from '../bytes.ts'
import type { Objects } from '../objects.ts'
import { encodeOid, type Oid } from '../oid.ts'
import { crc32 } from '../pack/crc32.ts'
import { encodeEntryHeader } from '../pack/entry.ts'
import { NO_LINK } from '../pack/index-format.ts'
import { readLinks } from '../pack/links.ts'
import { encodePackHeader } from '../pack/write-pack.ts'
import type { PackWriter } from '../place.ts'
import type { UnfinishedPack } from './stage.ts'

/** Deltas under the base of a thin delta, at which the base is copied. */
const MAX_CHAIN = 32
/** Bytes that are copied at once. */
const STEP = 1024 * 1024

/** The pack, with whole copies of those bases that stand on long chains. The writer may be another one then. */
export async function shortenChains(
  objects: Objects,
  pack: UnfinishedPack,
): Promise<UnfinishedPack> {
  if (!objects.place.traits.keepsThinPacks) return pack
  const deep = new Set<Oid>()
  for (const base of pack.outside)
    if ((await chainUnder(objects, base)) >= MAX_CHAIN) deep.add(base)
  return deep.size === 0 ? pack : withBases(objects, pack, deep)
}

/** How many deltas lead from the object to a whole one; stops counting at `MAX_CHAIN`. */
async function chainUnder(objects: Objects, oid: Oid): Promise<number> {
  let [at] = await objects.locate(oid)
  let depth = 0
  while (at !== undefined && depth < MAX_CHAIN) {
    const link = at.index.base(at.ordinal)
    if (link === NO_LINK) break
    depth++
    const outside = link < at.index.count ? undefined : at.index.linkOid(link)
    at = outside === undefined ? { ...at, ordinal: link } : (await objects.locate(outside))[0]
  }
  return depth
}

/** Copies the pack into a new writer, with a larger number in its header and the bases behind its last object. */
async function withBases(
  objects: Objects,
  pack: UnfinishedPack,
  bases: ReadonlySet<Oid>,
): Promise<UnfinishedPack> {
  const copy = new PackCopy(objects, await objects.place.writePack())
  try {
    await copy.put(encodePackHeader(pack.table.count + bases.size))
    for (let at = 12; at < pack.size - 20; at += STEP) {
      await copy.put(await pack.writer.read(at, Math.min(at + STEP, pack.size - 20)))
    }
    for (const base of bases) await copy.putObject(base, pack)
    const { trailer, size } = await copy.end()
    await pack.writer.abort()
    const outside = pack.outside.filter((oid) => !bases.has(oid))
    return { table: pack.table, writer: copy.writer, trailer, size, outside }
  } catch (error) {
    await copy.writer.abort()
    throw error
  }
}

class PackCopy {
  readonly writer: PackWriter
  readonly #objects: Objects
  readonly #hasher
  #size = 0

  constructor(objects: Objects, writer: PackWriter) {
    this.writer = writer
    this.#objects = objects
    this.#hasher = objects.runtime.hasher()
  }

  async put(bytes: Uint8Array): Promise<void> {
    this.#hasher.update(bytes)
    this.#size += bytes.length
    await this.writer.write(bytes)
  }

  /** Adds a whole object, to the table too. */
  async putObject(oid: Oid, { table }: UnfinishedPack): Promise<void> {
    const { type, body } = await this.#objects.read(oid)
    const entry = concat([
      encodeEntryHeader(type, body.length),
      await this.#objects.runtime.deflate(body),
    ])
    const offset = this.#size
    await this.put(entry)
    table.addRaw({
      oid: encodeOid(oid),
      type,
      size: body.length,
      offset,
      length: entry.length,
      crc: crc32(entry),
      base: undefined,
      links: readLinks(type, body),
    })
  }

  async end(): Promise<{ trailer: Uint8Array<ArrayBuffer>; size: number }> {
    const trailer = this.#hasher.digest()
    await this.writer.write(trailer)
    return { trailer, size: this.#size + trailer.length }
  }
}
