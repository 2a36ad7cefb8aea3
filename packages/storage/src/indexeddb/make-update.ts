/**
 * An update as one strict transaction over the rows that it is about.
 *
 * It first reads everything that it compares, then compares, then writes; it awaits nothing but its own requests, so the
 * browser keeps it open. IndexedDB runs writers of the same stores one after the other, across tabs: that is the lock.
 *
 * @module
 */
import { decodeName, encodeName } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import type { Head, PackId, UpdateOutcome, UpdateRequest } from '@datakit/git/place'
import {
  checkReceipt,
  checkRefConflicts,
  findDifferences,
  KEPT_RECEIPTS,
  logLines,
  movedRefs,
  parentNames,
  randomId,
  RECEIPT_LIFETIME,
} from '../update.ts'
import { chunksOf, putChunks } from './chunks.ts'
import { INDEX_BYTES, PACK_BYTES } from './schema.ts'
import type { Header, Home, PackRow, RefRow, Transaction } from './schema.ts'
import { bytesOf, NO_HEADER, rangeBehind, versionOf } from './state.ts'
import type { HeldPack } from './stages.ts'
import type { Bundle, Plan } from './tail.ts'

/** An update with all that was worked out before its transaction. */
export interface Preparation {
  readonly request: UpdateRequest
  readonly digest: string
  readonly plan: Plan
  readonly held: ReadonlyMap<PackId, HeldPack>
  readonly now: number
}

/** Says that another tab has appended to the tail since the update was prepared. */
export type Stale = { readonly state: 'stale' }

/** Runs the update; `stale` undoes the transaction's nothing and asks for a new plan. */
export async function makeUpdate(
  transaction: Transaction<'readwrite'>,
  preparation: Preparation,
): Promise<UpdateOutcome | Stale> {
  const { request, digest } = preparation
  const [header = NO_HEADER, receipt] = await Promise.all([
    transaction.objectStore('state').get('header'),
    transaction.objectStore('receipts').get(request.id),
  ])
  if (receipt) checkReceipt(receipt, digest)
  if (receipt?.outcome === 'done') return { state: 'done', version: receipt.version }
  const refs = await readRefs(transaction, request)
  const packs = await readPacks(transaction, preparation)
  const differences = compare(request, { header, refs, packs, preparation })
  if (receipt) return differences ?? lost([])
  if (differences) {
    keepReceipt(transaction, preparation, { outcome: 'lost', header })
    return differences
  }
  await checkNames(transaction, request, refs)
  const tail =
    header.tail === undefined ? undefined : await transaction.objectStore('packs').get(header.tail)
  if (!preparation.plan.every((part) => isFor(part, tail))) return { state: 'stale' }
  const dangling = await findDangling(transaction, request, packs)
  if (dangling.length > 0) return lost(dangling)
  const next = nextHeader(header, preparation)
  writeRefs(transaction, preparation, { header, next, refs })
  writePacks(transaction, preparation, { next, packs })
  transaction.objectStore('state').put(next, 'header').catch(ignore)
  keepReceipt(transaction, preparation, { outcome: 'done', header: next })
  if (next.number % 64 === 0) await forgetReceipts(transaction, preparation.now)
  return { state: 'done', version: versionOf(next) }
}

// The transaction fails with any of its requests, and is waited for; alone they would be reported as unhandled.
function ignore(): void {}

function lost(packs: readonly PackId[]): Extract<UpdateOutcome, { state: 'lost' }> {
  return { state: 'lost', refs: new Map(), head: undefined, packs }
}

function isFor(part: Plan[number], tail: PackRow | undefined): boolean {
  return typeof part === 'string' || part.replaces === undefined || part.replaces === tail?.id
}

/** The rows of every ref that the request names or that HEAD leads to. */
async function readRefs(
  transaction: Transaction,
  request: UpdateRequest,
): Promise<Map<string, RefRow | undefined>> {
  const names = new Set(request.refs.map(({ name }) => name))
  for (const head of request.head ? [request.head.from, request.head.to] : []) {
    if ('ref' in head) names.add(head.ref)
  }
  const store = transaction.objectStore('refs')
  const rows = await Promise.all([...names].map((name) => store.get(encodeName(name))))
  return new Map([...names].map((name, i) => [name, rows[i]]))
}

/** What was found of the packs that a request names. */
interface FoundPacks {
  /** Rows of packs as they are. */
  readonly rows: ReadonlyMap<PackId, PackRow>
  /** Homes of packs that are live, in their own row or inside another pack. */
  readonly homes: ReadonlyMap<PackId, Home>
}

