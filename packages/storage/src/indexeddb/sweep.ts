/**
 * What changes a place besides updates: packs are marked as verified, and swept.
 *
 * @module
 */
import type { PackId } from '@datakit/git/place'
import { KEPT_RECEIPTS, RECEIPT_LIFETIME, STAGE_LIFETIME } from '../update.ts'
import type { Connection } from './connection.ts'
import { deleteRows, putRow, seal } from './database.ts'
import { chunksOf, type StoreName } from './schema.ts'

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

/**
 * Deletes what is old at `now`, in milliseconds since 1970: packs that were condemned longer than `grace` ago, stages, and of the
 * receipts those that are not among the newest.
 */
export function sweep(
  connection: Connection,
  now: number,
  grace: number,
): Promise<{ deleted: number }> {
  const [condemned, staged] = [now - grace, now - STAGE_LIFETIME]
  const settled = IDBKeyRange.upperBound(now - RECEIPT_LIFETIME, true)
  const stores: StoreName[] = ['state', 'packs', 'aliases', 'chunks', 'receipts']
  return connection.write(stores, async (transaction) => {
    const receipts = transaction.objectStore('receipts')
    const [header, rows, aliases, kept, old] = await Promise.all([
      transaction.objectStore('state').get('header'),
      transaction.objectStore('packs').getAll(),
      transaction.objectStore('aliases').index('at').getAllKeys(IDBKeyRange.upperBound(condemned)),
      receipts.count(),
      receipts.index('at').getAllKeys(settled),
    ])
    const due = rows.filter(
      ({ state, since }) => state !== 'live' && since <= (state === 'staged' ? staged : condemned),
    )
    for (const { home } of due) {
      deleteRows(transaction, 'packs', home)
      deleteRows(transaction, 'chunks', chunksOf(home))
    }
    for (const id of aliases) deleteRows(transaction, 'aliases', id)
    for (const id of old.slice(0, Math.max(0, kept - KEPT_RECEIPTS)))
      deleteRows(transaction, 'receipts', id)
    if (header && due.length > 0)
      putRow(transaction, 'state', seal({ ...header, swept: header.number }), 'header')
    return { deleted: due.length }
  })
}
