/**
 * Checking one pack: every object inflated, named and looked into with Git's own severities, its trailer, and our index
 * compared with all of it, row by row and link by link.
 *
 * A pack that cannot be read from end to end is looked at once more, an object at a time by way of its index, so that it is
 * known which objects are damaged.
 *
 * @module
 */
import { GitError } from '@datakit/git/error'
import { checkObject } from '@datakit/git/fsck'
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { distinctRows } from '@datakit/git/pack/distinct-rows'
import { openPackIndex, type PackIndex } from '@datakit/git/pack/pack-index'
import type { PackTable } from '@datakit/git/pack/pack-table'
import { readPack, type PackedObject, type ReadPack } from '@datakit/git/pack/read-pack'
import type { PackId, PackInfo, Place } from '@datakit/git/place'
import { compareIndex } from '../compare-index.ts'
import { StoredPack } from '../stored-pack.ts'
import { found, messageOf, progress, type CheckEvent } from './finding.ts'

/** What is known of a pack after it was checked. */
export interface PackHealth {
  readonly pack: PackInfo
  /** `gone`: there are no bytes at all. `damaged`: they are not what they should be. */
  readonly bytes: 'sound' | 'damaged' | 'gone'
  readonly index: 'sound' | 'damaged'
  /** Objects that the index lists, where it can be read. */
  readonly listed: PackIndex | undefined
  /** Objects of the pack whose copy here is damaged. */
  readonly damaged: readonly Oid[]
}

/** How packs are checked. */
export interface CheckPackOptions {
  /** Is given what a pack holds once it was read from end to end: for what else is kept of it, such as Git's `.idx`. */
  readonly onRead?: ((pack: PackInfo, read: ReadPack) => AsyncIterable<CheckEvent>) | undefined
  readonly signal?: AbortSignal | undefined
}

/** A pack as it is met: its index, if that can be opened, and whether there are any bytes. */
export interface ProbedPack {
  readonly pack: PackInfo
  readonly index: PackIndex | undefined
  /** Why the index cannot be opened. */
  readonly problem: string | undefined
  readonly isGone: boolean
}

/** Looks whether a pack is there and can be looked into. */
export async function probePack(place: Place, pack: PackInfo): Promise<ProbedPack> {
  const bytes = await attempt(() => place.readPack(pack.id, 0, 12))
  const isGone = bytes.error?.code === 'missing'
  const read = (start: number, end: number) => place.readIndex(pack.id, start, end)
  const opened = await attempt(() => openPackIndex(read, pack.indexSize))
  return { pack, index: opened.value, problem: opened.error?.message, isGone }
}

/**
 * Checks one live pack.
 *
 * @param objects of all packs that can be looked into: a thin pack has its bases there
 */
export async function* checkPack(
  objects: Objects,
  probe: ProbedPack,
  options: CheckPackOptions = {},
): AsyncGenerator<CheckEvent, PackHealth> {
  const { pack, index, problem } = probe
  if (probe.isGone) {
    const message = `pack ${pack.id} is listed and not there: what is in no other pack is lost`
    yield found('pack-gone', pack.id, { message, remedy: 'copy' })
    return { pack, bytes: 'gone', index: 'damaged', listed: undefined, damaged: [] }
  }
  const reading = yield* readThrough(objects, pack, options)
  if ('damage' in reading) {
    yield found('pack', pack.id, { message: reading.damage, remedy: 'repair' })
    const damaged = index === undefined ? [] : yield* findDamaged(objects, pack, { index, options })
    if (index === undefined) yield indexFinding(pack, problem)
    const state = index === undefined ? 'damaged' : 'sound'
    return { pack, bytes: 'damaged', index: state, listed: index, damaged }
  }
  const wrong = problem ?? (await wrongIndex(objects, reading.table, { index, options }))
  if (wrong !== undefined) yield indexFinding(pack, wrong)
  const state = wrong === undefined ? 'sound' : 'damaged'
  return { pack, bytes: 'sound', index: state, listed: index, damaged: [] }
}

function indexFinding(pack: PackInfo, problem: string | undefined): CheckEvent {
  const message = `our index of pack ${pack.id} is damaged: ${problem ?? 'it cannot be read'}`
  return found('index', pack.id, { message, remedy: 'repair' })
}