async function readPacks(
  transaction: Transaction,
  { request, plan }: Preparation,
): Promise<FoundPacks> {
  const named = new Set([...(request.reliesOn ?? []), ...(request.removePacks ?? [])])
  for (const { id } of request.addPacks ?? []) named.add(id)
  for (const part of plan) if (typeof part !== 'string') part.needs.forEach((id) => named.add(id))
  const index = transaction.objectStore('packs').index('id')
  const rows = new Map<PackId, PackRow>()
  const homes = new Map<PackId, Home>()
  const find = async (ids: Iterable<PackId>) => {
    const unknown: PackId[] = []
    await Promise.all(
      [...ids].map(async (id) => {
        const row = await index.get(id)
        if (row) rows.set(id, row)
        else unknown.push(id)
        if (row?.state === 'live') homes.set(id, row.home)
      }),
    )
    await Promise.all(unknown.map((id) => findInside(transaction, id, homes)))
  }
  await find(named)
  // Stages on disk know what they need by the ids of the time.
  await find([...rows.values()].flatMap(({ state, needs }) => (state === 'staged' ? needs : [])))
  return { rows, homes }
}

async function findInside(
  transaction: Transaction,
  id: PackId,
  homes: Map<PackId, Home>,
): Promise<void> {
  const alias = await transaction.objectStore('aliases').get(id)
  const host = alias && (await transaction.objectStore('packs').get(alias.home))
  if (host?.state === 'live') homes.set(id, host.home)
}

interface Found {
  readonly header: Header
  readonly refs: ReadonlyMap<string, RefRow | undefined>
  readonly packs: FoundPacks
  readonly preparation: Preparation
}

function compare(request: UpdateRequest, { header, refs, packs, preparation }: Found) {
  const removed = new Set(request.removePacks)
  const differences = findDifferences(request, {
    ref: (name) => refs.get(name)?.oid,
    head: header.head,
    isLive: (id) =>
      packs.rows.get(id)?.state === 'live' || (packs.homes.has(id) && !removed.has(id)),
    isStaged: (id) =>
      packs.rows.get(id)?.state === 'staged' || (preparation.held.has(id) && !packs.homes.has(id)),
  })
  if (differences) return differences
  const added = new Set(request.addPacks?.map(({ id }) => id))
  const gone = needsOf(preparation, packs).filter((id) => !packs.homes.has(id) && !added.has(id))
  return gone.length > 0 ? lost(gone) : undefined
}

function needsOf({ plan }: Preparation, { rows }: FoundPacks): PackId[] {
  const needs = plan.flatMap((part) =>
    typeof part === 'string' ? (rows.get(part)?.needs ?? []) : part.needs,
  )
  return [...new Set(needs)]
}

/** Reads what may stand in the way of new refs, then checks it. */
async function checkNames(
  transaction: Transaction,
  request: UpdateRequest,
  refs: ReadonlyMap<string, RefRow | undefined>,
): Promise<void> {
  const store = transaction.objectStore('refs')
  const known = new Set([...refs].flatMap(([name, row]) => (row ? [name] : [])))
  const deleted = request.refs.filter(({ to }) => to === undefined).length
  const created = request.refs.filter(({ from, to }) => from === undefined && to !== undefined)
  const parents = new Set(created.flatMap(({ name }) => parentNames(name)))
  await Promise.all([
    ...[...parents].map(async (name) => {
      if ((await store.getKey(encodeName(name))) !== undefined) known.add(name)
    }),
    ...created.map(async ({ name }) => {
      // One more than may be deleted by this very request is enough to find one that stays.
      const keys = await store.getAllKeys(
        rangeBehind(encodeName(`${name}/`), undefined),
        deleted + 1,
      )
      for (const key of keys) known.add(decodeName(bytesOf(key)))
    }),
  ])
  const names = [...known]
  checkRefConflicts(request.refs, {
    has: (name) => known.has(name),
    under: (prefix) => names.filter((name) => name.startsWith(prefix)),
  })
}

/** Packs that would be gone while others still need them. */
async function findDangling(
  transaction: Transaction,
  { removePacks = [] }: UpdateRequest,
  packs: FoundPacks,
): Promise<PackId[]> {
  if (removePacks.length === 0) return []
  const removed = new Map(removePacks.map((id) => [packs.homes.get(id) ?? id, id]))
  const rows = await transaction.objectStore('packs').getAll()
  const needed = new Set<PackId>()
  for (const { home, state, needs } of rows) {
    if (state !== 'live' || removed.has(home)) continue
    for (const need of needs) needed.add(removed.get(need) ?? '')
  }
  needed.delete('')
  return [...needed]
}

function nextHeader(header: Header, { request, plan }: Preparation): Header {
  const shallow = new Set(header.shallow)
  for (const oid of request.shallow?.remove ?? []) shallow.delete(oid)
  for (const oid of request.shallow?.add ?? []) shallow.add(oid)
  const last = plan.at(-1)
  return {
    number: header.number + 1,
    repository: header.repository || randomId(),
    head: request.head?.to ?? header.head,
    shallow: [...shallow],
    tail: last === undefined ? header.tail : typeof last === 'string' ? last : last.home,
    swept: header.swept,
  }
}

