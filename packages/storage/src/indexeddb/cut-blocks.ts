/**
 * Cutting blocks of refs that have become too long; only an update that makes refs can make them so.
 *
 * @module
 */
import type { Blocks } from './ref-blocks.ts'
import type { BlockRow } from './schema.ts'

/** Characters of a block that is not cut, and of the pieces of one that is. */
const LONGEST = 32_768
const PIECE = LONGEST / 2

/** The blocks, those that are too long in pieces. */
export function cutBlocks(blocks: Blocks): BlockRow[] {
  return blocks.flatMap((block) => (block.lines.length > LONGEST ? cut(block) : [block]))
}

function cut({ first, lines, number }: BlockRow): BlockRow[] {
  const rows: BlockRow[] = []
  let row = { first, lines: '', number }
  for (const line of lines.slice(1).split('\n')) {
    if (row.lines.length > PIECE) {
      rows.push(row)
      row = { first: line.split(' ', 1)[0] ?? '', lines: '', number }
    }
    row.lines += `\n${line}`
  }
  return [...rows, row]
}
