/**
 * ObjectLookup: in which of many packs an object is.
 *
 * Catalogs are asked first, and of the packs that none covers those that are older and verified, since their copy would be
 * the one to prefer; the others are opened when nobody answered. Large packs are searched in their own index, the many
 * small ones in one table, so that a miss over a thousand packs costs a few searches and not a thousand.
 *
 * @module
 */
import { equal } from './bytes.ts'
import { encodeOid, type Oid } from './oid.ts'
import { openPackIndex, type PackIndex, type ReadIndex } from './pack/pack-index.ts'
import type { PackId, PackInfo, Place, State } from './place.ts'

/** Where an object is, as an index claims. */
export interface Located {
  readonly pack: PackInfo
  /** The index that knew: of the pack, or merged from several. */
  readonly index: PackIndex
  readonly ordinal: number
}

/** Packs with more objects are searched one by one; those with fewer go into the table. */
const SMALL_PACK = 4096
/** Indexes that are opened at the same time. */
const PARALLEL = 16

/** Finds objects among the live packs of a state. */
export class ObjectLookup {
  readonly #place: Place
  #state: State
  #live = new Map<PackId, { readonly pack: PackInfo; readonly rank: number }>()
  /** Packs that no catalog covers, oldest first. */
  #uncovered: readonly PackInfo[] = []
  /** By the id of the pack, or {@link keyOf} the catalog. */
  #indexes = new Map<string, Promise<PackIndex>>()
  #large: { readonly pack: PackId; readonly index: PackIndex }[] = []
  #small = new SmallPacks()
  /** Packs that are in the table or among the large ones. */
  #searched = new Set<PackId>()
  #opening: Promise<void> | undefined

  constructor(place: Place, state: State) {
    this.#place = place
    this.#state = state
    this.update(state)
  }

