/**
 * Repairing a repository in a bucket: what its root needs of other objects is rebuilt where it can be, then its packs are
 * mended as in every place, then what nobody names is swept.
 *
 * - The table of refs comes back from the log, which has a line for every ref that ever moved.
 * - The ledger comes back from the units, each of which says what it is.
 * - Catalogs only help to look things up: wrong ones are left out.
 * - Receipts and pieces of the log that cannot be read are given up, and that is said.
 *
 * @module
 */
import { ByteCache } from '@datakit/git/byte-cache'
import { ByteReader } from '@datakit/git/byte-reader'
import { concat, utf8 } from '@datakit/git/bytes'
import { GitError, UnavailableError } from '@datakit/git/error'
import type { GitObject } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { readPack } from '@datakit/git/pack/read-pack'
import type { LogEntry, PackInfo, Place } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import { probePack } from '../fsck/check-pack.ts'
import type { Health } from '../fsck/check-place.ts'
import { found, mended, progressOf, type CheckEvent } from '../fsck/finding.ts'
import { packsToMend, Repair, type RepairOptions } from '../fsck/repair-place.ts'
import { isThrottled, listAll, type Bucket } from './bucket.ts'
import { checkR2, type CheckR2Options, type R2Health, type RootPart } from './check.ts'
import { readCondemned } from './condemned.ts'
import { r2Depot } from './depot.ts'
import { Fields } from './fields.ts'
import { objectPrefix, packOfKey, rootKey } from './keys.ts'
import { readSegment } from './overflow.ts'
import { Repository } from './repository.ts'
import { decodeRoot, encodeRoot, type RefValue, type Root } from './root.ts'
import { hasBody, pause, Store } from './store.ts'
import { openTable } from './tables.ts'
import { readUnit } from './unit.ts'

/** How a repair of a bucket goes. */
export interface RepairR2Options extends CheckR2Options, RepairOptions {
  /** Milliseconds that condemned keys stay readable; an hour when left out. */
  readonly grace?: number | undefined
}

const GRACE = 60 * 60 * 1000
/** How often a write is tried again that came too soon after another. */
const WRITE_TRIES = 20
/** What a root points at when its ledger is gone. */
const EMPTY_LEDGER = utf8('{"packs":[],"catalogs":[],"shallow":[]}')

/**
 * Mends one repository. The caller checks again to see what is left.
 *
 * @throws GitError when the root itself cannot be read
 */
export async function* repairR2(
  bucket: Bucket,
  name: string,
  runtime: Runtime,
  options: RepairR2Options = {},
): AsyncGenerator<CheckEvent, void> {
  const repair = new R2Repair(bucket, name, { runtime, options })
  yield* repair.begin(undefined)
  const health = yield* progressOf(checkR2(bucket, name, runtime, options))
  for (let done: number | undefined = 0; done !== undefined;)
    done = yield* repair.mend(health, done)
}

/** A repair of one repository in a bucket, in parts: {@link begin}, a check, and {@link mend} until there is nothing left. */
export class R2Repair {
  readonly #bucket: Bucket
  readonly #name: string
  readonly #runtime: Runtime
  readonly #options: RepairR2Options

  constructor(
    bucket: Bucket,
    name: string,
    how: { readonly runtime: Runtime; readonly options: RepairR2Options },
  ) {
    this.#bucket = bucket
    this.#name = name
    this.#runtime = how.runtime
    this.#options = how.options
  }

