/**
 * Log: the lines that updates left behind, by ref.
 *
 * @module
 */
import { isOid, type Oid } from '@datakit/git/oid'
import type { LogEntry } from '@datakit/git/place'
import type { Connection } from './connection.ts'
import { resultOf, unseal, type Transaction } from './database.ts'
import { keyOf } from './ref-blocks.ts'
import type { LogRow } from './schema.ts'

/** Lines that are read at once. */
const LINES = 100

/** A ref, and its name as bytes. */
interface Wanted {
  readonly ref: string
  readonly key: LogRow['ref']
}

/** The lines of a ref, newest first, as they were when the reading began. */
export async function* readLog(connection: Connection, wanted: Wanted): AsyncGenerator<LogEntry> {
  const { ref } = wanted
  let before: [number, number] | undefined
  /** Updates with many lines that are still to come, oldest first. */
  let batches: number[] | undefined
  for (;;) {
    const rows: LogRow[] = await connection.read(['log', 'batches'], async (transaction) => {
      batches ??= await transaction.objectStore('batches').getAllKeys()
      return readBatch(transaction, wanted, before)
    })
    for (const row of rows) {
      yield* readBatches(connection, ref, takeFrom(batches, row.number))
      const { from, to, who, at, why } = unseal(row, `the log of ${ref}`)
      yield { ref, from, to, who, at, why, external: false }
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < LINES) break
    before = [last.number, last.line]
  }
  yield* readBatches(connection, ref, takeFrom(batches, 0))
}

/** Rows of one ref, newest first, from the one before `before` on. */
async function readBatch(
  transaction: Transaction,
  { key }: Wanted,
  before: [number, number] | undefined,
): Promise<LogRow[]> {
  const lines = transaction.raw.objectStore('log').index('ref').openCursor(key, 'prev')
  const batch: LogRow[] = []
  let cursor = await resultOf(lines)
  if (cursor && before && indexedDB.cmp(cursor.primaryKey, before) > 0) {
    cursor.continuePrimaryKey(key, before)
    cursor = await resultOf(lines)
  }
  for (; cursor && batch.length < LINES; cursor = await resultOf(lines)) {
    const isNew = before === undefined || indexedDB.cmp(cursor.primaryKey, before) < 0
    if (isNew) batch.push(cursor.value)
    cursor.continue()
  }
  return batch
}

/** The numbers from `from` on, newest first; they are taken out of the list. */
function takeFrom(numbers: number[] = [], from: number): number[] {
  const at = numbers.findIndex((number) => number >= from)
  return at < 0 ? [] : numbers.splice(at).toReversed()
}

/** What updates with many lines say of a ref. */
async function* readBatches(
  connection: Connection,
  ref: string,
  numbers: readonly number[],
): AsyncGenerator<LogEntry> {
  for (const number of numbers) {
    const row = await connection.read(['batches'], (transaction) =>
      transaction.objectStore('batches').get(number),
    )
    if (row === undefined) continue
    const { lines, who, at, why } = unseal(row, `the log of ${ref}`)
    const key = `\n${keyOf(ref)} `
    const start = lines.indexOf(key)
    if (start < 0) continue
    const [from, to] = lines.slice(start + key.length, start + key.length + 81).split(/[ \n]/)
    yield { ref, from: oidOf(from), to: oidOf(to), who, at, why, external: false }
  }
}

function oidOf(text: string | undefined): Oid | undefined {
  return text !== undefined && isOid(text) ? text : undefined
}