/** What a reading gives, or what is wrong with what was read. @throws UnavailableError when it could not be read at all */
async function attempt<T>(
  read: () => Promise<T>,
): Promise<{ readonly value?: T; readonly error?: GitError }> {
  try {
    return { value: await read() }
  } catch (error) {
    if (!(error instanceof GitError) || error.code === 'unavailable') throw error
    return { error }
  }
}

interface Checking {
  readonly index: PackIndex | undefined
  readonly options: CheckPackOptions
}

type Reading = { readonly table: PackTable } | { readonly damage: string }

/** Reads a pack from end to end. */
async function* readThrough(
  objects: Objects,
  pack: PackInfo,
  options: CheckPackOptions,
): AsyncGenerator<CheckEvent, Reading> {
  const { place, runtime } = objects
  const events: CheckEvent[] = []
  try {
    const stored = new StoredPack(place, pack)
    const read = await readPack(stored.pieces(), {
      runtime,
      writer: stored.writer,
      resolveBase: async (oid) => ((await objects.has(oid)) ? objects.read(oid) : undefined),
      onObject: (object) => void events.push(...problemsOf(object)),
      allowsRepeats: true,
      cache: CACHE,
      signal: options.signal,
    })
    yield* events
    if (read.size !== pack.size) {
      return { damage: `pack ${pack.id} has ${read.size} bytes, expected ${pack.size}` }
    }
    yield* options.onRead?.(pack, read) ?? []
    return { table: distinctRows(read.table) }
  } catch (error) {
    if (!(error instanceof GitError) || error.code === 'unavailable') throw error
    yield* events
    return { damage: `pack ${pack.id} cannot be read to its end: ${error.message}` }
  }
}

/** Bytes of bodies and deltas that are kept while a pack is read. */
const CACHE = 24_000_000

function problemsOf({ oid, type, body }: PackedObject): CheckEvent[] {
  return checkObject({ type, body }).map(({ id, severity, message }) =>
    found(id, oid, { message: `${type} ${oid}: ${message}`, severity }),
  )
}

/** What the index says wrongly of its pack, or why that part of it cannot be read: the pack may be sound all the same. */
async function wrongIndex(
  objects: Objects,
  table: PackTable,
  { index, options }: Checking,
): Promise<string | undefined> {
  if (index === undefined) return undefined
  const { value, error } = await attempt(() =>
    compareIndex(objects, { table, index }, options.signal),
  )
  return value ?? error?.message
}

/** Looks at each object that the index lists by itself, in this pack alone and those that it needs. */
async function* findDamaged(
  objects: Objects,
  pack: PackInfo,
  { index, options }: { readonly index: PackIndex; readonly options: CheckPackOptions },
): AsyncGenerator<CheckEvent, Oid[]> {
  const alone = await Objects.open(onlyPacks(objects, pack.id), objects.runtime, { bytes: CACHE })
  const damaged: Oid[] = []
  for (let ordinal = 0; ordinal < index.count; ordinal++) {
    options.signal?.throwIfAborted()
    if (ordinal % 1000 === 0) yield progress('damaged pack', ordinal, index.count)
    const oid = index.oid(ordinal)
    try {
      await alone.read(oid)
    } catch (error) {
      if (!(error instanceof GitError) || error.code === 'unavailable') throw error
      damaged.push(oid)
      const message = `${index.type(ordinal)} ${oid} is damaged in pack ${pack.id}: ${messageOf(error)}`
      yield found('damaged', oid, { message, remedy: 'repair' })
    }
  }
  return damaged
}

/** A place that has nothing but one pack and what it needs, so that no other copy of an object is taken for it. */
function onlyPacks({ state, place }: Objects, id: PackId): Place {
  const wanted = new Set([id])
  for (const one of wanted) {
    for (const needed of state.packs.find((pack) => pack.id === one)?.needs ?? [])
      wanted.add(needed)
  }
  return withPacks(place, (pack) => wanted.has(pack))
}

/** The place as if it had nothing but some of its packs, and no catalogs. */
export function withPacks(place: Place, isThere: (id: PackId) => boolean): Place {
  return {
    ...place,
    async read(options) {
      const state = await place.read(options)
      return { ...state, packs: state.packs.filter(({ id }) => isThere(id)), catalogs: [] }
    },
  }
}
