/**
 * An update as one strict transaction over the rows that it is about.
 *
 * It first reads everything that it compares, then compares, then writes; it awaits nothing but its own requests, so the
 * browser keeps it open. IndexedDB runs writers of the same stores one after the other, across tabs: that is the lock.
 *
 * @module
 */
import { encodeName } from '@datakit/git/bytes'
import type { PackId, UpdateOutcome, UpdateRequest } from '@datakit/git/place'
import { findDifferences, movedRefs, randomId, type KeptReceipt } from '../update.ts'
import { putChunks } from './chunks.ts'
import {
  chunksOf,
  INDEX_BYTES,
  PACK_BYTES,
  type Header,
  type Home,
  type PackRow,
} from './schema.ts'
import { deleteRows, putRow, seal, type Transaction } from './database.ts'
import { changedBlocks, findRef, type Blocks } from './ref-blocks.ts'
import { versionOf, type StateReader } from './state.ts'
import type * as rareUpdate from './rare-update.ts'
import type { HeldPack } from './stages.ts'
import type { Bundle, Plan, Planned } from './tail.ts'

/** Lines of the log that have a row each; more are one row, see `rare-update.ts`. */
export const FEW_LINES = 16

/** An update with all that was worked out before its transaction. */
export interface Preparation {
  readonly states: StateReader
  /** What only few updates do; not there where this is none of them. */
  readonly rare: typeof rareUpdate | undefined
  readonly request: UpdateRequest
  readonly digest: string
  readonly plan: Plan
  readonly held: ReadonlyMap<PackId, HeldPack>
  readonly now: number
}

/** Says that another tab has appended to the tail since the update was prepared; or that the id is another update's. */
export type Stale =
  | { readonly state: 'stale' }
  | { readonly state: 'other'; readonly receipt: KeptReceipt }

/** How an update is lost. */
export type Lost = Extract<UpdateOutcome, { state: 'lost' }>

/** Runs the update; `stale` undoes the transaction's nothing and asks for a new plan. */
export async function makeUpdate(
  transaction: Transaction<'readwrite'>,
  preparation: Preparation,
): Promise<UpdateOutcome | Stale> {
  const { request, digest, plan, now, rare } = preparation
  const found = await readRows(transaction, preparation)
  const { header, receipt } = found
  if (receipt && receipt.digest !== digest) return { state: 'other', receipt }
  if (receipt?.outcome === 'done') return { state: 'done', version: receipt.version }
  let failure = compare(found, preparation)
  if (receipt) return failure ?? lost([])
  if (!failure) {
    rare?.checkNames(request, found.blocks)
    if (plan.some((part) => isStale(part, found))) return { state: 'stale' }
  }
  const live = failure ? [] : liveRows(found, preparation)
  const more = failure ? undefined : rare?.moreOf(found, preparation, live)
  failure ??= more?.failure
  const next = failure ? header : { ...nextHeader(header, live), ...more?.header }
  const [outcome, version] = [failure ? 'lost' : 'done', versionOf(next)] as const
  putRow(transaction, 'receipts', { id: request.id, digest, at: now, outcome, version })
  if (failure) return failure
  putRow(transaction, 'state', seal(next), 'header')
  for (const row of [...(more?.condemned ?? []), ...live]) putRow(transaction, 'packs', row)
  for (const { bundle } of plan) if (bundle) writeBundle(transaction, bundle, now)
  writeRefs(transaction, preparation, { ...found, header: next })
  await rare?.writeMore(transaction, preparation, { ...found, header: next })
  return { state: 'done', version }
}

/** The update is not made, because of these packs. */
export function lost(packs: readonly PackId[]): Lost {
  return { state: 'lost', refs: new Map(), head: undefined, packs }
}

/** The rows that an update is about, as they are. */
export interface Found {
  readonly header: Header
  readonly receipt: KeptReceipt | undefined
  readonly blocks: Blocks
  /** All packs, and those that the request knows by ids of before: one that was put into another gives that. */
  readonly packs: ReadonlyMap<PackId, PackRow>
}

async function readRows(transaction: Transaction, preparation: Preparation): Promise<Found> {
  const { request, plan, states } = preparation
  const all = await transaction.objectStore('packs').getAll()
  const packs = new Map(all.map((row) => [row.id, row]))
  const homes = new Map(all.map((row) => [row.home, row]))
  const { reliesOn = [], removePacks = [] } = request
  const ids = [...reliesOn, ...removePacks, ...plan.flatMap((part) => needsOf(part, packs))]
  const [{ header, blocks }, receipt, aliases] = await Promise.all([
    states.follow(transaction),
    transaction.objectStore('receipts').get(request.id),
    Promise.all(
      ids.map(async (id) => [id, await transaction.objectStore('aliases').get(id)] as const),
    ),
  ])
  for (const [id, alias] of aliases) {
    const host = homes.get(alias?.home ?? '')
    if (host && !packs.has(id)) packs.set(id, host)
  }
  return { header, receipt, blocks, packs }
}

