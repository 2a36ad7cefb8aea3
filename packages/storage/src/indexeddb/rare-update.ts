/**
 * What only few updates do: they make refs, or move many, move HEAD, take packs away, or note what is shallow or was left with
 * a remote.
 *
 * Loaded before their transaction, which could not wait for it.
 *
 * @module
 */
import { encodeName } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import type { Head, UpdateRequest } from '@datakit/git/place'
import { logLines } from '../log-lines.ts'
import { checkRefConflicts } from '../ref-conflicts.ts'
import { movedRefs } from '../update.ts'
import { putRow, seal, type Transaction } from './database.ts'
import { FEW_LINES, lost, type Found, type Lost, type Preparation } from './make-update.ts'
import { findRef, keyOf, listRefs, type Blocks } from './ref-blocks.ts'
import type { Header, Home, PackRow } from './schema.ts'

export { cutBlocks } from './cut-blocks.ts'

/**
 * Checks the names of new refs, and what may stand in their way.
 *
 * @throws RefusedError `ref-conflict`
 * @throws RangeError for a name with a space or a line feed, which a block would have as something else
 */
export function checkNames({ refs }: UpdateRequest, blocks: Blocks): void {
  for (const { name } of refs)
    if (/[\0- ]/.test(name)) throw new RangeError(`Not the name of a ref: "${name}"`)
  checkRefConflicts(refs, {
    has: (name) => findRef(blocks, name) !== undefined,
    *under(prefix) {
      for (const { name } of listRefs(blocks, prefix)) yield name
    },
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

/** Writes what the update says of HEAD, of many refs, and of objects that were left with a remote. */
export async function writeMore(
  transaction: Transaction<'readwrite'>,
  { request, now }: Preparation,
  { header: { number }, blocks }: Found,
): Promise<void> {
  const after = new Map(request.refs.map(({ name, to }) => [name, to]))
  const resolve = (head: Head, when: 'before' | 'after'): Oid | undefined => {
    if ('oid' in head) return head.oid
    return when === 'after' && after.has(head.ref) ? after.get(head.ref) : findRef(blocks, head.ref)
  }
  const entries = logLines(request, now, resolve)
  if (movedRefs(request).length > FEW_LINES) {
    const lines = entries.map(({ ref, from = '-', to = '-' }) => `\n${keyOf(ref)} ${from} ${to}`)
    const { who, why } = request.log
    putRow(transaction, 'batches', seal({ number, lines: lines.join(''), who, at: now, why }))
  } else
    for (const [line, { ref, external: _, ...entry }] of entries.entries())
      if (ref === 'HEAD')
        putRow(transaction, 'log', seal({ ...entry, number, line, ref: encodeName(ref) }))
  const { remote = '', add = [] } = request.promised ?? {}
  const store = transaction.objectStore('promised')
  const rows = await Promise.all(add.map((oid) => store.get(oid)))
  for (const [i, oid] of add.entries())
    putRow(transaction, 'promised', { remote, number: rows[i]?.number ?? number }, oid)
}
