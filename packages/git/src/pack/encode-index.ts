/**
 * Encoding of our index from a table of objects.
 *
 * Spec: docs/storage-format.md, "Pack index"
 *
 * @module
 */
import { concat } from '../bytes.ts'
import { TYPE_NUMBERS } from '../object.ts'
import { OID_BYTES } from '../oid.ts'
import { generationsOf } from './generations.ts'
import { bytesOf, encodeSections, NO_LINK, type Link, type Section } from './index-format.ts'
import type { PackedLinks } from './links.ts'
import { compareAt, fanOutOf, findOid, sortRows, type OidOrder } from './oid-order.ts'
import type { PackTable } from './pack-table.ts'

/** Bytes of tree rows that an index may have for each of its objects; trees beyond that are read when walked. */
const EDGE_BYTES = 64
/** Bytes of tree rows that every index may have, however few its objects are. */
const EDGE_FLOOR = 4096

interface Row {
  readonly ordinal: number
  readonly links: PackedLinks
}

/** The index of the objects in `table`. Sections of `more` are read along with the look-up columns. */
export function encodeIndexOf(
  table: PackTable,
  more: readonly Section[] = [],
): Uint8Array<ArrayBuffer> {
  const order = table.order()
  const rows = linkRows(table, order)
  const trees = affordableTrees(rows.tree, order)
  const outside = new Outside(order)
  for (let row = 0; row < table.count; row++) outside.add(table.baseBytes(row))
  for (const { links } of [...rows.commit, ...trees, ...rows.tag]) outside.add(links.oids)
  outside.sort()
  const sections = [oidSection(order), lookSection(table, order, outside)]
  if (hasLargeOffsets(table)) sections.push(largeOffsets(table, order))
  sections.push({ tag: 'outs', rows: outside.count, bytes: outside.bytes })
  sections.push(
    ...more,
    { tag: 'crcs', rows: table.count, bytes: column(order, (row) => table.crc(row)) },
    commitSection(rows.commit, outside),
    edgeSection(trees, outside),
    tagSection(rows.tag, outside),
  )
  return encodeSections(table.count, sections)
}

/** The oids that an index names and does not hold, and the links to them. */
class Outside {
  readonly #order: OidOrder
  #pending: Uint8Array[] = []
  #fanOut = new Uint32Array(256)
  bytes: Uint8Array = new Uint8Array(0)

  constructor(order: OidOrder) {
    this.#order = order
  }

  get count(): number {
    return this.bytes.length / OID_BYTES
  }