  /** Goes over to another state; what is known of packs that both have is kept. */
  update(state: State): void {
    this.#state = state
    this.#live = new Map(state.packs.map((pack, rank) => [pack.id, { pack, rank }]))
    const covered = new Set(state.catalogs.flatMap(({ covers }) => covers))
    this.#uncovered = state.packs.filter(({ id }) => !covered.has(id))
    this.#opening = undefined
    const kept = new Set([...this.#live.keys(), ...state.catalogs.map(keyOf)])
    for (const key of this.#indexes.keys()) if (!kept.has(key)) this.#indexes.delete(key)
    const hasLost = [...this.#searched].some((id) => !this.#live.has(id))
    if (!hasLost) return
    this.#searched = new Set()
    this.#large = []
    this.#small = new SmallPacks()
  }

  /** The index of a live pack. */
  indexOf({ id, indexSize, objects }: PackInfo): Promise<PackIndex> {
    const read: ReadIndex = (start, end) => this.#place.readIndex(id, start, end)
    return this.#open(id, () => openPackIndex(read, indexSize, objects))
  }

  #open(key: string, open: () => Promise<PackIndex>): Promise<PackIndex> {
    const known = this.#indexes.get(key)
    if (known !== undefined) return known
    const opening = open()
    this.#indexes.set(key, opening)
    opening.catch(() => this.#indexes.delete(key))
    return opening
  }

  /** Where the object is, the copy to prefer first: verified before unverified, then the oldest pack. */
  async find(oid: Oid): Promise<Located[]> {
    for (;;) {
      const state = this.#state
      // What is no oid at all is nowhere.
      const found = await this.#find(encodeOid(`${oid}` as Oid))
      // Who went over to another state meanwhile has taken away what was half searched.
      if (found.length > 0 || state === this.#state) return found
    }
  }

  async #find(bytes: Uint8Array): Promise<Located[]> {
    const { found, isStale } = await this.#findInCatalogs(bytes)
    const [best] = found
    if (best?.pack.verified) {
      const older = this.#olderThan(best)
      if (older.length === 0) return found
      await this.#searchAll(older)
    } else {
      if (isStale) return this.#findInEach(bytes)
      this.#opening ??= this.#searchAll(this.#uncovered)
      await this.#opening
    }
    for (const { pack, index } of this.#large)
      this.#push(found, pack, { index, ordinal: index.findBytes(bytes) })
    const small = this.#small.find(bytes)
    if (small !== undefined) this.#push(found, small.pack, small)
    return this.#sorted(found)
  }

  /** Every copy of the object, looked for in each pack by itself: for when those of {@link find} were no good. */
  findEvery(oid: Oid): Promise<Located[]> {
    return this.#findInEach(encodeOid(oid))
  }

  /** Where the base is that a delta names, if the index that knows the delta knows that too. */
  nearBase({ index, ordinal, pack }: Located): Located | undefined {
    const link = index.base(ordinal)
    if (link >= index.count) return undefined
    const holder =
      index.packs.length === 0 ? pack : this.#live.get(index.packs[index.packOf(link)] ?? '')?.pack
    return holder && { pack: holder, index, ordinal: link }
  }

  async #findInCatalogs(bytes: Uint8Array): Promise<{ found: Located[]; isStale: boolean }> {
    const found: Located[] = []
    let isStale = false
    for (const catalog of this.#state.catalogs) {
      const read: ReadIndex = (start, end) => catalog.read(start, end)
      const index = await this.#open(keyOf(catalog), () => openPackIndex(read, catalog.size))
      const ordinal = index.findBytes(bytes)
      if (ordinal < 0) continue
      // The copy that the catalog knows of is gone; it may have left out another one for it.
      if (!this.#push(found, index.packs[index.packOf(ordinal)] ?? '', { index, ordinal }))
        isStale = true
    }
    return { found: this.#sorted(found), isStale: isStale && found.length === 0 }
  }

  async #findInEach(bytes: Uint8Array): Promise<Located[]> {
    const found: Located[] = []
    for (const { pack } of this.#live.values()) {
      const index = await this.indexOf(pack)
      this.#push(found, pack.id, { index, ordinal: index.findBytes(bytes) })
    }
    return this.#sorted(found)
  }

  /** Verified packs that no catalog covers and that are older than that of a copy. */
  #olderThan({ pack: { id } }: Located): PackInfo[] {
    const rank = this.#rank(id)
    return this.#uncovered.filter((pack) => pack.verified && this.#rank(pack.id) < rank)
  }

  async #searchAll(wanted: readonly PackInfo[]): Promise<void> {
    const packs = wanted.filter(({ id }) => !this.#searched.has(id))
    for (let i = 0; i < packs.length; i += PARALLEL) {
      const batch = packs.slice(i, i + PARALLEL)
      const indexes = await Promise.all(batch.map((pack) => this.indexOf(pack)))
      for (const [k, pack] of batch.entries()) this.#search(pack, indexes[k])
    }
  }

  #search({ id }: PackInfo, index: PackIndex | undefined): void {
    // Two calls may have waited for the same pack.
    if (index === undefined || this.#searched.has(id) || !this.#live.has(id)) return
    this.#searched.add(id)
    if (index.count > SMALL_PACK) this.#large.push({ pack: id, index })
    else this.#small.add(id, index)
  }

  /** Adds a copy, unless its pack is gone. */
  #push(
    found: Located[],
    id: PackId,
    { index, ordinal }: Pick<Located, 'index' | 'ordinal'>,
  ): boolean {
    const live = this.#live.get(id)
    if (live === undefined) return false
    if (ordinal >= 0) found.push({ pack: live.pack, index, ordinal })
    return true
  }

  #rank(id: PackId): number {
    return this.#live.get(id)?.rank ?? 0
  }

  #sorted(found: Located[]): Located[] {
    if (found.length < 2) return found
    const rank = ({ pack }: Located) => this.#rank(pack.id) + (pack.verified ? 0 : 2 ** 32)
    return found.sort((a, b) => rank(a) - rank(b))
  }
}

function keyOf({ covers }: State['catalogs'][number]): string {
  return `catalog of ${covers.join()}`
}

/** Objects of many small packs in one table. The first pack that brings an object keeps it. */
class SmallPacks {
  readonly #packs: { readonly pack: PackId; readonly index: PackIndex }[] = []
  /** By the first bytes of an oid: number of the pack and ordinal. */
  readonly #places = new Map<number, number>()

  add(pack: PackId, index: PackIndex): void {
    const number = this.#packs.push({ pack, index }) - 1
    for (let ordinal = 0; ordinal < index.count; ordinal++) {
      const key = prefixOf(index.oidBytes(ordinal))
      if (!this.#places.has(key)) this.#places.set(key, number * 2 ** 16 + ordinal)
    }
  }

  find(oid: Uint8Array): { pack: PackId; index: PackIndex; ordinal: number } | undefined {
    const place = this.#places.get(prefixOf(oid))
    if (place === undefined) return undefined
    const holder = this.#packs[Math.floor(place / 2 ** 16)]
    const ordinal = place % 2 ** 16
    if (holder && equal(holder.index.oidBytes(ordinal), oid)) return { ...holder, ordinal }
    // Another object that begins alike, as one in a few thousand does. (They can be made by whoever chooses their contents: slow
    // then, not wrong.)
    for (const other of this.#packs) {
      const found = other.index.findBytes(oid)
      if (found >= 0) return { ...other, ordinal: found }
    }
    return undefined
  }
}

/** Thirty-one bits, which are a small integer in every engine. Oids are random: any of their bytes are a hash. */
function prefixOf(oid: Uint8Array): number {
  const low = (oid[0] ?? 0) | ((oid[1] ?? 0) << 8)
  return (low | ((oid[2] ?? 0) << 16) | ((oid[3] ?? 0) << 24)) >>> 1
}
