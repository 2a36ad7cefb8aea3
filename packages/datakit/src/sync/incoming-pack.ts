/**
 * Incoming pack: a pack and an index that a server sent, until they are stored.
 *
 * The server's word counts for where things are and for nothing else. The pack must have the trailer that its bytes
 * hash to, the index must fit it, and what refs point at, with the trees of it that came along, is inflated and named
 * before any ref moves; all other objects are checked when they are read. So the pack is kept as not verified.
 *
 * @module
 */
import { concat, equal, readU32 } from '@datakit/git/bytes'
import { MalformedError, MissingError } from '@datakit/git/error'
import type { GitObject, ObjectType } from '@datakit/git/object'
import { Objects } from '@datakit/git/objects'
import { EMPTY_TREE, type Oid } from '@datakit/git/oid'
import { openReceivedIndex, type ReceivedIndex } from '@datakit/git/pack/index-table'
import { readLinks, unpackLinks } from '@datakit/git/pack/links'
import type { PackIndex } from '@datakit/git/pack/pack-index'
import { encodePackHeader } from '@datakit/git/pack/write-pack'
import type { PackId, PackWriter, Place, PromisedObjects, StagedPack } from '@datakit/git/place'
import { isTreeMode, TreeCursor } from '@datakit/git/tree'
import type { Answer } from './sync-exchange.ts'
import type { Store } from '../store.ts'
import { HEADS, type Refs } from './sync-refs.ts'

/** A pack that is written and not visible yet. */
export interface ReceivedPack {
  readonly staged: StagedPack
  /** Packs that hold bases of its deltas. */
  readonly needs: readonly PackId[]
  /** What the server left out. */
  readonly promised: PromisedObjects | undefined
}

/** Packs up to this many bytes are hashed in one go, which is the fastest way where the runtime has one. */
const HELD = 32 * 1024 * 1024
/** The longest pack that is taken, in bytes: what Git itself can index. */
const MAX_PACK = 2 ** 32 - 1
/** The largest commit or tree that refs may lead to, in bytes: two million names in one directory. */
const MAX_TREE = 64_000_000
/** No entry of a pack has fewer bytes. */
const LEAST_ENTRY = 9
/** The longest index that is taken, in bytes: more than any that was made as docs/storage-format.md says. */
const MAX_INDEX = 256 * 1024 * 1024
const INDEX_FLOOR = 64 * 1024
const INDEX_BYTES = 1024
/** Name of the pack while it has none. */
const INCOMING = 'incoming'

/**
 * Takes in the pack of an answer; `undefined` when there is none.
 *
 * @param refs where refs will point
 * @throws MalformedError when pack and index are not what they should be
 * @throws MissingError when refs would point at what neither came nor is here
 */
export async function receivePack(
  store: Store,
  answer: Answer,
  options: {
    readonly refs: Refs
    readonly onBytes?: ((bytes: number) => void) | undefined
  },
): Promise<ReceivedPack | undefined> {
  if (answer.header.pack === 0) {
    if (answer.header.refs) await checkHeads(store, options.refs)
    return undefined
  }
  const writer = await store.place.writePack()
  try {
    const { size, read } = await writeChecked(store, writer, answer.pack, options.onBytes)
    const count = await readCount(read)
    // What a header only announces does not count.
    const most = Math.min(count, size / LEAST_ENTRY)
    const limit = Math.min(MAX_INDEX, INDEX_FLOOR + INDEX_BYTES * most)
    const table = await openReceivedIndex(await collect(answer.index, limit))
    if (table.count !== count) throw misfit('they do not have the same number of objects')
    checkBounds(table.index, size)
    const place = placeWith(store.place, { size, read, table })
    const objects = await Objects.open(place, store.runtime, { maxObject: MAX_TREE })
    const promised = await answer.findLeft?.(objects, table.index)
    await checkHeads(store, options.refs, { objects, index: table.index, promised })
    const needs = await findNeeds(store, table.index)
    const summary = { table, needs, verified: false, promisor: !!promised }
    const staged = await writer.finish(summary)
    return { staged, needs, promised }
  } catch (error) {
    await writer.abort()
    throw error
  }
}

/** Bytes of the pack from `start` up to `end`. */
type ReadSpan = (start: number, end: number) => Promise<Uint8Array>

/** Writes the pack and checks its trailer; gives its size, and how to read it before it is kept. */
async function writeChecked(
  store: Store,
  writer: PackWriter,
  pack: AsyncIterable<Uint8Array>,
  onBytes: ((bytes: number) => void) | undefined,
): Promise<{ readonly size: number; readonly read: ReadSpan }> {
  let size = 0
  let held: Uint8Array[] = []
  const hasher = store.runtime.hasher()
  for await (const piece of pack) {
    size += piece.length
    // What was read of it has no trailer then.
    if (size > MAX_PACK) break
    await writer.write(piece)
    onBytes?.(size)
    held.push(piece)
    if (size <= HELD) continue
    // The last 20 bytes may be the trailer, which is not hashed.
    const bytes = concat(held)
    hasher.update(bytes.subarray(0, -20))
    held = [bytes.slice(-20)]
  }
  const rest = concat(held)
  const body = rest.subarray(0, -20)
  if (size > HELD) hasher.update(body)
  const found = size > HELD ? hasher.digest() : await store.runtime.digest(body)
  if (size >= 32 && equal(found, rest.subarray(-20))) {
    const read: ReadSpan = async (start, end) => rest.subarray(start, end)
    return { size, read: size > HELD ? (start, end) => writer.read(start, end) : read }
  }
  throw new MalformedError('the pack of an answer', 'its trailer is not its SHA-1')
}

