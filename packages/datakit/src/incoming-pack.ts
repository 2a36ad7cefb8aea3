/**
 * Incoming pack: a pack and an index that a server sent, until they are stored.
 *
 * The server's word counts for where things are and for nothing else. The pack must have the trailer that its bytes
 * hash to, the index must fit it, and what refs point at, with the trees of it that came along, is inflated and named
 * before any ref moves; all other objects are checked when they are read. So the pack is kept as not verified.
 *
 * @module
 */
import { ByteCache } from '@datakit/git/byte-cache'
import { concat, equal } from '@datakit/git/bytes'
import { MalformedError, MissingError } from '@datakit/git/error'
import { nameObject, type GitObject } from '@datakit/git/object'
import { EMPTY_TREE, type Oid } from '@datakit/git/oid'
import { applyDelta } from '@datakit/git/pack/delta'
import { readEntryHeader } from '@datakit/git/pack/entry'
import { openReceivedIndex } from '@datakit/git/pack/index-table'
import { readLinks, unpackLinks } from '@datakit/git/pack/links'
import type { PackIndex } from '@datakit/git/pack/pack-index'
import type { PackId, PackWriter, StagedPack } from '@datakit/git/place'
import { entriesOf, isTreeMode } from '@datakit/git/tree'
import type { ObjectSource } from './object-source.ts'
import type { Answer } from './sync-exchange.ts'
import type { Store } from './store.ts'
import { HEADS, type Refs } from './sync-refs.ts'

/** A pack that is written and not visible yet. */
export interface ReceivedPack {
  readonly staged: StagedPack
  /** Packs that hold bases of its deltas. */
  readonly needs: readonly PackId[]
}

/** Packs up to this many bytes are hashed in one go, which is the fastest way where the runtime has one. */
const HELD = 32 * 1024 * 1024
/** The longest index that is taken, in bytes: more than any that was made as docs/storage-format.md says. */
const MAX_INDEX = 256 * 1024 * 1024
const INDEX_FLOOR = 64 * 1024
const INDEX_BYTES = 1024
/** Bytes that are read at once from a pack that is not held. */
const WINDOW = 1024 * 1024
/** Bytes of objects that are kept for the deltas on them. */
const BASES = 32_000_000
/** Deltas on deltas that are followed. */
const MAX_CHAIN = 4096

/**
 * Takes in the pack of an answer; `undefined` when there is none.
 *
 * @param refs where refs will point
 * @throws MalformedError when pack and index are not what they should be
 */
