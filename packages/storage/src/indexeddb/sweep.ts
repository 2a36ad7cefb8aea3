/**
 * What changes a place besides updates: packs are marked as verified, and swept.
 *
 * @module
 */
import type { PackId } from '@datakit/git/place'
import { STAGE_LIFETIME } from '../update.ts'
import { chunksOf } from './chunks.ts'
import type { Connection } from './connection.ts'
import { deleteRows, putRow } from './schema.ts'

/** Marks live packs as verified. Tells whether that changed anything. */
export function markVerified(connection: Connection, ids: readonly PackId[]): Promise<boolean> {
  return connection.write(['state', 'packs'], async (transaction) => {
    const store = transaction.objectStore('packs')
    const [header, ...rows] = await Promise.all([
      transaction.objectStore('state').get('header'),
      ...ids.map((id) => store.index('id').get(id)),
    ])
    if (!header) return false
    const number = header.number + 1
    const marked = rows.filter((row) => row?.state === 'live' && !row.verified)
    if (marked.length === 0) return false
    for (const row of marked)
      if (row) putRow(transaction, 'packs', { ...row, verified: true, changed: number })
    putRow(transaction, 'state', { ...header, number }, 'header')
    return true
  })
}

/** Deletes packs that were condemned at least `grace` milliseconds before `now`, and stages that expired. */
export function sweep(
  connection: Connection,
  { grace, now }: { readonly grace: number; readonly now: number },
): Promise<{ deleted: number }> {
  return connection.write(['state', 'packs', 'aliases', 'chunks'], async (transaction) => {
    const [header, rows, aliases] = await Promise.all([
      transaction.objectStore('state').get('header'),
      transaction.objectStore('packs').getAll(),
      transaction
        .objectStore('aliases')
        .index('at')
        .getAllKeys(IDBKeyRange.upperBound(now - grace)),
    ])
    const due = rows.filter(({ state, since }) => {
      if (state === 'live') return false
      return since <= now - (state === 'staged' ? STAGE_LIFETIME : grace)
    })
    for (const { home } of due) {
      deleteRows(transaction, 'packs', home)
      deleteRows(transaction, 'chunks', chunksOf(home))
    }
    for (const id of aliases) deleteRows(transaction, 'aliases', id)
    if (header && due.length > 0)
      putRow(transaction, 'state', { ...header, swept: header.number }, 'header')
    return { deleted: due.length }
  })
}
