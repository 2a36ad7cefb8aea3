/**
 * Refs whose block is damaged, out of the log, where the updates that moved them left the same; loaded when such a block is met.
 *
 * @module
 */
import { decodeName } from '@datakit/git/bytes'
import { isSound, unseal, type Transaction } from './database.ts'
import { joinLines, keyOf, nameOf } from './ref-blocks.ts'
import type { BlockRow, Sealed } from './schema.ts'

/** What the log says last of a ref, and where, if that is damaged. */
interface Newest {
  readonly to: string | undefined
  readonly damaged: Sealed | undefined
}

/**
 * The block as it was. What its refs peel to is not known then.
 *
 * @throws MalformedError when the log is damaged where it says of one of its refs where that is
 */
export async function mendBlock(
  transaction: Transaction,
  { first, number }: BlockRow,
): Promise<BlockRow> {
  const behind = IDBKeyRange.lowerBound(first, true)
  const [[end], newest] = await Promise.all([
    transaction.objectStore('blocks').getAllKeys(behind, 1),
    readNewest(transaction),
  ])
  newest.delete('HEAD')
  const lines: string[] = []
  for (const [key, { to, damaged }] of newest) {
    if (key < first || (end !== undefined && key >= end)) continue
    unseal(damaged, `the log of ${nameOf(key)}`)
    if (to !== undefined) lines.push(`${key} ${to}`)
  }
  return { first, lines: joinLines(lines), number }
}

/** Where the log says last that each ref is, by its key. */
export async function readNewest(transaction: Transaction): Promise<Map<string, Newest>> {
  const [rows, batches] = await Promise.all([
    transaction.objectStore('log').getAll(),
    transaction.objectStore('batches').getAll(),
  ])
  const newest = new Map<string, Newest>()
  for (const row of [...rows, ...batches].sort((a, b) => a.number - b.number)) {
    const damaged = isSound(row) ? undefined : row
    if ('ref' in row) newest.set(keyOf(decodeName(row.ref)), { to: row.to, damaged })
    else
      for (const line of row.lines.slice(1).split('\n')) {
        const [key = '', , to] = line.split(' ')
        newest.set(key, { to: to === '-' ? undefined : to, damaged })
      }
  }
  return newest
}