/** What is not as the request says, and what its packs need that is not there. */
function compare({ header, blocks, packs }: Found, preparation: Preparation): Lost | undefined {
  const { request, plan, held } = preparation
  const removed = new Set(request.removePacks)
  const differences = findDifferences(request, {
    ref: (name) => findRef(blocks, name),
    head: header.head,
    repository: header.repository,
    isLive(id) {
      const row = packs.get(id)
      return row?.state === 'live' && (row.id === id || !removed.has(id))
    },
    isStaged: (id) => (packs.get(id)?.state ?? (held.has(id) && 'staged')) === 'staged',
  })
  if (differences) return differences
  const added = new Set(request.addPacks?.map(({ id }) => id))
  const needs = plan.flatMap((part) => needsOf(part, packs))
  const gone = new Set(needs.filter((id) => packs.get(id)?.state !== 'live' && !added.has(id)))
  return gone.size > 0 ? lost([...gone]) : undefined
}

/** What a pack needs, by the ids that whoever adds it knows. */
function needsOf({ id, needs }: Planned, packs: Found['packs']): readonly PackId[] {
  return needs ?? packs.get(id)?.needs ?? []
}

function isStale({ bundle }: Planned, { header, packs }: Found): boolean {
  if (bundle?.replaces === undefined) return false
  const tail = packs.get(bundle.replaces)
  return tail?.id !== bundle.replaces || tail.home !== header.tail
}

/** The rows of packs that the update makes live, as they will be. */
function liveRows({ header, packs }: Found, { plan, now }: Preparation): PackRow[] {
  const changed = header.number + 1
  const homes = new Map<PackId, Home>()
  for (const { bundle } of plan)
    if (bundle) for (const id of bundle.aliases.keys()) homes.set(id, bundle.home)
  const homeOf = (id: PackId): Home => homes.get(id) ?? packs.get(id)?.home ?? id
  return plan.flatMap((part, i): PackRow[] => {
    const { id, bundle } = part
    const row = bundle ? bundleRow(bundle, now) : packs.get(id)
    if (!row) return []
    const kept = packs.get(bundle?.replaces ?? '')?.needs ?? []
    const needs = new Set([...needsOf(part, packs).map(homeOf), ...kept])
    needs.delete(row.home)
    // Wide enough for the packs of any one update.
    return [{ ...row, state: 'live', needs: [...needs], changed, order: changed * 2 ** 20 + i }]
  })
}

function bundleRow({ home, id, bytes, index, rows, verified }: Bundle, since: number) {
  const [size, indexSize, objects] = [bytes.length, index.length, rows.length]
  return { home, id, size, indexSize, objects, verified, since }
}

function nextHeader(header: Header, live: readonly PackRow[]): Header {
  return {
    ...header,
    number: header.number + 1,
    repository: header.repository || randomId(),
    tail: live.at(-1)?.home ?? header.tail,
  }
}

function writeRefs(
  transaction: Transaction<'readwrite'>,
  { request, now: at, rare }: Preparation,
  { header: { number }, blocks }: Found,
): void {
  const moved = movedRefs(request)
  const changed = changedBlocks(blocks, moved, number)
  for (const block of rare?.cutBlocks(changed) ?? changed)
    putRow(transaction, 'blocks', seal(block))
  if (moved.length > FEW_LINES) return
  const { who, why } = request.log
  for (const [line, { name, from, to }] of moved.entries()) {
    const row = { number, line, ref: encodeName(name), from, to, who, at, why }
    putRow(transaction, 'log', seal(row))
  }
}

function writeBundle(transaction: Transaction<'readwrite'>, bundle: Bundle, at: number): void {
  const { home, bytes, index, aliases } = bundle
  deleteRows(transaction, 'chunks', chunksOf(home))
  putChunks(transaction, { home, kind: PACK_BYTES, first: 0 }, bytes)
  putChunks(transaction, { home, kind: INDEX_BYTES, first: 0 }, index)
  for (const [id, where] of aliases) putRow(transaction, 'aliases', { ...where, at }, id)
}
