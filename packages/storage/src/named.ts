/**
 * What the objects of a pack name: whether all of it is there.
 *
 * Reading a pack tells what each object names, a tree by its difference to the tree that its delta is made of. What is in
 * the same pack is found in its own table, and what a tree inherits from one in the pack is looked for there. The rest, mostly
 * little, is looked for once each in the other packs.
 *
 * @module
 */
import { MalformedError, MissingError } from '@datakit/git/error'
import { TYPE_NUMBERS, type ObjectType } from '@datakit/git/object'
import type { Objects } from '@datakit/git/objects'
import { OidMap } from '@datakit/git/oid-map'
import { EMPTY_TREE, OID_BYTES, readOid, type Oid } from '@datakit/git/oid'
import { readLinks, type PackedLinks } from '@datakit/git/pack/links'
import type { PackTable } from '@datakit/git/pack/pack-table'

/**
 * Checks that everything is there which objects of a pack name.
 *
 * @param objects all packs of the place, this one among them
 * @throws MalformedError when an object names nothing though it must, or a commit names a tree that is none or a parent that is none;
 *   MissingError when what one names is nowhere
 */
export async function checkNamed(
  objects: Objects,
  table: PackTable,
  signal?: AbortSignal,
): Promise<void> {
  const named = new Named(objects, table)
  try {
    await named.check(signal)
  } finally {
    named.release()
  }
}

class Named {
  readonly #objects: Objects
  readonly #table: PackTable
  /** What is named and not in the pack, with a bit for each type that it must be of. */
  readonly #outside = new OidMap()
  /** Trees outside of the pack that deltas are made of: their children are inherited. */
  readonly #bases = new OidMap()

  constructor(objects: Objects, table: PackTable) {
    this.#objects = objects
    this.#table = table
  }

  async check(signal: AbortSignal | undefined): Promise<void> {
    const table = this.#table
    for (let row = 0; row < table.count; row++) this.#note(row)
    for (let i = 0; i < this.#bases.size; i++) {
      signal?.throwIfAborted()
      this.#look(await this.#childrenOf(this.#bases.oid(i)), 0)
    }
    const missing = await this.#missing(signal)
    if (missing.size > 0) await this.#explain(missing)
  }

  release(): void {
    this.#outside.release()
    this.#bases.release()
  }

  /** Notes what an object names that is not in the pack. */
  #note(row: number): void {
    const table = this.#table
    if (table.type(row) === 'blob') return
    const links = table.packedLinks(row)
    if (links === undefined)
      throw new MalformedError(`object ${table.oid(row)}`, 'it does not name what it must')
    if (links.against && table.order().find(links.oids) < 0) this.#bases.add(links.oids)
    const named = links.oids.subarray(0, this.#endOf(links, row))
    if (links.kind !== 'commit') return this.#look(named, startOf(links))
    this.#look(named.subarray(0, OID_BYTES), 0, 'tree')
    this.#look(named, OID_BYTES, 'commit')
  }

  /** Where what must be here ends: the parents of a shallow commit need not be. */
  #endOf({ kind, oids }: PackedLinks, row: number): number {
    const { shallow } = this.#objects.state
    const isCut = kind === 'commit' && shallow.size > 0 && shallow.has(this.#table.oid(row))
    return isCut ? OID_BYTES : oids.length
  }

  /** Looks in the pack, where objects must be of a type if only one will do, and notes the others. */
  #look(oids: Uint8Array, start: number, type?: ObjectType): void {
    const order = this.#table.order()
    const outside = this.#outside
    for (let at = start; at < oids.length; at += OID_BYTES) {
      const ordinal = order.find(oids, at)
      if (ordinal >= 0) {
        const found = this.#table.type(order.row(ordinal))
        if (type !== undefined && found !== type) throw misnamed(readOid(oids, at), found)
        continue
      }
      const place = outside.add(oids, at)
      if (type !== undefined) outside.setValue(place, outside.value(place) | bitOf(type))
    }
  }

  async #childrenOf(oid: Oid): Promise<Uint8Array> {
    const { type, body } = await this.#objects.read(oid)
    const links = readLinks(type, body)
    if (links !== undefined) return links.oids
    throw new MalformedError(`object ${oid}`, 'it does not name what it must')
  }

  async #missing(signal: AbortSignal | undefined): Promise<OidMap> {
    const missing = new OidMap()
    for (let i = 0; i < this.#outside.size; i++) {
      if (i % 256 === 0) signal?.throwIfAborted()
      const oid = this.#outside.oid(i)
      // The empty tree need not be stored anywhere.
      if (oid === EMPTY_TREE) continue
      const [copy] = await this.#objects.locate(oid)
      if (copy !== undefined) {
        const type = copy.index.type(copy.ordinal)
        const needed = this.#outside.value(i)
        if (needed !== 0 && needed !== bitOf(type)) throw misnamed(oid, type)
        continue
      }
      if ((await this.#objects.state.promised(oid)) === undefined)
        missing.add(this.#outside.oidBytes(i))
    }
    return missing
  }

  /** Says which object names something that is missing. A tree that inherits it may have dropped it again. */
  async #explain(missing: OidMap): Promise<void> {
    const table = this.#table
    for (let row = 0; row < table.count; row++) {
      const links = table.packedLinks(row)
      if (links === undefined) continue
      const all =
        this.#bases.size > 0 && links.kind === 'tree'
          ? await this.#childrenOf(table.oid(row))
          : links.oids.subarray(startOf(links), this.#endOf(links, row))
      for (let at = 0; at < all.length; at += OID_BYTES)
        if (missing.find(all, at) >= 0)
          throw new MissingError(`what ${table.oid(row)} names`, readOid(all, at))
    }
  }
}

function bitOf(type: ObjectType): number {
  return 1 << TYPE_NUMBERS[type]
}

function misnamed(oid: Oid, type: ObjectType): MalformedError {
  return new MalformedError(`object ${oid}`, `it is a ${type}, and a commit names it as another`)
}

/** Where what is named begins: behind the tree that a difference is to, and what it takes away. */
function startOf({ against, removed }: PackedLinks): number {
  return ((against ? 1 : 0) + removed) * OID_BYTES
}
