/**
 * Rows of an opened pack index about commits, trees and tags.
 *
 * Spec: docs/storage-format.md, "Pack index"
 *
 * @module
 */
import { malformedIndex, NO_LINK, wordsOf, type Link } from './index-format.ts'

/** A section of rows, and what its links may lead to. */
export interface RowSource {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly rows: number
  /** Objects in the index. */
  readonly count: number
  /** Objects in the index and outside oids together. */
  readonly links: number
}

/** A commit as the index tells it. */
export interface CommitRow {
  readonly tree: Link
  readonly parents: Uint32Array
  /** Seconds since 1970. */
  readonly time: number
  /** 0 where nobody knows. */
  readonly generation: number
}

/** The rows of a section, by the ordinal of what they are about. */
export interface Rows<Row> {
  readonly count: number
  /** Ordinals of all rows, ascending. */
  readonly ordinals: Uint32Array
  /** The row of the object with this ordinal; `undefined` when there is none: it is of another type, or was left out. */
  of(ordinal: number): Row | undefined
}

/** The commits of an index. */
export type CommitRows = Rows<CommitRow>
/** The trees of an index; one whose row was left out must be read. */
export type EdgeRows = Rows<EdgeRow>
/** The annotated tags of an index, and what they name. */
export type TagRows = Rows<Link>

/** A tree as the index tells it: (children of `against`, without `removed`) and `added`. */
export interface EdgeRow {
  /** `NO_LINK`: the empty tree. */
  readonly against: Link
  readonly removed: Uint32Array
  readonly added: Uint32Array
}

/** Decodes the section `cmts`. @throws MalformedError when it is cut short or leads out of bounds */
export function decodeCommits(source: RowSource): CommitRows {
  const { bytes, rows } = source
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const words = { ...source, bytes: bytes.subarray(rows * 8) }
  return decodeRows(words, { what: 'commits', columns: 3, lists: 1 }, (row, tree, list) => ({
    tree,
    parents: list(row),
    time: view.getFloat64(8 * row, true),
    generation: view.getUint32(16 * rows + 4 * row, true),
  }))
}

/** Decodes the section `edge`. @throws MalformedError when it is cut short or leads out of bounds */
export function decodeEdges(source: RowSource): EdgeRows {
  return decodeRows(source, { what: 'trees', columns: 2, lists: 2 }, (row, against, list) => ({
    against,
    removed: list(2 * row),
    added: list(2 * row + 1),
  }))
}

/** Decodes the section `tags`. @throws MalformedError when it is cut short or leads out of bounds */
export function decodeTags(source: RowSource): TagRows {
  return decodeRows(source, { what: 'tags', columns: 2, lists: 0 }, (_, target) => target)
}

/** What rows are about, how many words each has (an ordinal and a link come first), and how many lists of links. */
interface Layout {
  readonly what: string
  readonly columns: number
  readonly lists: number
}

function decodeRows<Row>(
  { bytes, rows, count, links }: RowSource,
  { what, columns, lists }: Layout,
  rowAt: (row: number, first: Link, list: (i: number) => Uint32Array) => Row,
): Rows<Row> {
  const words = wordsOf(bytes)
  const ordinals = words.subarray(0, rows)
  const firsts = words.subarray(rows, 2 * rows)
  const starts = words.subarray(columns * rows, (columns + lists) * rows + 1)
  const flat = words.subarray((columns + lists) * rows + 1)
  if (words.length < (columns + lists) * rows + (lists && 1))
    throw malformedIndex(`its ${what} are cut short`)
  let before = -1
  for (const ordinal of ordinals) {
    if (ordinal <= before || ordinal >= count)
      throw malformedIndex('the ordinals of its rows are not in order')
    before = ordinal
  }
  for (const all of [firsts, flat])
    for (const link of all)
      if (link >= links && link !== NO_LINK) throw malformedIndex('a link is out of bounds')
  before = 0
  for (const start of starts) {
    if (start < before || start > flat.length) throw malformedIndex('a list in it is out of bounds')
    before = start
  }
  const list = (i: number): Uint32Array => flat.subarray(starts[i], starts[i + 1])
  return {
    count: rows,
    ordinals,
    of(ordinal) {
      const row = findRow(ordinals, ordinal)
      return row < 0 ? undefined : rowAt(row, firsts[row] ?? NO_LINK, list)
    },
  }
}

/** Position of `ordinal` among ascending ordinals; -1 when it is not among them. */
function findRow(ordinals: Uint32Array, ordinal: number): number {
  let low = 0
  let high = ordinals.length - 1
  while (low <= high) {
    const middle = (low + high) >>> 1
    const found = ordinals[middle] ?? 0
    if (found === ordinal) return middle
    if (found < ordinal) low = middle + 1
    else high = middle - 1
  }
  return -1
}