  /** Takes the oids that are not in the index. */
  add(oids: Uint8Array | undefined): void {
    for (let at = 0; oids !== undefined && at < oids.length; at += OID_BYTES) {
      if (this.#order.find(oids, at) < 0) this.#pending.push(oids.subarray(at, at + OID_BYTES))
    }
  }

  sort(): void {
    const all = concat(this.#pending)
    this.#pending = []
    const distinct = new Uint8Array(all.length)
    let count = 0
    for (const row of sortRows(all, all.length / OID_BYTES)) {
      if (count > 0 && compareAt(distinct, (count - 1) * OID_BYTES, all, row * OID_BYTES) === 0)
        continue
      distinct.set(all.subarray(row * OID_BYTES, (row + 1) * OID_BYTES), count++ * OID_BYTES)
    }
    this.bytes = distinct.slice(0, count * OID_BYTES)
    this.#fanOut = fanOutOf(this.bytes, count)
  }

  /** The link to the oid at `at`, which was added. */
  link(oids: Uint8Array, at = 0): Link {
    const ordinal = this.#order.find(oids, at)
    return ordinal >= 0 ? ordinal : this.#order.count + findOid(this.#fanOut, this.bytes, oids, at)
  }

  /** The links to all of `oids`. */
  links(oids: Uint8Array): Link[] {
    return Array.from({ length: oids.length / OID_BYTES }, (_, i) => this.link(oids, i * OID_BYTES))
  }
}

function linkRows(table: PackTable, order: OidOrder): Record<PackedLinks['kind'], Row[]> {
  const rows: Record<PackedLinks['kind'], Row[]> = { commit: [], tree: [], tag: [] }
  for (let ordinal = 0; ordinal < order.count; ordinal++) {
    const links = table.packedLinks(order.row(ordinal))
    if (links !== undefined) rows[links.kind].push({ ordinal, links })
  }
  return rows
}

/** The trees whose rows fit into the budget, the cheapest first, in the order of ordinals again. */
function affordableTrees(trees: readonly Row[], order: OidOrder): Row[] {
  const costs = trees.map(({ links }) => edgeCost(links, order))
  const cheapest = trees.map((_, i) => i).sort((a, b) => (costs[a] ?? 0) - (costs[b] ?? 0))
  let left = Math.max(EDGE_FLOOR, order.count * EDGE_BYTES)
  const kept = new Set<number>()
  for (const i of cheapest) {
    left -= costs[i] ?? 0
    if (left < 0) break
    kept.add(i)
  }
  return trees.filter((_, i) => kept.has(i))
}

function edgeCost({ oids }: PackedLinks, order: OidOrder): number {
  let cost = 16
  for (let at = 0; at < oids.length; at += OID_BYTES)
    cost += order.find(oids, at) < 0 ? 4 + OID_BYTES : 4
  return cost
}

function oidSection(order: OidOrder): Section {
  return {
    tag: 'oids',
    rows: order.count,
    bytes: concat([bytesOf(fanOutOf(order.sorted, order.count)), order.sorted]),
  }
}

function lookSection(table: PackTable, order: OidOrder, outside: Outside): Section {
  const types = new Uint8Array(order.count)
  for (let ordinal = 0; ordinal < order.count; ordinal++) {
    types[ordinal] = TYPE_NUMBERS[table.type(order.row(ordinal))]
  }
  const columns = [
    column(order, (row) => table.offset(row) % 2 ** 32),
    column(order, (row) => table.length(row)),
    column(order, (row) => table.size(row)),
    column(order, (row) => {
      const base = table.baseBytes(row)
      return base === undefined ? NO_LINK : outside.link(base)
    }),
    types,
  ]
  return { tag: 'look', rows: order.count, bytes: concat(columns) }
}

function column(order: OidOrder, value: (row: number) => number): Uint8Array {
  const words = new Uint32Array(order.count)
  for (let ordinal = 0; ordinal < order.count; ordinal++) words[ordinal] = value(order.row(ordinal))
  return bytesOf(words)
}

function hasLargeOffsets(table: PackTable): boolean {
  for (let row = 0; row < table.count; row++) if (table.offset(row) >= 2 ** 32) return true
  return false
}

function largeOffsets(table: PackTable, order: OidOrder): Section {
  return {
    tag: 'offh',
    rows: order.count,
    bytes: column(order, (row) => Math.floor(table.offset(row) / 2 ** 32)),
  }
}

function commitSection(commits: readonly Row[], outside: Outside): Section {
  const links = commits.map((row) => outside.links(row.links.oids))
  const parents = links.map((all) => all.slice(1))
  const ordinals = commits.map((row) => row.ordinal)
  const known = commits.map((row) => row.links.generation)
  return {
    tag: 'cmts',
    rows: commits.length,
    bytes: concat([
      bytesOf(Float64Array.from(commits, (row) => row.links.time)),
      words(ordinals),
      words(links.map(([tree]) => tree ?? NO_LINK)),
      bytesOf(generationsOf(ordinals, parents, known)),
      words(starts(parents.map((all) => all.length))),
      words(parents.flat()),
    ]),
  }
}

function edgeSection(trees: readonly Row[], outside: Outside): Section {
  const links = trees.map((row) => outside.links(row.links.oids))
  const against = trees.map((row, i) => (row.links.against ? (links[i]?.[0] ?? NO_LINK) : NO_LINK))
  const children = trees.map((row, i) => links[i]?.slice(row.links.against ? 1 : 0) ?? [])
  const lengths = trees.flatMap((row, i) => [
    row.links.removed,
    (children[i]?.length ?? 0) - row.links.removed,
  ])
  return {
    tag: 'edge',
    rows: trees.length,
    bytes: concat([
      words(trees.map((row) => row.ordinal)),
      words(against),
      words(starts(lengths)),
      words(children.flat()),
    ]),
  }
}

function tagSection(tags: readonly Row[], outside: Outside): Section {
  return {
    tag: 'tags',
    rows: tags.length,
    bytes: concat([
      words(tags.map((row) => row.ordinal)),
      words(tags.map((row) => outside.link(row.links.oids))),
    ]),
  }
}

/** Where each list begins when all are written one after the other, and where the last one ends. */
function starts(lengths: readonly number[]): number[] {
  const all = [0]
  for (const length of lengths) all.push((all.at(-1) ?? 0) + length)
  return all
}

function words(values: readonly number[]): Uint8Array {
  return bytesOf(Uint32Array.from(values))
}
