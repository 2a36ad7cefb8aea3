/**
 * Checking a repository in a bucket: what every place is checked for, and what only R2 has: the objects that the root has
 * moved out of itself, units against the rows that list them, and keys that nobody names. Nothing is changed.
 *
 * @module
 */
import { ByteCache } from '@datakit/git/byte-cache'
import { GitError } from '@datakit/git/error'
import type { PackId, PackInfo } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import type { CheckPackOptions } from '../fsck/check-pack.ts'
import {
  NO_LIMITS,
  PlaceCheck,
  type Health,
  type SavedPlaceCheck,
  type StepLimits,
} from '../fsck/check-place.ts'
import { found, messageOf, progress, type CheckEvent } from '../fsck/finding.ts'
import { listAll, type Bucket } from './bucket.ts'
import { readCondemned } from './condemned.ts'
import { r2Depot, type R2Options } from './depot.ts'
import { OBJECT_KINDS, objectKey, objectPrefix, rootKey } from './keys.ts'
import { namedBy } from './names.ts'
import { readSegment } from './overflow.ts'
import { Repository } from './repository.ts'
import type { Root } from './root.ts'
import { Store } from './store.ts'
import { isOld } from './sweep.ts'
import { openTable, promiseRows, receiptRows, scanRefs } from './tables.ts'
import { readUnit, type Unit } from './unit.ts'

/** What can be told to a check of a bucket. */
export interface CheckR2Options extends CheckPackOptions, R2Options {}

/** What belongs to the root and cannot be read, by its part. */
export type RootPart = 'refs' | 'receipts' | 'promised' | 'log' | 'condemned'

/** A pack whose unit says something else than the row that lists it. */
export interface BadUnit {
  readonly id: PackId
  /** What the unit says; `undefined` where its end cannot be read. */
  readonly says: PackInfo | undefined
}

/** What a check of a bucket knows in the end. */
export interface R2Health extends Health {
  /** Parts of the root that cannot be read. */
  readonly parts: readonly RootPart[]
  readonly units: readonly BadUnit[]
}

/** The root of a repository as it is, past every cache. @throws GitError when it cannot be read */
export async function readRoot(
  bucket: Bucket,
  name: string,
): Promise<{ readonly store: Store; readonly root: Root }> {
  const store = new Store(bucket, new ByteCache(0))
  const settings = { clock: Date.now, patience: 0, writeInterval: 0 }
  const { root } = await new Repository(store, name, settings).load()
  return { store, root }
}

/** A check of a bucket between two steps, as values that can be kept. */
export interface SavedR2Check {
  readonly stage: 'parts' | 'units' | 'strays' | 'place'
  readonly parts: readonly RootPart[]
  readonly units: readonly BadUnit[]
  /** Packs whose units were looked at. */
  readonly seen: readonly PackId[]
  readonly place: SavedPlaceCheck | undefined
}

const BEGIN: SavedR2Check = { stage: 'parts', parts: [], units: [], seen: [], place: undefined }
/** Units that are looked at in one step. */
const UNITS = 500

/**
 * Checks one repository.
 *
 * @throws GitError when not even its root can be read: `describeBrokenRoot` says what can be done
 */
export async function* checkR2(
  bucket: Bucket,
  name: string,
  runtime: Runtime,
  options: CheckR2Options = {},
): AsyncGenerator<CheckEvent, R2Health> {
  const check = new R2Check(bucket, name, { runtime, options })
  while (!check.isDone) yield* check.step(NO_LIMITS)
  return check.health()
}

/** A check of one repository in a bucket, step by step. */
export class R2Check {
  readonly #bucket: Bucket
  readonly #name: string
  readonly #how: { readonly runtime: Runtime; readonly options: CheckR2Options }
  readonly #parts: RootPart[]
  readonly #units: BadUnit[]
  readonly #seen: Set<PackId>
  #stage: SavedR2Check['stage']
  #savedPlace: SavedPlaceCheck | undefined
  #place: PlaceCheck | undefined

  /** A check that begins, or goes on with what another has kept. */
  constructor(
    bucket: Bucket,
    name: string,
    how: { readonly runtime: Runtime; readonly options: CheckR2Options },
    saved: SavedR2Check = BEGIN,
  ) {
    this.#bucket = bucket
    this.#name = name
    this.#how = how
    this.#stage = saved.stage
    this.#parts = [...saved.parts]
    this.#units = [...saved.units]
    this.#seen = new Set(saved.seen)
    this.#savedPlace = saved.place
  }

