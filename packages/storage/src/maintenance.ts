/**
 * Maintenance: many small packs become few, while everyone goes on reading and writing.
 *
 * Every commit adds a pack, and every look-up of an object that is not there asks all of them. Packs are merged as their
 * sizes come together: afterwards each is at least twice as large as all newer ones together, so there are few, and a
 * byte is copied as often as the logarithm of their number. Entries are copied as they are stored.
 *
 * It is one update that replaces packs; stopped anywhere before, nothing has happened, and the next run begins anew.
 *
 * @module
 */
import { MissingError } from '@datakit/git/error'
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { copyPack } from '@datakit/git/pack/copy-pack'
import { NO_LINK } from '@datakit/git/pack/index-format'
import { PackTable } from '@datakit/git/pack/pack-table'
import type { PackId, PackInfo, Place, StagedPack, UpdateOutcome } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import { randomId } from './update.ts'

/** How much is merged. */
export interface CompactOptions {
  /** Packs that are merged at once at most; 256 when left out. */
  readonly maxPacks?: number | undefined
  /** Bytes that a merged pack may have; 32 MB when left out. Larger packs are never copied. */
  readonly maxBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** How often a merge that others were faster than is tried again. */
const MAX_LOSSES = 5
/** Bytes of packs and objects that are kept while a run goes on: a Worker has 128 MB for everything. */
const CACHE = 8_000_000

/** A merge that is ready to be published. */
interface Merge {
  readonly staged: StagedPack | undefined
  /** Packs outside the run that hold copies or bases of what it held. */
  readonly reliesOn: readonly PackId[]
}

/**
 * Merges the newest packs until there is nothing to gain. Tells how many packs were replaced. Ends early, without an
 * error, where others keep changing the same packs or the place is busy: the next run goes on.
 *
 * @throws MalformedError when a pack is corrupt; it stays as it is then
 */
export async function compact(
  place: Place,
  runtime: Runtime,
  options: CompactOptions = {},
): Promise<{ readonly merged: number }> {
  let merged = 0
  for (let losses = 0; losses < MAX_LOSSES;) {
    options.signal?.throwIfAborted()
    const objects = await Objects.open(place, runtime, { bytes: CACHE })
    const run = chooseAlike(objects.state.packs, options)
    if (run.length < 2) break
    const outcome = await mergeRun(objects, run, options.signal)
    if (outcome.state === 'busy') break
    if (outcome.state === 'done') merged += run.length
    losses = outcome.state === 'done' ? 0 : losses + 1
  }
  return { merged }
}

/**
 * The next packs that are worth merging: of promisors, or others. What a promisor's pack names is promised, and all that
 * other packs name must be here, so the two do not mix.
 */
function chooseAlike(packs: readonly PackInfo[], options: CompactOptions): PackInfo[] {
  const others = chooseRun(packs, options, ({ promisor }) => promisor !== true)
  if (others.length > 1) return others
  return chooseRun(packs, options, ({ promisor }) => promisor === true)
}

/**
 * The newest packs that are worth merging, oldest first: each less than twice as large as all newer ones together. Packs
 * that nobody verified are not copied, nor those that are not to be removed, and no pack is that an older one needs.
 *
 * @param isOfKind which of the packs come into question; all when left out
 */
export function chooseRun(
  packs: readonly PackInfo[],
  { maxPacks = 256, maxBytes = 32_000_000 }: CompactOptions = {},
  isOfKind: (pack: PackInfo) => boolean = () => true,
): PackInfo[] {
  const run: PackInfo[] = []
  let size = 0
  for (const pack of packs.filter(isOfKind).toReversed()) {
    const isLarge = run.length > 0 && pack.size >= 2 * size
    const isFree = pack.verified && pack.fixed !== true
    if (isLarge || !isFree || size + pack.size > maxBytes || run.length >= maxPacks) break
    run.unshift(pack)
    size += pack.size
  }
  const chosen = new Set(run.map(({ id }) => id))
  const needed = new Set(packs.flatMap(({ id, needs }) => (chosen.has(id) ? [] : needs)))
  return run.filter(({ id }) => !needed.has(id))
}

async function mergeRun(
  objects: Objects,
  run: readonly PackInfo[],
  signal: AbortSignal | undefined,
): Promise<UpdateOutcome> {
  try {
    const merge = await writeMerge(objects, run, signal)
    return await objects.place.update({
      id: randomId(),
      refs: [],
      addPacks: merge.staged ? [merge.staged] : [],
      removePacks: run.map(({ id }) => id),
      reliesOn: merge.reliesOn,
      log: { who: '', why: 'maintenance: merge packs' },
    })
  } catch (error) {
    // Somebody else replaced a pack while it was copied.
    if (!(error instanceof MissingError) || isLive(await objects.refresh(), error.missing))
      throw error
    return { state: 'lost', refs: new Map(), head: undefined, packs: [error.missing] }
  }
}

function isLive({ packs }: { readonly packs: readonly PackInfo[] }, id: PackId): boolean {
  return packs.some((pack) => pack.id === id)
}

async function writeMerge(
  objects: Objects,
  run: readonly PackInfo[],
  signal: AbortSignal | undefined,
): Promise<Merge> {
  const { oids, outside, bases } = await sortOut(objects, run)
  const reliesOn = [...new Set([...outside, ...bases.values()])]
  if (oids.length === 0) return { staged: undefined, reliesOn }
  const table = new PackTable()
  const receiverHas = (oid: Oid) => bases.has(oid)
  const writer = await objects.place.writePack()
  const promisor = run.some((pack) => pack.promisor)
  try {
    const copies = copyPack(objects, oids, { receiverHas, table, checks: true, signal })
    for await (const piece of copies) await writer.write(piece)
    const needs = [...new Set(bases.values())]
    const replaces = run.map(({ id }) => id)
    const summary = { table, needs, verified: true, replaces, promisor }
    return { staged: await writer.finish(summary), reliesOn }
  } catch (error) {
    await writer.abort()
    throw error
  }
}

interface Sorted {
  /** Objects to copy. */
  readonly oids: readonly Oid[]
  /** Packs that have the others, which are not copied. */
  readonly outside: ReadonlySet<PackId>
  /** Bases outside the run that deltas may keep, and where they are. */
  readonly bases: ReadonlyMap<Oid, PackId>
}

async function sortOut(objects: Objects, run: readonly PackInfo[]): Promise<Sorted> {
  const own = new Set(run.map(({ id }) => id))
  const isPromisor = run.some(({ promisor }) => promisor)
  const oids = new Set<Oid>()
  const wanted = new Set<Oid>()
  const outside = new Set<PackId>()
  for (const pack of run) {
    const index = await objects.indexOf(pack)
    for (let ordinal = 0; ordinal < index.count; ordinal++) {
      const oid = index.oid(ordinal)
      const holder = await holderOf(objects, oid)
      // What is in a promisor's pack must stay in one.
      if (holder && !own.has(holder.id) && (!isPromisor || holder.promisor === true)) {
        outside.add(holder.id)
        continue
      }
      oids.add(oid)
      const base = index.base(ordinal) === NO_LINK ? undefined : index.linkOid(index.base(ordinal))
      if (base !== undefined) wanted.add(base)
    }
  }
  const bases = new Map<Oid, PackId>()
  for (const base of objects.place.traits.keepsThinPacks ? wanted : []) {
    const holder = oids.has(base) ? undefined : await holderOf(objects, base)
    if (holder !== undefined && !own.has(holder.id)) bases.set(base, holder.id)
  }
  return { oids: [...oids], outside, bases }
}

/** The verified pack that an object is read from. */
async function holderOf(objects: Objects, oid: Oid): Promise<PackInfo | undefined> {
  const [located] = await objects.locate(oid)
  return located?.pack.verified === true ? located.pack : undefined
}
