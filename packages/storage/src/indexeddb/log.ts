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
      const end = before === undefined ? [key, []] : [key, ...before]
      const range = IDBKeyRange.bound([key], end, false, true)
      const index = transaction.raw.objectStore('log').index('ref')
      const cursors = index.openCursor(range, 'prev')
      const batch: LogRow[] = []
      let cursor = await resultOf(cursors)
      for (; cursor && batch.length < LINES; cursor = await resultOf(cursors)) {
        batch.push(cursor.value)
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
