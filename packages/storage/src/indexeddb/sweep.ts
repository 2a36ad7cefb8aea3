/**
 * What changes a place besides updates: packs are marked as verified, and swept.
 *
 * @module
 */
import type { PackId } from '@datakit/git/place'
import type { Connection } from './connection.ts'
import { deleteRows, putRow, seal } from './database.ts'
import { chunksOf } from './schema.ts'

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
    putRow(transaction, 'state', seal({ ...header, number }), 'header')
    return true
  })
}

/** Deletes packs that were condemned until then, and stages that were begun until then, in milliseconds since 1970. */
export function sweep(
  connection: Connection,
  { condemned, staged }: { readonly condemned: number; readonly staged: number },
): Promise<{ deleted: number }> {
  return connection.write(['state', 'packs', 'aliases', 'chunks'], async (transaction) => {
    const [header, rows, aliases] = await Promise.all([
      transaction.objectStore('state').get('header'),
      transaction.objectStore('packs').getAll(),
      transaction.objectStore('aliases').index('at').getAllKeys(IDBKeyRange.upperBound(condemned)),
    ])
    const due = rows.filter(
      ({ state, since }) => state !== 'live' && since <= (state === 'staged' ? staged : condemned),
    )
    for (const { home } of due) {
      deleteRows(transaction, 'packs', home)
      deleteRows(transaction, 'chunks', chunksOf(home))
    }
    for (const id of aliases) deleteRows(transaction, 'aliases', id)
    if (header && due.length > 0)
      putRow(transaction, 'state', seal({ ...header, swept: header.number }), 'header')
    return { deleted: due.length }
  })
}
