/**
 * Comparing an index with its pack: what it says of every object, beside what was read of it.
 *
 * Both list their objects in the order of the oids, so the rows stand side by side. A tree may be told as the difference to
 * another one than the pack's delta is to: only such trees are read again.
 *
 * @module
 */
import { equal } from '@datakit/git/bytes'
import type { Objects } from '@datakit/git/objects'
import { OID_BYTES } from '@datakit/git/oid'
import { NO_LINK, type Link } from '@datakit/git/pack/index-format'
import type { CommitRow, EdgeRow } from '@datakit/git/pack/index-rows'
import { readWhole, type WholeIndex } from '@datakit/git/pack/index-table'
import { oidKey, readLinks, type PackedLinks } from '@datakit/git/pack/links'
import { readTreeDifference } from '@datakit/git/pack/links-difference'
import type { PackIndex } from '@datakit/git/pack/pack-index'
import type { PackTable } from '@datakit/git/pack/pack-table'

/** A pack that was read, and the index that is kept beside it. */
export interface IndexedPack {
  readonly table: PackTable
  readonly index: PackIndex
}

/** Rows between two looks at the signal. */
const STRIDE = 4096

/**
 * The first thing in which the index is wrong about the pack; `undefined` where it is right about everything.
 *
 * @param objects all that trees may be told by
 * @throws MalformedError when the index, or a tree that it tells others by, cannot be read
 */
export async function compareIndex(
  objects: Objects,
  { table, index }: IndexedPack,
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (table.count !== index.count)
    return `it holds ${table.count} objects, its index ${index.count}`
  const rows = new RowCheck(objects, table, await readWhole(index))
  for (let ordinal = 0; ordinal < index.count; ordinal++) {
    if (ordinal % STRIDE === 0) signal?.throwIfAborted()
    const difference = rows.compare(ordinal)
    const found = typeof difference === 'object' ? await difference : difference
    if (found !== undefined) return found
  }
  return undefined
}

/** What an index says of links, before anybody followed them. */
type Claims = Iterable<Link>

class RowCheck {
  readonly #objects: Objects
  readonly #table: PackTable
  readonly #whole: WholeIndex

  constructor(objects: Objects, table: PackTable, whole: WholeIndex) {
    this.#objects = objects
    this.#table = table
    this.#whole = whole
  }

  /** In what the index is wrong about an object. A promise only where trees must be read. */
  compare(ordinal: number): string | undefined | Promise<string | undefined> {
    const { index } = this.#whole
    const table = this.#table
    const row = table.order().row(ordinal)
    if (!equal(index.oidBytes(ordinal), table.oidBytes(row)) || !this.#isSameEntry(ordinal, row))
      return `its index is wrong about ${table.oid(row)}`
    if (table.type(row) === 'blob') return undefined
    const links = table.packedLinks(row)
    if (links === undefined) return `${table.oid(row)} does not name what it must`
    const isSame = this.#isSame(ordinal, links)
    const wrong = `its index is wrong about what ${table.oid(row)} names`
    if (typeof isSame === 'object') return isSame.then((is) => (is ? undefined : wrong))
    return isSame ? undefined : wrong
  }

  #isSameEntry(ordinal: number, row: number): boolean {
    const { index, crcs } = this.#whole
    const table = this.#table
    const [base, claimed] = [table.baseBytes(row), index.linkBytes(index.base(ordinal))]
    return (
      index.offset(ordinal) === table.offset(row) &&
      index.length(ordinal) === table.length(row) &&
      index.size(ordinal) === table.size(row) &&
      index.type(ordinal) === table.type(row) &&
      crcs[ordinal] === table.crc(row) &&
      (base === undefined || claimed === undefined ? base === claimed : equal(base, claimed))
    )
  }