  /** Makes the list of packs anew, if it is gone, and keeps what is lost of some objects. */
  async *begin(copies: ReadonlyMap<Oid, GitObject> | undefined): AsyncGenerator<CheckEvent, void> {
    yield* mendLedger(new Store(this.#bucket, new ByteCache(0)), this.#name)
    if (copies === undefined) return
    const place = await this.#place()
    const packs = []
    for (const pack of (await place.read()).packs) {
      const { index, isGone } = await probePack(place, pack)
      const bytes = isGone ? ('gone' as const) : ('sound' as const)
      packs.push({ pack, bytes, index: 'sound' as const, listed: index, damaged: [] })
    }
    const health = { packs, lost: [], hasBadCatalogs: false }
    yield* new Repair(place, this.#runtime, { health, options: this.#options }).keepLost(copies)
  }

  /**
   * Mends the next part of what a check found, when so many parts were done before: what the root needs of other objects, then a
   * pack at a time, in the end what nobody names. Gives how many are done then; `undefined` when that was the last.
   */
  async *mend(health: R2Health, done: number): AsyncGenerator<CheckEvent, number | undefined> {
    const options = this.#options
    const place = await this.#place()
    if (!(await place.read()).exists) return undefined
    const known = withBadUnits(health)
    const repair = new Repair(place, this.#runtime, { health: known, options })
    if (done === 0) {
      const store = new Store(this.#bucket, new ByteCache(0))
      const settings = { clock: options.clock ?? Date.now, patience: 30_000, writeInterval: 1000 }
      yield* mendRoot(new Repository(store, this.#name, settings), health)
      yield* repair.restore()
      return 1
    }
    const pack = packsToMend(known)[done - 1]
    if (pack !== undefined) {
      yield* repair.mend(pack)
      return done + 1
    }
    const { deleted } = await place.sweep({ grace: options.grace ?? GRACE })
    if (deleted > 0) yield mended(this.#name, `${deleted} keys that nobody needs were deleted`)
    return undefined
  }

  #place(): Promise<Place> {
    return r2Depot(this.#bucket, this.#options).open(this.#name)
  }
}

/** Objects of a pack that came along, by their oids; `undefined` when it is empty. @throws MalformedError */
export async function copiesIn(
  pack: AsyncIterable<Uint8Array>,
  runtime: Runtime,
): Promise<ReadonlyMap<Oid, GitObject> | undefined> {
  const reader = new ByteReader(pack, 'a repair')
  const first = await reader.readSome(1 << 16)
  if (first === undefined) return undefined
  const pieces: Uint8Array[] = []
  const objects = new Map<Oid, GitObject>()
  const all = async function* () {
    yield first
    yield* reader.rest()
  }
  await readPack(all(), {
    runtime,
    writer: {
      write: async (piece) => void pieces.push(piece.slice()),
      read: async (start, end) => concat(pieces).subarray(start, end),
    },
    onObject: ({ oid, type, body }) => void objects.set(oid, { type, body: body.slice() }),
  })
  return objects
}

/** A unit whose end cannot be read is kept anew, like a pack whose index is damaged. */
function withBadUnits(health: R2Health): Health {
  const unreadable = new Set(health.units.flatMap(({ id, says }) => (says ? [] : [id])))
  const packs = health.packs.map((pack) =>
    unreadable.has(pack.pack.id) ? { ...pack, index: 'damaged' as const } : pack,
  )
  return { ...health, packs }
}

/** Lists the packs anew from their units, when the ledger that listed them cannot be read. */
async function* mendLedger(store: Store, name: string): AsyncGenerator<CheckEvent, void> {
  const key = rootKey(name)
  const object = await store.bucket.get(key)
  if (!object || !hasBody(object)) return
  const bytes = new Uint8Array(await object.arrayBuffer())
  const readLedger = (repository: string, id: string) => store.readWhole(`t/${repository}/${id}`)
  try {
    await decodeRoot(bytes, readLedger)
    return
  } catch (error) {
    if (!(error instanceof GitError) || error.code === 'unavailable') throw error
  }
  const fields = new Fields('a root')
  const value = fields.record(fields.decode(bytes))
  // The positions in catalogs are those of the list that is gone.
  const without = utf8(JSON.stringify({ ...value, catalogs: [] }))
  const root = await decodeRoot(without, async () => EMPTY_LEDGER)
  const packs = await unitsOf(store, root, key)
  const next = { ...root, epoch: root.epoch + 1, ledger: undefined, packs }
  const onlyIf = { etagMatches: object.etag }
  const stored = await whenItTakes(() => store.bucket.put(key, encodeRoot(next), { onlyIf }))
  if (!stored) throw new UnavailableError('Cannot repair: the repository was changed meanwhile')
  const message = `the list of packs was made anew from ${packs.length} packs that are there`
  yield mended(key, message)
}

/** Writes a key that may have been written a moment ago, after which R2 takes no other write for a second. */
async function whenItTakes<T>(write: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await write()
    } catch (cause) {
      if (!isThrottled(cause)) throw cause
      if (tries > WRITE_TRIES)
        throw new UnavailableError('Cannot repair: the bucket takes no write', { cause })
      await pause(1000 + 500 * Math.random())
    }
  }
}

async function unitsOf(store: Store, root: Root, key: string): Promise<PackInfo[]> {
  const condemned = new Set(
    await readCondemned(store, root).then(
      (rows) => rows.map((row) => row.key),
      () => root.condemned.map((row) => row.key),
    ),
  )
  const listed = new Map(root.packs.map((pack) => [pack.id, pack]))
  const packs: PackInfo[] = []
  for await (const object of listAll(store.bucket, objectPrefix('p', root.repository))) {
    const id = packOfKey(object.key)
    if (id === undefined || condemned.has(object.key)) continue
    const known = listed.get(id)
    const unit = known ? undefined : await readUnit(store, id).catch(() => undefined)
    if (known) packs.push(known)
    else if (unit?.root === key) packs.push(unit.info)
    listed.delete(id)
  }
  return withSoundNeeds([...packs, ...listed.values()])
}

/** A pack may have been added with other needs than its end says: then it may need any of them. */
function withSoundNeeds(packs: readonly PackInfo[]): PackInfo[] {
  const ids = packs.map(({ id }) => id)
  const isSound = ({ needs }: PackInfo): boolean => needs.every((id) => ids.includes(id))
  return packs.map((pack) =>
    isSound(pack) ? pack : { ...pack, needs: ids.filter((id) => id !== pack.id) },
  )
}

/** Rebuilds what the root lacks of the objects that it has moved out of itself. */
async function* mendRoot(
  repository: Repository,
  health: R2Health,
): AsyncGenerator<CheckEvent, void> {
  const says = new Map(health.units.flatMap(({ id, says }) => (says ? [[id, says] as const] : [])))
  const said: CheckEvent[] = []
  if (health.parts.length === 0 && !health.hasBadCatalogs && says.size === 0) return
  const outcome = await repository.swap(async (root) => {
    said.length = 0
    let next: Root = { ...root, epoch: root.epoch + 1 }
    for (const part of health.parts) {
      const mended = await MENDERS[part](repository.store, next)
      said.push(mended.event)
      next = mended.root
    }
    if (health.hasBadCatalogs) next = { ...next, catalogs: [], ledger: undefined }
    const packs = next.packs.map((pack) => {
      const { size, indexSize, objects } = says.get(pack.id) ?? pack
      return { ...pack, size, indexSize, objects }
    })
    return { next: { ...next, packs, ledger: says.size > 0 ? undefined : next.ledger } }
  })
  if (outcome.state !== 'done') throw new UnavailableError('Cannot repair: the root is not taken')
  yield* said
  if (health.hasBadCatalogs)
    yield mended('catalogs', 'wrong catalogs were left out; upkeep makes others')
  for (const id of says.keys()) yield mended(id, `the root lists pack ${id} as it is`)
}

interface Mended {
  readonly root: Root
  readonly event: CheckEvent
}

const MENDERS: Readonly<Record<RootPart, (store: Store, root: Root) => Promise<Mended>>> = {
  refs: refsFromLog,
  async promised(_, root) {
    const message =
      'the list of objects that were left with a remote cannot be made anew: fetch from that remote again'
    return { root, event: found('root', 'promised', { message }) }
  },
  async receipts(store, root) {
    const tables = []
    for (const pointer of root.receipts.tables) {
      const rows = openTable(store, root.repository, pointer).scan(new Uint8Array())
      if (await canRead(rows)) tables.push(pointer)
    }
    const message = 'receipts that cannot be read were given up: an update may be repeated'
    return {
      root: { ...root, receipts: { ...root.receipts, tables } },
      event: mended('receipts', message),
    }
  },
  async log(store, root) {
    const { lines } = await readableLog(store, root)
    const message = `what can be read of the log was kept, ${lines.length} lines; what is older is gone`
    return { root: { ...root, log: { older: undefined, lines } }, event: mended('log', message) }
  },
  async condemned(_, root) {
    const message = 'the list of what is to be deleted was given up; a sweep finds it by its age'
    return { root: { ...root, earlier: undefined }, event: mended('condemned', message) }
  },
}

async function refsFromLog(store: Store, root: Root): Promise<Mended> {
  const { lines, isWhole } = await readableLog(store, root)
  if (!isWhole) {
    const message =
      'the table of refs and the log are both damaged: set the refs by hand, by pushing them from a clone'
    return { root, event: found('root', 'refs', { message }) }
  }
  const changed = new Map<string, RefValue | undefined>()
  for (const { ref, to } of lines) {
    if (ref === 'HEAD') continue
    if (to === undefined) changed.delete(ref)
    else changed.set(ref, { oid: to, peeled: undefined })
  }
  for (const [name, value] of root.refs.changed) {
    if (value) changed.set(name, value)
    else changed.delete(name)
  }
  const message = `${changed.size} refs were taken from the log`
  return {
    root: { ...root, refs: { table: undefined, changed } },
    event: mended('refs', message),
  }
}

/** The lines of the log, oldest first, as far back as its pieces can be read. */
async function readableLog(
  store: Store,
  { repository, log }: Root,
): Promise<{ readonly lines: readonly LogEntry[]; readonly isWhole: boolean }> {
  const pieces: (readonly LogEntry[])[] = [log.lines]
  for (let id = log.older; id !== undefined;) {
    try {
      const piece = await readSegment(store, repository, id)
      pieces.unshift(piece.lines)
      id = piece.older
    } catch (error) {
      if (!(error instanceof GitError) || error.code === 'unavailable') throw error
      return { lines: pieces.flat(), isWhole: false }
    }
  }
  return { lines: pieces.flat(), isWhole: true }
}

async function canRead(rows: AsyncIterable<unknown>): Promise<boolean> {
  try {
    for await (const row of rows) void row
    return true
  } catch (error) {
    if (error instanceof GitError && error.code !== 'unavailable') return false
    throw error
  }
}