interface Writing {
  readonly header: Header
  readonly next: Header
  readonly refs: ReadonlyMap<string, RefRow | undefined>
}

function writeRefs(
  transaction: Transaction<'readwrite'>,
  { request, now }: Preparation,
  { next, refs }: Writing,
): void {
  const { number } = next
  const store = transaction.objectStore('refs')
  for (const { name, to, peeled } of movedRefs(request)) {
    const key = encodeName(name)
    const written =
      to === undefined ? store.delete(key) : store.put({ oid: to, peeled, number }, key)
    written.catch(ignore)
  }
  const moved = new Map(request.refs.map(({ name, to }) => [name, to]))
  const resolve = (head: Head, when: 'before' | 'after'): Oid | undefined => {
    if ('oid' in head) return head.oid
    return when === 'after' && moved.has(head.ref) ? moved.get(head.ref) : refs.get(head.ref)?.oid
  }
  for (const [line, entry] of logLines(request, now, resolve).entries()) {
    const { ref, from, to, who, at, why } = entry
    const fromPeeled = refs.get(ref)?.peeled
    const row = { number, line, ref: encodeName(ref), from, fromPeeled, to, who, at, why }
    transaction.objectStore('log').add(row).catch(ignore)
  }
  for (const oid of request.promised?.add ?? []) {
    const remote = request.promised?.remote ?? ''
    transaction.objectStore('promised').put({ remote, number }, oid).catch(ignore)
  }
}

function writePacks(
  transaction: Transaction<'readwrite'>,
  { request, plan, now }: Preparation,
  { next, packs }: { readonly next: Header; readonly packs: FoundPacks },
): void {
  const store = transaction.objectStore('packs')
  const { number: changed } = next
  for (const id of request.removePacks ?? []) {
    const row = packs.rows.get(id)
    if (row) store.put({ ...row, state: 'condemned', since: now, changed }).catch(ignore)
  }
  const homes = new Map(packs.homes)
  for (const part of plan) {
    if (typeof part === 'string') homes.set(part, part)
    else for (const id of [part.id, ...part.aliases.keys()]) homes.set(id, part.home)
  }
  const resolve = (needs: readonly PackId[], own: Home) =>
    [...new Set(needs.map((id) => homes.get(id) ?? id))].filter((home) => home !== own)
  for (const [i, part] of plan.entries()) {
    // Wide enough for the packs of any one update.
    const order = changed * 2 ** 20 + i
    if (typeof part !== 'string') {
      writeBundle(transaction, part, { now, changed, order, needs: resolve(part.needs, part.home) })
      continue
    }
    const row = packs.rows.get(part)
    if (!row) continue
    const needs = resolve(row.needs, row.home)
    store.put({ ...row, state: 'live', needs, changed, order }).catch(ignore)
  }
}

interface BundlePlace {
  readonly now: number
  readonly changed: number
  readonly order: number
  readonly needs: readonly Home[]
}

function writeBundle(
  transaction: Transaction<'readwrite'>,
  bundle: Bundle,
  { now, changed, order, needs }: BundlePlace,
): void {
  const { home, id, bytes, index, table, verified } = bundle
  transaction.objectStore('chunks').delete(chunksOf(home)).catch(ignore)
  putChunks(transaction, { home, of: id, kind: PACK_BYTES, first: 0 }, bytes)
  putChunks(transaction, { home, of: id, kind: INDEX_BYTES, first: 0 }, index)
  const [size, indexSize, objects] = [bytes.length, index.length, table.count]
  const row: PackRow = {
    home,
    id,
    state: 'live',
    size,
    indexSize,
    objects,
    needs,
    verified,
    since: now,
    order,
    changed,
  }
  transaction.objectStore('packs').put(row).catch(ignore)
  for (const [alias, where] of bundle.aliases) {
    transaction
      .objectStore('aliases')
      .put({ ...where, at: now }, alias)
      .catch(ignore)
  }
}

function keepReceipt(
  transaction: Transaction<'readwrite'>,
  { request, digest, now }: Preparation,
  { outcome, header }: { readonly outcome: 'done' | 'lost'; readonly header: Header },
): void {
  const receipt = { id: request.id, digest, at: now, outcome, version: versionOf(header) }
  transaction.objectStore('receipts').put(receipt).catch(ignore)
}

/** Forgets receipts that are both old and many; looked at every 64 updates. */
async function forgetReceipts(transaction: Transaction<'readwrite'>, now: number): Promise<void> {
  const store = transaction.objectStore('receipts')
  const [count, old] = await Promise.all([
    store.count(),
    store.index('at').getAllKeys(IDBKeyRange.upperBound(now - RECEIPT_LIFETIME, true)),
  ])
  for (const id of old.slice(0, Math.max(0, count - KEPT_RECEIPTS))) store.delete(id).catch(ignore)
}