export async function receivePack(
  store: Store,
  answer: Answer,
  options: {
    readonly refs: Refs
    readonly onBytes?: ((bytes: number) => void) | undefined
  },
): Promise<ReceivedPack | undefined> {
  if (answer.header.pack === 0) return undefined
  const writer = await store.place.writePack()
  try {
    const { size, read } = await writeChecked(store, writer, answer.pack, options.onBytes)
    const count = await readCount(read)
    const limit = Math.min(MAX_INDEX, INDEX_FLOOR + INDEX_BYTES * count)
    const table = await openReceivedIndex(await collect(answer.index, limit))
    const { index } = table
    if (index.count !== count) throw misfit('they do not have the same number of objects')
    checkBounds(index, size)
    const incoming = new IncomingPack(store, read, index)
    for (const [name, oid] of options.refs) await incoming.checkHead(oid, name.startsWith(HEADS))
    const needs = await incoming.findNeeds()
    const staged = await writer.finish({ table, needs, verified: false })
    return { staged, needs }
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
    await writer.write(piece)
    size += piece.length
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
  const whole = size > HELD ? undefined : rest
  if (size >= 32 && equal(found, rest.subarray(-20)))
    return { size, read: spanReader(writer, whole) }
  throw new MalformedError(
    'the pack of an answer',
    'its trailer is not the SHA-1 of what is before it',
  )
}

/** Reads out of memory where the pack is held there, else through windows: a place may have to fetch for each read. */
function spanReader(writer: PackWriter, whole: Uint8Array | undefined): ReadSpan {
  if (whole !== undefined) return async (start, end) => whole.subarray(start, end)
  const windows = new ByteCache<number, Uint8Array>(16 * WINDOW)
  const windowAt = async (at: number): Promise<Uint8Array> => {
    const bytes = windows.get(at) ?? (await writer.read(at, at + WINDOW))
    windows.set(at, bytes, bytes.length)
    return bytes
  }
  return async (start, end) => {
    const at = start - (start % WINDOW)
    if (end > at + WINDOW) return writer.read(start, end)
    return (await windowAt(at)).subarray(start - at, end - at)
  }
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
  const view = new DataView(header.buffer, header.byteOffset, 12)
  if (view.getUint32(0) !== 0x5041434b || view.getUint32(4) !== 2)
    throw misfit('the pack is none of version 2')
  return view.getUint32(8)
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

/** Reads objects out of a pack that is still being written, and what it lacks out of the repository. */
class IncomingPack implements ObjectSource {
  readonly #store: Store
  readonly #read: ReadSpan
  readonly #index: PackIndex
  /** Objects that others are deltas of: each is made once, not once for every delta on it. */
  readonly #bases = new ByteCache<number, GitObject>(BASES)
  /** What was found to be there. The empty tree need not be stored anywhere. */
  readonly #checked = new Set<Oid>([EMPTY_TREE])

  constructor(store: Store, read: ReadSpan, index: PackIndex) {
    this.#store = store
    this.#read = read
    this.#index = index
  }

  async read(oid: Oid): Promise<GitObject> {
    const ordinal = this.#index.find(oid)
    if (ordinal < 0) return this.#store.read(oid)
    const object = await this.#resolve(ordinal, 0)
    if (nameObject(this.#store.runtime, object) === oid) return object
    throw new MalformedError(`object ${oid}`, 'what the server sent has another name')
  }

  /**
   * Reads what a ref will point at, and all trees of it that came with this pack; the others must be here.
   *
   * @throws MalformedError when a branch would point at something else than a commit
   */
  async checkHead(head: Oid, isBranch: boolean): Promise<void> {
    const type = isBranch && this.#index.find(head) >= 0 ? (await this.read(head)).type : 'commit'
    if (type !== 'commit')
      throw new MalformedError('an answer to sync', `a branch is at ${head}, a ${type}`)
    const stack = [head]
    for (let oid = stack.pop(); oid !== undefined; oid = stack.pop()) {
      if (this.#checked.has(oid)) continue
      this.#checked.add(oid)
      if (this.#index.find(oid) >= 0) stack.push(...leadsTo(await this.read(oid)))
      else if (!(await this.#store.objects.has(oid)))
        throw new MissingError('what a ref of the server leads to', oid)
    }
  }

  /** The packs that hold what deltas of this one are made of. */
  async findNeeds(): Promise<PackId[]> {
    const outside = new Set<Oid>()
    for (let i = 0; i < this.#index.count; i++) {
      const base = this.#index.linkOid(this.#index.base(i))
      if (base !== undefined && this.#index.find(base) < 0) outside.add(base)
    }
    const needs = new Set<PackId>()
    for (const oid of outside) {
      const [located] = await this.#store.objects.locate(oid)
      if (located === undefined)
        throw new MissingError('the base of a delta that a server sent', oid)
      needs.add(located.pack.id)
    }
    return [...needs]
  }

  async #resolve(ordinal: number, depth: number): Promise<GitObject> {
    const object = this.#bases.get(ordinal) ?? (await this.#resolveNew(ordinal, depth))
    this.#bases.set(ordinal, object, object.body.length + 100)
    return object
  }

  async #resolveNew(ordinal: number, depth: number): Promise<GitObject> {
    const index = this.#index
    const start = index.offset(ordinal)
    const bytes = await this.#read(start, start + index.length(ordinal))
    const header = readEntryHeader(bytes, 0)
    if (header === undefined || depth > MAX_CHAIN) throw misfit('an entry cannot be read')
    // A lie about the size allocates no more than a zlib stream of this length can hold.
    if (header.size > bytes.length * 1032)
      throw misfit('an entry is said to be larger than it can be')
    const body = this.#store.runtime.inflate(bytes, header.length, bytes.length, header.size)
    if (header.type !== undefined) return { type: header.type, body }
    const oid = index.linkOid(index.base(ordinal))
    if (oid === undefined) throw misfit('the index knows no base of a delta')
    const inside = index.find(oid)
    const base = inside < 0 ? await this.#store.read(oid) : await this.#resolve(inside, depth + 1)
    return { type: base.type, body: applyDelta(base.body, body) }
  }
}

/** The tree of a commit, the trees in a tree, the target of a tag. */
function leadsTo({ type, body }: GitObject): Oid[] {
  if (type === 'blob') return []
  if (type === 'tree')
    return [...entriesOf(body)].flatMap(({ mode, oid }) => (isTreeMode(mode) ? [oid] : []))
  const links = readLinks(type, body)
  if (links === undefined) throw new MalformedError(`a ${type}`, 'it does not name what it must')
  const found = unpackLinks(links)
  if (found.kind === 'tree') return []
  return [found.kind === 'tag' ? found.target : found.tree]
}
