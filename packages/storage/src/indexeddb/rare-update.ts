/**
 * What only few updates do: they make refs, move HEAD, take packs away, or note what is shallow or was left with a remote. And
 * forgetting receipts, at one update of many.
 *
 * Loaded before their transaction, which could not wait for it.
 *
 * @module
 */
import { decodeName, encodeName } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import type { Head, UpdateRequest } from '@datakit/git/place'
import { logLines } from '../log-lines.ts'
import { checkRefConflicts, parentNames } from '../ref-conflicts.ts'
import { KEPT_RECEIPTS, RECEIPT_LIFETIME } from '../update.ts'
import { deleteRows, putRow, seal, type Transaction } from './database.ts'
import { lost, type Found, type Lost, type Preparation } from './make-update.ts'
import type { Header, Home, PackRow } from './schema.ts'
import { bytesOf, rangeUnder } from './state.ts'

/** Reads what may stand in the way of new refs, then checks it. @throws RefusedError `ref-conflict` */
export async function checkNames(
  transaction: Transaction,
  request: UpdateRequest,
  refs: Found['refs'],
): Promise<void> {
  const store = transaction.objectStore('refs')
  const known = new Set([...refs].flatMap(([name, row]) => (row ? [name] : [])))
  const deleted = request.refs.filter(({ to }) => to === undefined).length
  const created = request.refs.filter(({ from, to }) => from === undefined && to !== undefined)
  const parents = new Set(created.flatMap(({ name }) => parentNames(name)))
  const found = await Promise.all([
    ...[...parents].map((name) => store.getAllKeys(encodeName(name))),
    // One more than may be deleted by this very request is enough to find one that stays.
    ...created.map(({ name }) => store.getAllKeys(rangeUnder(encodeName(`${name}/`)), deleted + 1)),
  ])
  for (const key of found.flat()) known.add(decodeName(bytesOf(key)))
  const names = [...known]
  checkRefConflicts(request.refs, {
    has: (name) => known.has(name),
    under: (prefix) => names.filter((name) => name.startsWith(prefix)),
  })
}

/** What such an update changes, or how it is lost. */
export interface More {
  readonly failure: Lost | undefined
  /** What differs in the header. */
  readonly header: Partial<Header>
  readonly condemned: readonly PackRow[]
}

/** What the update changes beside making the packs of `live` visible. */
export function moreOf(
  { header, packs }: Found,
  { request, now }: Preparation,
  live: readonly PackRow[],
): More {
  const condemned = (request.removePacks ?? []).flatMap((id): PackRow[] => {
    const row = packs.get(id)
    return row ? [{ ...row, state: 'condemned', since: now, changed: header.number + 1 }] : []
  })
  const shallow = new Set(header.shallow)
  for (const oid of request.shallow?.remove ?? []) shallow.delete(oid)
  for (const oid of request.shallow?.add ?? []) shallow.add(oid)
  const isTailGone = live.length === 0 && condemned.some(({ home }) => home === header.tail)
  return {
    failure: findDangling([...packs.values(), ...condemned, ...live], condemned),
    header: {
      head: request.head?.to ?? header.head,
      shallow: [...shallow],
      ...(isTailGone && { tail: undefined }),
    },
    condemned,
  }
}

/** The packs that would be gone while others still need them; of rows of one pack the last one counts. */
function findDangling(all: readonly PackRow[], condemned: readonly PackRow[]): Lost | undefined {
  const rows = new Map<Home, PackRow>(all.map((row) => [row.home, row]))
  const live = [...rows.values()].filter(({ state }) => state === 'live')
  const needed = new Set(live.flatMap(({ needs }) => needs))
  const dangling = condemned.filter(({ home }) => needed.has(home))
  return dangling.length > 0 ? lost(dangling.map(({ id }) => id)) : undefined
}

/** Writes what the update says of HEAD and of objects that were left with a remote. */
export async function writeMore(
  transaction: Transaction<'readwrite'>,
  { request, now }: Preparation,
  { header: { number }, refs, promised }: Found,
): Promise<void> {
  const after = new Map(request.refs.map(({ name, to }) => [name, to]))
  const resolve = (head: Head, when: 'before' | 'after'): Oid | undefined => {
    if ('oid' in head) return head.oid
    return when === 'after' && after.has(head.ref) ? after.get(head.ref) : refs.get(head.ref)?.oid
  }
  for (const [line, { ref, external: _, ...entry }] of logLines(request, now, resolve).entries())
    if (ref === 'HEAD')
      putRow(
        transaction,
        'log',
        seal({ ...entry, number, line, ref: encodeName(ref), fromPeeled: undefined }),
      )
  const remote = request.promised?.remote ?? ''
  for (const [oid, row] of promised)
    putRow(transaction, 'promised', { remote, number: row?.number ?? number }, oid)
  await forgetReceipts(transaction, now)
}

/** Forgets receipts that are both old and many. */
async function forgetReceipts(transaction: Transaction<'readwrite'>, now: number): Promise<void> {
  const store = transaction.objectStore('receipts')
  const [count, old] = await Promise.all([
    store.count(),
    store.index('at').getAllKeys(IDBKeyRange.upperBound(now - RECEIPT_LIFETIME, true)),
  ])
  for (const id of old.slice(0, Math.max(0, count - KEPT_RECEIPTS)))
    deleteRows(transaction, 'receipts', id)
}