async function collect(
  source: AsyncIterable<Uint8Array>,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of source) {
    size += part.length
    if (size > limit)
      throw new MalformedError('the index of an answer', `it has more than ${limit} bytes`)
    parts.push(part)
  }
  return concat(parts)
}

/** How many objects the pack says that it has. */
async function readCount(read: ReadSpan): Promise<number> {
  const header = await read(0, 12)
  const count = readU32(header.subarray(8))
  if (!equal(header, encodePackHeader(count))) throw misfit('the pack is none of version 2')
  return count
}

/** Makes sure that all objects are inside of the pack. */
function checkBounds(index: PackIndex, size: number): void {
  for (let i = 0; i < index.count; i++) {
    const [start, length] = [index.offset(i), index.length(i)]
    if (start < 12 || length < 2 || start + length > size - 20)
      throw misfit('an entry is outside of the pack')
  }
}

function misfit(problem: string): MalformedError {
  return new MalformedError('the pack and the index of an answer', problem)
}

/** The place as it will be with a pack that is still being written: that is the last of its packs. */
function placeWith(
  place: Place,
  { size, read, table }: { size: number; read: ReadSpan; table: ReceivedIndex },
): Place {
  const index = table.encodeIndex()
  const common = { id: INCOMING, needs: [], verified: false }
  const pack = { ...common, size, indexSize: index.length, objects: table.count }
  return {
    ...place,
    async read() {
      const state = await place.read()
      return { ...state, packs: [...state.packs, pack] }
    },
    readPack: (id, start, end) =>
      id === INCOMING ? read(start, Math.min(end, size)) : place.readPack(id, start, end),
    readIndex: async (id, start, end) =>
      id === INCOMING ? index.subarray(start, end) : place.readIndex(id, start, end),
  }
}

/** An object that has to be there, and its type where only one will do. */
type Needed = readonly [oid: Oid, type: ObjectType | undefined]
/** Takes one. */
type Need = (...needed: Needed) => unknown

/** What came with an answer. */
interface Arrival {
  /** The objects of the repository and of the pack. */
  readonly objects: Objects
  readonly index: PackIndex
  readonly promised: PromisedObjects | undefined
}

/**
 * Reads what refs will point at, and all trees of it that came along; the others must be here.
 *
 * @throws MalformedError when something is of another type than what leads to it says
 * @throws MissingError when it is nowhere
 */
async function checkHeads({ objects }: Store, refs: Refs, came?: Arrival): Promise<void> {
  // Another tab may have brought something since this one looked.
  const here = came?.objects ?? objects
  // The empty tree need not be stored anywhere.
  const absent = new Set([EMPTY_TREE, ...(came?.promised?.add ?? [])])
  const needed = new Map<string, Needed>()
  const need: Need = (oid, type) => needed.set(oid + type, [oid, type])
  for (const [name, oid] of refs) need(oid, name.startsWith(HEADS) ? 'commit' : undefined)
  // It grows while it is walked over.
  for (const [oid, type] of needed.values()) {
    if (absent.has(oid) && type !== 'commit') continue
    const object = came && came.index.find(oid) >= 0 ? await came.objects.read(oid) : undefined
    const [copy] = object ? [] : await here.locate(oid)
    const found = object?.type ?? copy?.index.type(copy.ordinal)
    if (found === undefined && (await here.state.promised(oid)) === undefined)
      throw new MissingError('what an answer to sync rests on', oid)
    if (type && found && found !== type)
      throw new MalformedError('an answer to sync', `${oid} is a ${found}, not a ${type}`)
    if (object) follow(object, need)
  }
}

/** The packs that hold what deltas of this one are made of. */
async function findNeeds({ objects, onDemand }: Store, index: PackIndex): Promise<PackId[]> {
  const outside = new Set<Oid>()
  for (let i = 0; i < index.count; i++) {
    const base = index.linkOid(index.base(i))
    if (base !== undefined && index.find(base) < 0) outside.add(base)
  }
  await onDemand?.ahead(outside)
  const needs = new Set<PackId>()
  for (const oid of outside) {
    const [located] = await objects.locate(oid)
    if (located === undefined) throw new MissingError('what an answer to sync rests on', oid)
    needs.add(located.pack.id)
  }
  return [...needs]
}

/** Adds the tree of a commit, the trees in a tree, the target of a tag. */
function follow({ type, body }: GitObject, need: Need): void {
  if (type === 'blob') return
  if (type === 'tree') {
    for (const cursor = new TreeCursor(body); cursor.next();)
      if (isTreeMode(cursor.mode)) need(cursor.oid(), 'tree')
    return
  }
  const links = readLinks(type, body)
  if (links === undefined) throw new MalformedError(`a ${type}`, 'it does not name what it must')
  const found = unpackLinks(links)
  if (found.kind === 'tag') need(found.target, undefined)
  if (found.kind === 'commit') need(found.tree, 'tree')
}
