/**
 * Verification: packs whose index came from someone else are proved, in the background.
 *
 * A pack that was received along with its index is kept as not verified: the index only says where bytes are, and nothing
 * of it is copied or merged. Here the pack is read as if it came in for the first time: every object inflated and named,
 * everything that it names found, and the index compared with what was read, row by row. Then it is marked.
 *
 * @module
 */
import { GitError, MalformedError, MissingError } from '@datakit/git/error'
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { readLinks, unpackLinks, type Links } from '@datakit/git/pack/links'
import { NO_LINK, type Link } from '@datakit/git/pack/index-format'
import type { PackIndex } from '@datakit/git/pack/pack-index'
import type { PackTable } from '@datakit/git/pack/pack-table'
import { readPack, type PackedObject } from '@datakit/git/pack/read-pack'
import type { PackId, PackInfo, Place } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'

/** A pack that is not what its index says. */
export interface DamagedPack {
  readonly id: PackId
  readonly problem: string
}

/** What to verify, and how. */
export interface VerifyOptions {
  readonly signal?: AbortSignal | undefined
  /** Bytes of the largest pack that is looked at; all are when left out. */
  readonly maxSize?: number | undefined
  /** The objects of the place, where somebody has them open and has just refreshed them; opened anew when left out. */
  readonly objects?: Objects | undefined
}

const STEP = 1024 * 1024
/** Bytes of packs and objects that are kept meanwhile. */
const CACHE = 8_000_000

/**
 * Verifies every live pack that is not, oldest first, and marks it. Packs that fail stay as they are, and are told.
 * Packs that are replaced meanwhile are passed over.
 */
export async function verifyPacks(
  place: Place,
  runtime: Runtime,
  options: VerifyOptions = {},
): Promise<{ readonly verified: number; readonly damaged: readonly DamagedPack[] }> {
  const { maxSize = Infinity } = options
  const objects = options.objects ?? (await Objects.open(place, runtime, { bytes: CACHE }))
  const damaged: DamagedPack[] = []
  let verified = 0
  for (const pack of objects.state.packs) {
    if (pack.verified || pack.size > maxSize) continue
    options.signal?.throwIfAborted()
    try {
      await verifyPack(objects, pack, options.signal)
    } catch (error) {
      if (!(error instanceof GitError)) throw error
      const isGone = !(await objects.refresh()).packs.some(({ id }) => id === pack.id)
      if (!isGone) damaged.push({ id: pack.id, problem: error.message })
      continue
    }
    await place.markVerified([pack.id])
    await objects.refresh()
    verified++
  }
  return { verified, damaged }
}

async function verifyPack(
  objects: Objects,
  pack: PackInfo,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { place, runtime } = objects
  const index = await objects.indexOf(pack)
  const links = new LinkCheck(objects, pack, index)
  const { table, size } = await readPack(piecesOf(place, pack), {
    runtime,
    writer: { write: async () => {}, read: (start, end) => place.readPack(pack.id, start, end) },
    resolveBase: async (oid) => ((await objects.has(oid)) ? objects.read(oid) : undefined),
    onObject: (object) => links.check(object),
    signal,
  })
  if (size !== pack.size) throw damage(pack, `it has ${size} bytes, not ${pack.size}`)
  if (table.count !== index.count || table.count !== pack.objects) {
    throw damage(pack, `it holds ${table.count} objects, its index ${index.count}`)
  }
  await compareRows(pack, table, index)
}

/** The bytes of a pack, a piece at a time. */
export async function* piecesOf(place: Place, { id, size }: PackInfo): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < size; i += STEP) yield await place.readPack(id, i, Math.min(size, i + STEP))
}

/**
 * Compares what was read with what the index says of it, links aside.
 *
 * @throws MalformedError with the first object of which the index is wrong
 */
export async function compareRows(
  pack: PackInfo,
  table: PackTable,
  index: PackIndex,
): Promise<void> {
  const crcs = await index.crcs()
  for (let i = 0; i < table.count; i++) {
    const ordinal = index.findBytes(table.oidBytes(i))
    const isSame =
      ordinal >= 0 &&
      index.offset(ordinal) === table.offset(i) &&
      index.length(ordinal) === table.length(i) &&
      index.size(ordinal) === table.size(i) &&
      index.type(ordinal) === table.type(i) &&
      crcs[ordinal] === table.crc(i) &&
      index.linkOid(index.base(ordinal)) === table.base(i)
    if (!isSame) throw damage(pack, `its index is wrong about ${table.oid(i)}`)
  }
}

/** Compares what objects name with what the index of their pack says that they name. */
export class LinkCheck {
  readonly #objects: Objects
  readonly #pack: PackInfo
  readonly #index: PackIndex

  constructor(objects: Objects, pack: PackInfo, index: PackIndex) {
    this.#objects = objects
    this.#pack = pack
    this.#index = index
  }

