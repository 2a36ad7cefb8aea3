/**
 * Log: the lines that updates left behind, by ref.
 *
 * @module
 */
import type { LogEntry } from '@datakit/git/place'
import type { Connection } from './connection.ts'
import { resultOf, unseal } from './database.ts'
import type { LogRow } from './schema.ts'

/** Lines that are read at once. */
const LINES = 100

/** The lines of a ref, whose name is `key` as bytes, newest first, as they were when the reading began. */
export async function* readLog(
  connection: Connection,
  { ref, key }: { readonly ref: string; readonly key: LogRow['ref'] },
): AsyncGenerator<LogEntry> {
  let before: [number, number] | undefined
  for (;;) {
    const rows: LogRow[] = await connection.read(['log'], async (transaction) => {
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
    })
    for (const row of rows) {
      const { from, to, who, at, why } = unseal(row, `the log of ${ref}`)
      yield { ref, from, to, who, at, why, external: false }
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < LINES) return
    before = [last.number, last.line]
  }
}