  /** What is being done: another thing after a step that has ended one. */
  get stage(): string {
    if (this.#stage !== 'place') return this.#stage
    return this.#place?.stage ?? this.#savedPlace?.stage ?? 'packs'
  }

  get isDone(): boolean {
    return this.#place?.isDone ?? this.#savedPlace?.stage === 'done'
  }

  /** The check as it stands between two steps. */
  save(): SavedR2Check {
    const place = this.#place?.save() ?? this.#savedPlace
    const seen = [...this.#seen]
    return { stage: this.#stage, parts: this.#parts, units: this.#units, seen, place }
  }

  /** Does the next part of it. @throws GitError when the root cannot be read */
  async *step(limits: StepLimits): AsyncGenerator<CheckEvent, void> {
    if (this.#stage === 'place') return yield* (await this.#open()).step(limits)
    const { store, root } = await readRoot(this.#bucket, this.#name)
    if (this.#stage === 'parts') {
      this.#parts.push(...(yield* checkParts(store, root)))
      this.#stage = 'units'
    } else if (this.#stage === 'units') {
      const all = root.packs.filter(({ id }) => !this.#seen.has(id))
      const some = all.slice(0, limits === NO_LIMITS ? all.length : UNITS)
      for (const [i, pack] of some.entries()) {
        yield progress('units', i, all.length)
        const bad = yield* checkUnit(store, pack, rootKey(this.#name))
        if (bad !== undefined) this.#units.push(bad)
        this.#seen.add(pack.id)
      }
      if (some.length === all.length) this.#stage = 'strays'
    } else {
      yield* findStrays(store, root, this.#how.options.clock ?? Date.now)
      this.#stage = 'place'
    }
  }

  /** What is known in the end. */
  async health(): Promise<R2Health> {
    const health = await (await this.#open()).health()
    return { ...health, parts: this.#parts, units: this.#units }
  }

  async #open(): Promise<PlaceCheck> {
    const { runtime, options } = this.#how
    if (this.#place === undefined) {
      const place = await r2Depot(this.#bucket, options).open(this.#name)
      this.#place = new PlaceCheck(place, runtime, options, this.#savedPlace)
    }
    return this.#place
  }
}

/** Reads everything that has left the root. */
async function* checkParts(store: Store, root: Root): AsyncGenerator<CheckEvent, RootPart[]> {
  const readers: readonly [RootPart, () => Promise<unknown>][] = [
    ['refs', () => drain(scanRefs(store, root, ''))],
    ['promised', () => promiseRows(store, root)],
    ['receipts', () => readReceipts(store, root)],
    ['log', () => readLog(store, root)],
    ['condemned', () => readCondemned(store, root)],
  ]
  const bad: RootPart[] = []
  for (const [part, read] of readers) {
    try {
      await read()
    } catch (error) {
      if (!(error instanceof GitError) || error.code === 'unavailable') throw error
      bad.push(part)
      const remedy = part === 'promised' ? 'person' : 'repair'
      yield found('root', part, { message: `${WORDS[part]}: ${messageOf(error)}`, remedy })
    }
  }
  return bad
}

const WORDS: Readonly<Record<RootPart, string>> = {
  refs: 'the table of refs is damaged',
  promised: 'the table of objects that were left with a remote is damaged',
  receipts: 'a table of receipts is damaged, so an update that is repeated may be made twice',
  log: 'a piece of the log is damaged',
  condemned: 'the list of what is to be deleted is damaged',
}

async function readReceipts(store: Store, root: Root): Promise<void> {
  await receiptRows(store, root, { older: root.receipts.tables, now: 0 })
  for (const pointer of root.receipts.tables)
    await drain(openTable(store, root.repository, pointer).scan(new Uint8Array()))
}

async function readLog(store: Store, { repository, log }: Root): Promise<void> {
  for (let id = log.older; id !== undefined;) id = (await readSegment(store, repository, id)).older
}

async function drain(items: AsyncIterable<unknown>): Promise<void> {
  for await (const item of items) void item
}

/** Compares a unit with the row that lists it. One that is not there is found with the packs. */
async function* checkUnit(
  store: Store,
  row: PackInfo,
  root: string,
): AsyncGenerator<CheckEvent, BadUnit | undefined> {
  const { unit, problem } = await readEnd(store, row.id)
  const wrong = problem ?? (unit && differenceOf(unit, row, root))
  if (wrong === undefined) return undefined
  yield found('unit', row.id, { message: `pack ${row.id}: ${wrong}`, remedy: 'repair' })
  return { id: row.id, says: unit?.root === root ? unit.info : undefined }
}

async function readEnd(
  store: Store,
  id: PackId,
): Promise<{ readonly unit?: Unit | undefined; readonly problem?: string }> {
  try {
    return { unit: await readUnit(store, id) }
  } catch (error) {
    if (error instanceof GitError && error.code !== 'unavailable')
      return { problem: messageOf(error) }
    throw error
  }
}

function differenceOf({ root: written, info }: Unit, row: PackInfo, root: string) {
  // The key of a root is percent-encoded, as the unit has it.
  if (written !== root) return `it was written for "${written}"`
  const isSame =
    info.size === row.size && info.indexSize === row.indexSize && info.objects === row.objects
  if (isSame) return undefined
  return `the root lists ${row.size} and ${row.indexSize} bytes with ${row.objects} objects, its end says ${info.size} and ${info.indexSize} with ${info.objects}`
}

/** Keys of the repository that its root does not name: those that a sweep will take, and those that are too young for it. */
async function* findStrays(
  store: Store,
  root: Root,
  clock: () => number,
): AsyncGenerator<CheckEvent, void> {
  if (root.repository === '') return
  const named = new Set(await allNamed(store, root))
  let young = 0
  // Records of checks under way, this one's among them, go by themselves.
  for (const kind of OBJECT_KINDS.filter((each) => each !== 'c')) {
    for await (const object of listAll(store.bucket, objectPrefix(kind, root.repository))) {
      if (named.has(object.key)) continue
      if (!isOld(object, clock())) {
        if (kind !== 'r') young++
        continue
      }
      const message = `"${object.key}" is named by nothing, ${object.size} bytes; the next sweep deletes it`
      yield found('stray', object.key, { message, severity: 'info', remedy: 'repair' })
    }
  }
  if (young === 0) return
  const message = `${young} keys are named by nothing and younger than 25 hours: of updates under way, or of some that were not made`
  yield found('young-stray', root.repository, { message, severity: 'info', remedy: 'time' })
}

async function allNamed(store: Store, root: Root): Promise<string[]> {
  const { repository, log } = root
  const names = namedBy(root)
  try {
    for (const { key } of await readCondemned(store, root)) names.push(key)
    for (let id = log.older; id !== undefined;) {
      names.push(objectKey('l', repository, id))
      id = (await readSegment(store, repository, id)).older
    }
  } catch (error) {
    // What cannot be read was told before.
    if (!(error instanceof GitError) || error.code === 'unavailable') throw error
  }
  return names
}