  #isSame(ordinal: number, links: PackedLinks): boolean | Promise<boolean> {
    const { commits, edges, tags } = this.#whole
    if (links.kind === 'commit') return this.#isSameCommit(commits?.of(ordinal), links)
    if (links.kind === 'tag') return this.#names([tags?.of(ordinal) ?? NO_LINK], links.oids)
    const edge = edges?.of(ordinal)
    // Rows of large trees may be left out; those of commits and tags may not.
    if (edge === undefined) return true
    return this.#isSameEdge(edge, links) || this.#isSameTree(ordinal, edge)
  }

  #isSameCommit(commit: CommitRow | undefined, links: PackedLinks): boolean {
    if (commit === undefined || commit.time !== links.time) return false
    const { tree, parents, generation } = commit
    if (!this.#names([tree, ...parents], links.oids)) return false
    // No parent in this pack may claim to be as far from the roots as its child.
    const { commits } = this.#whole
    const isAfter = (parent: Link) => (commits?.of(parent)?.generation ?? 0) < generation
    return generation === 0 || parents.every(isAfter)
  }

  /** Whether a tree is told by the same difference, written in the same order. */
  #isSameEdge({ against, removed, added }: EdgeRow, links: PackedLinks): boolean {
    if (links.against !== (against !== NO_LINK) || removed.length !== links.removed) return false
    const told = links.against ? [against, ...removed, ...added] : [...removed, ...added]
    return this.#names(told, links.oids)
  }

  /** Whether links lead to these oids, in this order. */
  #names(claims: readonly Link[], oids: Uint8Array): boolean {
    if (claims.length * OID_BYTES !== oids.length) return false
    const { index } = this.#whole
    return claims.every((link, i) => {
      const claimed = index.linkBytes(link)
      const at = i * OID_BYTES
      return claimed !== undefined && equal(claimed, oids.subarray(at, at + OID_BYTES))
    })
  }

  /** Whether a tree has the children that the index tells by another one. */
  async #isSameTree(ordinal: number, edge: EdgeRow): Promise<boolean> {
    const { index } = this.#whole
    const other = index.linkOid(edge.against)
    // The tree that it is told by may have been collected since: then nobody can follow the row, and nobody does.
    if (other !== undefined && !(await this.#objects.has(other))) return true
    const { body } = await this.#objects.read(index.oid(ordinal))
    const [removed, added] = [this.#keys(edge.removed), this.#keys(edge.added)]
    if (removed === undefined || added === undefined) return false
    if (other === undefined) return removed.size === 0 && isSameSet(added, childrenIn(body))
    const { body: old } = await this.#objects.read(other)
    const difference = readTreeDifference(body, { oid: index.oidBytes(ordinal), body: old })
    if (difference === undefined) return false
    const oids = difference.oids.subarray(OID_BYTES)
    const cut = difference.removed * OID_BYTES
    const [gone, come] = [keysOf(oids.subarray(0, cut)), keysOf(oids.subarray(cut))]
    if (isSameSet(removed, gone) && isSameSet(added, come)) return true
    // It may be told more lengthily than it had to be.
    const told = childrenIn(old)
    for (const key of removed) told.delete(key)
    for (const key of added) told.add(key)
    return isSameSet(told, childrenIn(body))
  }

  /** The oids that links lead to, as keys; `undefined` when one leads nowhere. */
  #keys(claims: Claims): Set<string> | undefined {
    const keys = new Set<string>()
    for (const link of claims) {
      const bytes = this.#whole.index.linkBytes(link)
      if (bytes === undefined) return undefined
      keys.add(oidKey(bytes))
    }
    return keys
  }
}

function childrenIn(tree: Uint8Array): Set<string> {
  return keysOf(readLinks('tree', tree)?.oids ?? new Uint8Array(0))
}

function keysOf(oids: Uint8Array): Set<string> {
  const keys = new Set<string>()
  for (let at = 0; at < oids.length; at += OID_BYTES)
    keys.add(oidKey(oids.subarray(at, at + OID_BYTES)))
  return keys
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((key) => b.has(key))
}
