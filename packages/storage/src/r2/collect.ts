/**
 * Collecting garbage in a bucket: what a forced push or a deleted ref left behind goes after a retention.
 *
 * An object stays while a ref leads to it, or has led to it within the retention: the log tells where refs have been. Packs that
 * hold other objects are written anew without them, and condemned; a sweep deletes them after the grace. (What no ref leads to is
 * served to nobody meanwhile.) They are copied as a stream, and what is large becomes several packs, so that memory is bounded by one of
 * them.
 *
 * It is one update, and no push waits for it. It cannot take away what a push meanwhile relies on: that must be reachable from refs.
 *
 * A Git directory is never pruned by us: stock Git may rely on objects that no ref leads to, and `git gc` knows when not.
 *
 * @module
 */
import { ByteCache } from '@datakit/git/byte-cache'
import { GitError } from '@datakit/git/error'
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { OidMap } from '@datakit/git/oid-map'
import type { PackIndex } from '@datakit/git/pack/pack-index'
import type { PackInfo } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import { selectObjects } from '@datakit/git/transport/select'
import { dependentsOf } from '../dependents.ts'
import { randomId } from '../update.ts'
import type { Bucket } from './bucket.ts'
import { r2Depot, type R2Options } from './depot.ts'
import { rootKey } from './keys.ts'
import { readSegment } from './overflow.ts'
import { Repository } from './repository.ts'
import { Rewriting } from './rewriting.ts'
import { Store } from './store.ts'

/** How garbage is collected. */
export interface CollectOptions extends R2Options {
  /** Milliseconds that an object is kept after the last ref left it; two weeks when left out, as `gc.pruneExpire` of Git. */
  readonly retention?: number | undefined
  /** About how many bytes a pack gets that is written anew, and what is larger becomes several; 128 MB when left out. */
  readonly maxBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What came of it. */
export interface Collected {
  /** Objects that left. */
  readonly objects: number
  /** Packs that were written anew, or left altogether. */
  readonly packs: number
}

/** Two weeks, in milliseconds. */
export const RETENTION = 14 * 24 * 60 * 60 * 1000
const MAX_BYTES = 128_000_000
/** Bytes of packs and objects that are kept meanwhile. */
const CACHE = 16_000_000
const WINDOW = 1024 * 1024
const NOTHING: Collected = { objects: 0, packs: 0 }

/**
 * Collects the garbage of one repository. Does nothing where something that refs lead to is missing: that is to be repaired first.
 *
 * @throws UnavailableError when the bucket cannot be read or written; the next run begins anew
 */
export async function collectGarbage(
  bucket: Bucket,
  name: string,
  runtime: Runtime,
  options: CollectOptions = {},
): Promise<Collected> {
  const { clock = Date.now, retention = RETENTION, maxBytes = MAX_BYTES, signal } = options
  const place = await r2Depot(bucket, options).open(name)
  const objects = await Objects.open(place, runtime, { bytes: CACHE, window: WINDOW })
  const { packs } = objects.state
  if (packs.length === 0) return NOTHING
  const left = await leftSince(bucket, name, clock() - retention)
  const kept = await keptObjects(objects, left, signal)
  if (kept === undefined) return NOTHING
  let collected = NOTHING
  for (const pack of packs) {
    signal?.throwIfAborted()
    const collecting = new Collecting(objects, { pack, kept, maxBytes })
    const { objects: gone, packs: rewritten } = await collecting.run(signal)
    collected = { objects: collected.objects + gone, packs: collected.packs + rewritten }
    if (rewritten > 0) await objects.refresh()
  }
  return collected
}

/** Where refs have been since a time, in milliseconds since 1970. */
async function leftSince(bucket: Bucket, name: string, before: number): Promise<Oid[]> {
  const store = new Store(bucket, new ByteCache(0))
  const settings = { clock: Date.now, patience: 0, writeInterval: 0 }
  const { root } = await new Repository(store, name, settings).load()
  if (root.repository === '') throw new TypeError(`There is no repository at ${rootKey(name)}`)
  const left = new Set<Oid>()
  let { lines, older } = root.log
  for (;;) {
    for (const { at, from } of lines) if (at > before && from !== undefined) left.add(from)
    const [oldest] = lines
    if (older === undefined || (oldest !== undefined && oldest.at <= before)) return [...left]
    ;({ lines, older } = await readSegment(store, root.repository, older))
  }
}

/** Everything that refs lead to or led to; `undefined` where something of it is missing. */
async function keptObjects(
  objects: Objects,
  left: readonly Oid[],
  signal: AbortSignal | undefined,
): Promise<OidMap | undefined> {
  const { state } = objects
  const tips = new Set<Oid>('oid' in state.head ? [state.head.oid] : [])
  for await (const { oid } of state.refs()) tips.add(oid)
  const kept = new OidMap()
  try {
    await addReached(objects, { wants: [...tips], kept, signal })
  } catch (error) {
    if (error instanceof GitError && error.code !== 'unavailable') return undefined
    throw error
  }
  for (const oid of left) {
    // What was given up before, under a shorter retention, cannot be kept now.
    if (tips.has(oid) || !(await objects.has(oid))) continue
    await addReached(objects, { wants: [oid], kept, signal }).catch(ignoreMissing)
  }
  return kept
}

function ignoreMissing(error: unknown): void {
  if (error instanceof GitError && error.code !== 'unavailable') return
  throw error
}

interface Reaching {
  readonly wants: readonly Oid[]
  readonly kept: OidMap
  readonly signal: AbortSignal | undefined
}

async function addReached(objects: Objects, { wants, kept, signal }: Reaching): Promise<void> {
  const { graph, nodes } = await selectObjects(objects, { wants, haves: [], signal })
  for (const node of nodes) kept.add(graph.oidBytes(node))
}

interface Question {
  readonly pack: PackInfo
  readonly kept: OidMap
  readonly maxBytes: number
}

/** One pack that may hold garbage, and those that need it for their deltas. */
class Collecting {
  readonly #objects: Objects
  readonly #question: Question

