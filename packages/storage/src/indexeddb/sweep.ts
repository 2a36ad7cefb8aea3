/**
 * What changes a place besides updates: packs are marked as verified, and swept.
 *
 * @module
 */
import type { PackId } from '@datakit/git/place'
import { STAGE_LIFETIME } from '../update.ts'
import { chunksOf } from './chunks.ts'
import type { Connection } from './connection.ts'

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
    for (const row of marked) if (row) await store.put({ ...row, verified: true, changed: number })
    await transaction.objectStore('state').put({ ...header, number }, 'header')
    return true
  })
}

/** Deletes packs that were condemned at least `grace` milliseconds before `now`, and stages that expired. */
export function sweep(
  connection: Connection,
  { grace, now }: { readonly grace: number; readonly now: number },
): Promise<{ deleted: number }> {
  return connection.write(['state', 'packs', 'aliases', 'chunks'], async (transaction) => {
    const store = transaction.objectStore('packs')
    const [header, rows, aliases] = await Promise.all([
      transaction.objectStore('state').get('header'),
      store.getAll(),
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
      await store.delete(home)
      await transaction.objectStore('chunks').delete(chunksOf(home))
    }
    for (const id of aliases) await transaction.objectStore('aliases').delete(id)
    if (header && due.length > 0) {
      await transaction.objectStore('state').put({ ...header, swept: header.number }, 'header')
    }
    return { deleted: due.length }
  })
}
