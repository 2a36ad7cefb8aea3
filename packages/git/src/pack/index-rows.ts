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
  const head = rows * 8
  if (bytes.length < head + rows * 16 + 4) throw malformedIndex('its commits are cut short')
  const times = new Float64Array(bytes.buffer, bytes.byteOffset, rows)
  const words = wordsOf(bytes.subarray(head))
  const trees = checkedLinks(words.subarray(rows, rows * 2), source)
  const generations = words.subarray(rows * 2, rows * 3)
  const starts = words.subarray(rows * 3, rows * 4 + 1)
  const parents = checkedLinks(words.subarray(rows * 4 + 1), source)
  checkStarts(starts, parents.length)
  return rowsOf(words, source, (row) => ({
    tree: trees[row] ?? NO_LINK,
    parents: parents.subarray(starts[row], starts[row + 1]),
    time: times[row] ?? 0,
    generation: generations[row] ?? 0,
  }))
}

/** Decodes the section `edge`. @throws MalformedError when it is cut short or leads out of bounds */
export function decodeEdges(source: RowSource): EdgeRows {
  const { bytes, rows } = source
  if (bytes.length < rows * 16 + 4) throw malformedIndex('its trees are cut short')
  const words = wordsOf(bytes)
  const against = checkedLinks(words.subarray(rows, rows * 2), source)
  const starts = words.subarray(rows * 2, rows * 4 + 1)
  const children = checkedLinks(words.subarray(rows * 4 + 1), source)
  checkStarts(starts, children.length)
  return rowsOf(words, source, (row) => ({
    against: against[row] ?? NO_LINK,
    removed: children.subarray(starts[2 * row], starts[2 * row + 1]),
    added: children.subarray(starts[2 * row + 1], starts[2 * row + 2]),
  }))
}

/** Decodes the section `tags`. @throws MalformedError when it is cut short or leads out of bounds */
export function decodeTags(source: RowSource): TagRows {
  const { bytes, rows } = source
  if (bytes.length !== rows * 8) throw malformedIndex('its tags are cut short')
  const words = wordsOf(bytes)
  const targets = checkedLinks(words.subarray(rows), source)
  return rowsOf(words, source, (row) => targets[row] ?? NO_LINK)
}

/** Rows whose ordinals come first in `words`. */
function rowsOf<Row>(
  words: Uint32Array,
  { rows, count }: RowSource,
  rowAt: (row: number) => Row,
): Rows<Row> {
  const ordinals = words.subarray(0, rows)
  let before = -1
  for (const ordinal of ordinals) {
    if (ordinal <= before || ordinal >= count)
      throw malformedIndex('the ordinals of its rows are not in order')
    before = ordinal
  }
  return {
    count: rows,
    ordinals,
    of(ordinal) {
      const row = findRow(ordinals, ordinal)
      return row < 0 ? undefined : rowAt(row)
    },
  }
}

function checkedLinks(links: Uint32Array, { links: limit }: RowSource): Uint32Array {
  for (const link of links)
    if (link >= limit && link !== NO_LINK) throw malformedIndex('a link is out of bounds')
  return links
}

function checkStarts(starts: Uint32Array, limit: number): void {
  let before = 0
  for (const start of starts) {
    if (start < before || start > limit) throw malformedIndex('a list in it is out of bounds')
    before = start
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