  constructor(objects: Objects, question: Question) {
    this.#objects = objects
    this.#question = question
  }

  async run(signal: AbortSignal | undefined): Promise<Collected> {
    const { pack, maxBytes } = this.#question
    const { state, place } = this.#objects
    if (!isFree(pack) || !state.packs.some(({ id }) => id === pack.id)) return NOTHING
    const own = await this.#objects.indexOf(pack)
    const garbage = own.count - this.#countKept(own)
    if (garbage === 0) return NOTHING
    // Their deltas may be against what leaves.
    const group = [pack, ...dependentsOf(state.packs, pack.id)]
    if (!group.every(isFree)) return NOTHING
    const rewriting = new Rewriting(this.#objects, group, { maxBytes, signal })
    let gone = 0
    for (const each of group) {
      const index = await this.#objects.indexOf(each)
      const kept = storedOrder(index).filter((ordinal) => this.#isKept(index, ordinal))
      gone += index.count - kept.length
      for (const ordinal of kept) await rewriting.add(index, ordinal)
    }
    const outcome = await place.update({
      id: randomId(),
      refs: [],
      addPacks: await rewriting.end(),
      removePacks: group.map(({ id }) => id),
      log: { who: '', why: 'maintenance: drop what no ref leads to' },
    })
    return outcome.state === 'done' ? { objects: gone, packs: group.length } : NOTHING
  }

  #countKept(index: PackIndex): number {
    let count = 0
    for (let ordinal = 0; ordinal < index.count; ordinal++)
      if (this.#isKept(index, ordinal)) count++
    return count
  }

  #isKept(index: PackIndex, ordinal: number): boolean {
    return this.#question.kept.find(index.oidBytes(ordinal)) >= 0
  }
}

function isFree({ verified, fixed }: PackInfo): boolean {
  return verified && fixed !== true
}

/** The ordinals of a pack's objects in the order in which they are stored. */
function storedOrder(index: PackIndex): Uint32Array {
  const ordinals = Uint32Array.from({ length: index.count }, (_, ordinal) => ordinal)
  return ordinals.sort((a, b) => index.offset(a) - index.offset(b))
}