  /** @throws MalformedError when the index is wrong, MissingError when something that the object names is nowhere */
  async check(object: PackedObject): Promise<void> {
    if (object.type === 'blob') return
    for (const child of childrenOf(linksIn(object.type, object.body)))
      await this.#find(object.oid, child)
    const difference = await this.difference(object)
    if (difference !== undefined) throw damage(this.#pack, difference)
  }

  /** In what the index is wrong about an object; `undefined` where it is right. */
  async difference({ oid, type, body }: PackedObject): Promise<string | undefined> {
    if (type === 'blob') return undefined
    const links = linksIn(type, body)
    if (links === undefined) return `${oid} does not name what it must`
    const claimed = await this.#claimed(this.#index.find(oid))
    // Rows of large trees may be left out; commits and tags may not.
    if (claimed === undefined && type === 'tree') return undefined
    if (claimed !== undefined && (await this.#isSame(links, claimed))) return undefined
    return `its index is wrong about what ${oid} names`
  }

  async #find(oid: Oid, child: Oid): Promise<void> {
    if (this.#index.find(child) >= 0 || (await this.#objects.has(child))) return
    const { state } = this.#objects
    if (state.shallow.has(oid) || (await state.promised(child)) !== undefined) return
    throw new MissingError(`what ${oid} names`, child)
  }

  async #claimed(ordinal: number): Promise<Links | undefined> {
    const index = this.#index
    if (ordinal < 0) return undefined
    const type = index.type(ordinal)
    if (type === 'commit') {
      const row = (await index.commits()).of(ordinal)
      const tree = row && index.linkOid(row.tree)
      if (!row || tree === undefined) return undefined
      const { time, generation } = row
      return { kind: 'commit', tree, parents: this.#oids(row.parents), time, generation }
    }
    if (type === 'tag') {
      const target = (await index.tags()).of(ordinal)
      const oid = target === undefined ? undefined : index.linkOid(target)
      return oid && { kind: 'tag', target: oid }
    }
    const row = (await index.edges()).of(ordinal)
    if (!row) return undefined
    const against = row.against === NO_LINK ? undefined : index.linkOid(row.against)
    // The tree that it is told by may have been collected since: then nobody can follow the row, and nobody does.
    if (against !== undefined && !(await this.#objects.has(against))) return undefined
    const [removed, added] = [this.#oids(row.removed), this.#oids(row.added)]
    return { kind: 'tree', against, removed, added }
  }

  #oids(links: Iterable<Link>): Oid[] {
    return [...links].flatMap((link) => this.#index.linkOid(link) ?? [])
  }

  async #isSame(links: Links, claimed: Links): Promise<boolean> {
    if (links.kind === 'tree' && claimed.kind === 'tree') {
      return isSameSet(new Set(links.added), await this.#childrenClaimed(claimed))
    }
    if (links.kind === 'commit' && claimed.kind === 'commit') {
      const isSameTree = links.tree === claimed.tree && links.time === claimed.time
      const isSame = isSameTree && links.parents.join() === claimed.parents.join()
      return isSame && (claimed.generation === 0 || (await this.#isAfterParents(claimed)))
    }
    return links.kind === 'tag' && claimed.kind === 'tag' && links.target === claimed.target
  }

  /** Whether no parent in this pack claims to be as far from the roots as its child. */
  async #isAfterParents(claimed: Extract<Links, { kind: 'commit' }>): Promise<boolean> {
    const commits = await this.#index.commits()
    return claimed.parents.every((parent) => {
      const generation = commits.of(this.#index.find(parent))?.generation ?? 0
      return generation < claimed.generation
    })
  }

  /** The children of a tree as the index has them: those of another tree, without some and with others. */
  async #childrenClaimed(claimed: Extract<Links, { kind: 'tree' }>): Promise<Set<Oid>> {
    const children = new Set<Oid>()
    if (claimed.against !== undefined) {
      const { type, body } = await this.#objects.read(claimed.against)
      for (const child of childrenOf(linksIn(type, body))) children.add(child)
    }
    for (const oid of claimed.removed) children.delete(oid)
    for (const oid of claimed.added) children.add(oid)
    return children
  }
}

function linksIn(type: PackedObject['type'], body: Uint8Array): Links | undefined {
  const links = readLinks(type, body)
  return links && unpackLinks(links)
}

function childrenOf(links: Links | undefined): readonly Oid[] {
  if (links === undefined) return []
  if (links.kind === 'commit') return [links.tree, ...links.parents]
  return links.kind === 'tag' ? [links.target] : links.added
}

function isSameSet(a: ReadonlySet<Oid>, b: ReadonlySet<Oid>): boolean {
  return a.size === b.size && [...a].every((oid) => b.has(oid))
}

function damage({ id }: PackInfo, problem: string): MalformedError {
  return new MalformedError(`pack ${id}`, problem)
}
