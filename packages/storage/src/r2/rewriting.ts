/**
 * Rewriting: objects of some packs, written as new packs of bounded size, a stream each.
 *
 * They come in the order in which they are stored, so the base of a delta is in the same new pack or in one before it; a delta against
 * an earlier one stays a delta, and names the pack that it needs. In memory are the table of one pack and, in typed
 * arrays, the names of what was written.
 *
 * @module
 */
import type { Objects } from '@datakit/git/objects'
import { encodeOid, type Oid } from '@datakit/git/oid'
import { OidMap } from '@datakit/git/oid-map'
import { copyPack } from '@datakit/git/pack/copy-pack'
import type { PackIndex } from '@datakit/git/pack/pack-index'
import { PackTable } from '@datakit/git/pack/pack-table'
import type { PackInfo, StagedPack } from '@datakit/git/place'

/** How packs are written anew. */
export interface RewriteOptions {
  /** Bytes of stored objects after which another pack is begun. */
  readonly maxBytes: number
  readonly signal: AbortSignal | undefined
}

/** Objects of a pack at most: the names of those that wait for it are kept as text. */
const MAX_OBJECTS = 200_000
/** Objects of packs behind this one are not told apart, and need all of them. */
const MAX_NUMBER = 255

/** Writes packs anew. Nothing is visible before an update names them; what is left of a run that was cut off is swept. */
export class Rewriting {
  readonly #objects: Objects
  readonly #replaces: readonly string[]
  readonly #options: RewriteOptions
  readonly #staged: StagedPack[] = []
  /** What was written or waits to be; the value is the number of its pack, from 0. */
  readonly #placed = new OidMap()
  #waiting: Oid[] = []
  #bytes = 0

  /** @param replaces the packs whose objects come */
  constructor(objects: Objects, replaces: readonly PackInfo[], options: RewriteOptions) {
    this.#objects = objects
    this.#replaces = replaces.map(({ id }) => id)
    this.#options = options
  }

  /** Takes an object, once. */
  async add(index: PackIndex, ordinal: number): Promise<void> {
    const before = this.#placed.size
    const place = this.#placed.add(index.oidBytes(ordinal))
    if (place < before) return
    const { maxBytes } = this.#options
    const isFull = this.#bytes + index.length(ordinal) > maxBytes
    if (this.#waiting.length > 0 && (isFull || this.#waiting.length >= MAX_OBJECTS))
      await this.#write()
    this.#placed.setValue(place, Math.min(this.#staged.length, MAX_NUMBER))
    this.#waiting.push(index.oid(ordinal))
    this.#bytes += index.length(ordinal)
  }

  /** Writes what is left; gives the new packs. */
  async end(): Promise<readonly StagedPack[]> {
    if (this.#waiting.length > 0) await this.#write()
    return this.#staged
  }

  async #write(): Promise<void> {
    const { signal } = this.#options
    const number = this.#staged.length
    const needed = new Set<number>()
    const receiverHas = (oid: Oid): boolean => {
      const place = this.#placed.find(encodeOid(oid))
      const holder = place < 0 ? number : this.#placed.value(place)
      if (holder >= Math.min(number, MAX_NUMBER)) return false
      needed.add(holder)
      return true
    }
    const table = new PackTable()
    const writer = await this.#objects.place.writePack()
    try {
      const how = { table, receiverHas, checks: true, signal }
      for await (const piece of copyPack(this.#objects, this.#waiting, how))
        await writer.write(piece)
      const needs = [...needed].flatMap((each) => this.#staged[each]?.id ?? [])
      const summary = { table, needs, verified: true, replaces: this.#replaces }
      this.#staged.push(await writer.finish(summary))
    } catch (error) {
      await writer.abort()
      throw error
    }
    this.#waiting = []
    this.#bytes = 0
  }
}
