/**
 * Encoding of our index from a table of objects.
 *
 * Spec: docs/storage-format.md, "Pack index"
 *
 * @module
 */
import { concat } from '../bytes.ts'
import { TYPE_NUMBERS, type ObjectType } from '../object.ts'
import { OID_BYTES } from '../oid.ts'
import { encodeSections, NO_LINK, type Link, type Section } from './index-format.ts'
import type { PackedLinks } from './links.ts'
import { fanOutOf, OidOrder } from './oid-order.ts'

/** Bytes of tree rows that an index may have for each of its objects; trees beyond that are read when walked. */
const EDGE_BYTES = 64
/** Bytes of tree rows that every index may have, however few its objects are. */
const EDGE_FLOOR = 4096

/** The objects of a pack, as an index is made of them: what is asked for is known of every row below `count`. */
export interface IndexRows {
  readonly count: number
  /** @throws MalformedError when an object is there twice */
  order(): OidOrder
  offset(row: number): number
  length(row: number): number
  size(row: number): number
  crc(row: number): number
  type(row: number): ObjectType
  /** The base, if the entry is a delta. */
  baseBytes(row: number): Uint8Array | undefined
  packedLinks(row: number): PackedLinks | undefined
}

interface Row {
  readonly ordinal: number
  readonly links: PackedLinks
}

/**
 * What is known of generations, in the order of the rows of commits: 0 where nothing is.
 *
 * @param ordinals ordinal of each row, ascending
 * @param parents links of each row's parents
 */
export type FillGenerations = (
  known: readonly number[],
  ordinals: readonly number[],
  parents: readonly (readonly number[])[],
) => Uint32Array<ArrayBuffer>

/** What an index has beside what every index has. */
export interface IndexOptions {
  /** Sections that are read along with the look-up columns. */
  readonly more?: readonly Section[]
  /** Works out generations that rows do not know; they stay unknown when it is left out. */
  readonly fill?: FillGenerations
}

/** The index of the objects in `table`. */
export function encodeIndexOf(
  table: IndexRows,
  { more = [], fill = (known) => Uint32Array.from(known) }: IndexOptions = {},
): Uint8Array<ArrayBuffer> {
  const order = table.order()
  const { count } = order
  const { commit, tree, tag } = linkRows(table, order)
  const trees = affordableTrees(tree, order)
  const linker = new Linker(order, namedBy(table, [...commit, ...trees, ...tag]))
  const column = (value: (row: number) => number): Uint32Array<ArrayBuffer> =>
    new Uint32Array(count).map((_, ordinal) => value(order.row(ordinal)))
  const look = [
    column((row) => table.offset(row)),
    column((row) => table.length(row)),
    column((row) => table.size(row)),
    column((row) => linker.link(table.baseBytes(row) ?? NO_OIDS)),
    Uint8Array.from(column((row) => TYPE_NUMBERS[table.type(row)])),
  ]
  const high = column((row) => table.offset(row) / 2 ** 32)
  return encodeSections(count, [
    { tag: 'oids', rows: count, parts: [fanOutOf(order.sorted, count), order.sorted] },
    { tag: 'look', rows: count, parts: look },
    // Only in packs of others are offsets that large.
    ...(high.some(Boolean) ? [{ tag: 'offh', rows: count, parts: [high] } as const] : []),
    { tag: 'outs', rows: linker.outs.count, parts: [linker.outs.sorted] },
    ...more,
    { tag: 'crcs', rows: count, parts: [column((row) => table.crc(row))] },
    commitSection(commit, linker, fill),
    edgeSection(trees, linker),
    { tag: 'tags', rows: tag.length, parts: linkColumns(tag, linker).heads },
  ])
}

const NO_OIDS = new Uint8Array(0)

/** What an index names: the bases of deltas, one at a time since there may be many, and the links of its rows. */
function* namedBy(table: IndexRows, rows: readonly Row[]): Generator<Uint8Array> {
  for (let row = 0; row < table.count; row++) {
    const base = table.baseBytes(row)
    if (base !== undefined) yield base
  }
  for (const { links } of rows) yield links.oids
}

/** Links to the objects of an index, and to those that it names and does not hold. */
class Linker {
  readonly #order: OidOrder
  readonly outs: OidOrder

  /** @param named what the index names, 20 bytes an oid */
  constructor(order: OidOrder, named: Iterable<Uint8Array>) {
    const outside: Uint8Array[] = []
    for (const oids of named)
      for (let at = 0; at < oids.length; at += OID_BYTES)
        if (order.find(oids, at) < 0) outside.push(oids.subarray(at, at + OID_BYTES))
    this.#order = order
    this.outs = new OidOrder(concat(outside), outside.length)
  }

  /** The link to the oid at `at`, which was named; `NO_LINK` when `oids` ends there. */
  link(oids: Uint8Array, at = 0): Link {
    if (at === oids.length) return NO_LINK
    const ordinal = this.#order.find(oids, at)
    return ordinal < 0 ? this.#order.count + this.outs.find(oids, at) : ordinal
  }

  /** The links to all of `oids`. */
  links(oids: Uint8Array): Link[] {
    return Array.from({ length: oids.length / OID_BYTES }, (_, i) => this.link(oids, i * OID_BYTES))
  }
}

function linkRows(table: IndexRows, order: OidOrder): Record<PackedLinks['kind'], Row[]> {
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
  const kept = new Set(cheapest.filter((i) => (left -= costs[i] ?? 0) >= 0))
  return trees.filter((_, i) => kept.has(i))
}

function edgeCost({ oids }: PackedLinks, order: OidOrder): number {
  let cost = 16
  for (let at = 0; at < oids.length; at += OID_BYTES)
    cost += order.find(oids, at) < 0 ? 4 + OID_BYTES : 4
  return cost
}

function commitSection(commits: readonly Row[], linker: Linker, fill: FillGenerations): Section {
  const { ordinals, heads, rests, flat } = linkColumns(commits, linker)
  const known = commits.map(({ links }) => links.generation)
  const times = Float64Array.from(commits, ({ links }) => links.time)
  const generations = fill(known, ordinals, rests)
  const lists = [starts(rests.map(({ length }) => length)), flat]
  return { tag: 'cmts', rows: commits.length, parts: [times, ...heads, generations, ...lists] }
}

function edgeSection(trees: readonly Row[], linker: Linker): Section {
  const { heads, rests, flat } = linkColumns(trees, linker)
  const lengths = trees.flatMap(({ links: { removed } }, i) => [
    removed,
    (rests[i]?.length ?? 0) - removed,
  ])
  return { tag: 'edge', rows: trees.length, parts: [...heads, starts(lengths), flat] }
}

/** What the three kinds of rows have in common: ordinals, a first link each, the others one after the other. */
function linkColumns(rows: readonly Row[], linker: Linker) {
  const links = rows.map(({ links: { kind, oids, against } }) =>
    kind === 'tree' && !against ? [NO_LINK, ...linker.links(oids)] : linker.links(oids),
  )
  const ordinals = rows.map(({ ordinal }) => ordinal)
  const rests = links.map((all) => all.slice(1))
  const heads = [Uint32Array.from(ordinals), Uint32Array.from(links, ([first = NO_LINK]) => first)]
  return { ordinals, rests, heads, flat: Uint32Array.from(rests.flat()) }
}

/** Where each list begins when all are written one after the other, and where the last one ends. */
function starts(lengths: readonly number[]): Uint32Array<ArrayBuffer> {
  let end = 0
  return Uint32Array.from([0, ...lengths.map((length) => (end += length))])
}
