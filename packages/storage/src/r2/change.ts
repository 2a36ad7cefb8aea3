/**
 * Change: what an update makes of a root, or why it makes nothing.
 *
 * Nothing is written here. The root that comes out is swapped in by whoever called, on condition that the one that went
 * in is still there.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Head, PackId, UpdateOutcome, UpdateRequest } from '@datakit/git/place'
import { logLines } from '../log-lines.ts'
import { checkRefConflicts, parentNames } from '../ref-conflicts.ts'
import { checkReceipt } from '../check-request.ts'
import { findDangling, findDifferences, movedRefs, type KeptReceipt } from '../update.ts'
import { nextCatalogs } from './catalogs.ts'
import { isCondemned } from './condemned.ts'
import { packKey } from './keys.ts'
import { findLoss } from './losses.ts'
import { versionOf, type RefValue, type Root } from './root.ts'
import type { Store } from './store.ts'
import { findReceipt, findRef, scanRefs } from './tables.ts'
import type { Unit } from './unit.ts'

/** A request, and what goes with it. */
export interface Wish {
  readonly request: UpdateRequest
  readonly digest: string
  /** Milliseconds since 1970 by the clock of the place. */
  readonly at: number
  /** Whether nobody has asked for it before, so that there is no outcome to be found. */
  readonly isFirst: boolean
  /** Random id for the repository, if there is none. */
  readonly candidate: string
  /** The unit of a pack that may still be added; `undefined` when there is none. */
  findStaged(id: PackId): Promise<Unit | undefined>
}

/** What to do about a wish. */
export type Decision =
  /** Put this root; when it is stored, `answer` is the answer, or else that it is done. */
  | { readonly next: Root; readonly answer?: UpdateOutcome }
  /** Nothing. */
  | { readonly answer: UpdateOutcome }
  /** Keep beside the root that the update is lost, then decide again. */
  | { readonly loss: KeptReceipt }

/**
 * Decides about a wish on what one root says.
 *
 * @throws RefusedError `receipt-mismatch`, `ref-conflict`
 */
export async function decide(store: Store, root: Root, wish: Wish): Promise<Decision> {
  const { request, isFirst } = wish
  const receipt = isFirst ? undefined : await findReceipt(store, root, request.id)
  const loss = isFirst ? undefined : (receipt ?? (await findLoss(store, root, request.id)))
  if (loss) checkReceipt(loss, wish.digest)
  if (receipt?.outcome === 'done') return { answer: { state: 'done', version: receipt.version } }
  const before = await readRefs(store, root, request)
  const units = await readUnits(store, root, wish)
  const live = new Set(root.packs.map(({ id }) => id))
  const lost = findDifferences(request, {
    ref: (name) => before.get(name)?.oid,
    head: root.head,
    repository: root.repository,
    isLive: (id) => live.has(id),
    isStaged: (id) => units.has(id),
  })
  if (receipt) return { answer: lost ?? lostFor([]) }
  if (loss || lost) return lose(root, wish, { loss, lost: lost ?? lostFor([]) })
  await checkConflicts(store, root, request)
  const next = await applied(store, root, { ...wish, units })
  const dangling = findDangling(next.packs)
  if (dangling.length === 0) return { next }
  return lose(root, wish, { loss, lost: lostFor(dangling) })
}

type Lost = Extract<UpdateOutcome, { state: 'lost' }>

function lostFor(packs: readonly PackId[]): Lost {
  return { state: 'lost', refs: new Map(), head: undefined, packs }
}

interface Losing {
  /** What was kept beside the root before. */
  readonly loss: KeptReceipt | undefined
  readonly lost: Lost
}

/**
 * How an update of refs or HEAD is lost so that it stays lost (`losses.ts`). One of packs alone needs nothing for that: packs
 * that are gone never come back. Nor is there anything to keep for a repository that is not there.
 */
function lose(root: Root, { request, digest, at }: Wish, { loss, lost }: Losing): Decision {
  const mayBeRepeated = request.refs.length > 0 || request.head !== undefined
  if (!mayBeRepeated || root.repository === '') return { answer: lost }
  const version = versionOf(root.repository, root.epoch)
  const receipt: KeptReceipt = { id: request.id, digest, at, outcome: 'lost', version }
  const differs = lost.refs.size > 0 || lost.head !== undefined
  if (differs) return loss ? { answer: lost } : { loss: receipt }
  // Another attempt may be about to be put over this very root.
  const receipts = { ...root.receipts, tail: [...root.receipts.tail, receipt] }
  return { next: { ...root, epoch: root.epoch + 1, receipts }, answer: lost }
}

/** Where the refs of the request are. */
async function readRefs(
  store: Store,
  root: Root,
  request: UpdateRequest,
): Promise<ReadonlyMap<string, RefValue | undefined>> {
  const found = new Map<string, RefValue | undefined>()
  for (const { name } of request.refs) found.set(name, await findRef(store, root, name))
  return found
}

/** The units of the packs that the request adds, but for those that may not be added any more. */
async function readUnits(
  store: Store,
  root: Root,
  { request, findStaged }: Wish,
): Promise<ReadonlyMap<PackId, Unit>> {
  const units = new Map<PackId, Unit>()
  const live = new Set(root.packs.map(({ id }) => id))
  for (const { id, needs } of request.addPacks ?? []) {
    const key = packKey(id)
    if (key === undefined || live.has(id) || (await isCondemned(store, root, key))) continue
    // Asked after the root was read: a sweep deletes a pack first and forgets it afterwards.
    const unit = await findStaged(id)
    if (unit) units.set(id, needs ? { ...unit, info: { ...unit.info, needs } } : unit)
  }
  return units
}

async function checkConflicts(store: Store, root: Root, { refs }: UpdateRequest): Promise<void> {
  const names = new Set<string>()
  for (const { name, from, to } of refs) {
    if (from !== undefined || to === undefined) continue
    for (const parent of parentNames(name))
      if (await findRef(store, root, parent)) names.add(parent)
    for await (const child of scanRefs(store, root, `${name}/`)) {
      names.add(child.name)
      // The first one that stays is enough to refuse.
      if (!refs.some((update) => update.name === child.name && update.to === undefined)) break
    }
  }
  checkRefConflicts(refs, {
    has: (name) => names.has(name),
    under: (prefix) => [...names].filter((name) => name.startsWith(prefix)),
  })
}

type Applied = Wish & { readonly units: ReadonlyMap<PackId, Unit> }

async function applied(store: Store, root: Root, wish: Applied): Promise<Root> {
  const { request, at, units } = wish
  const repository = root.repository || wish.candidate
  const epoch = root.epoch + 1
  const removed = new Set(request.removePacks)
  const packs = [
    ...root.packs.filter(({ id }) => !removed.has(id)),
    ...[...units.values()].map(({ info }) => info),
  ]
  const changed = new Map(root.refs.changed)
  for (const { name, to, peeled } of movedRefs(request))
    changed.set(name, to && { oid: to, peeled })
  const refs = { table: root.refs.table, changed }
  const receipt: KeptReceipt = {
    id: request.id,
    digest: wish.digest,
    at,
    outcome: 'done',
    version: versionOf(repository, epoch),
  }
  const next: Root = {
    ...root,
    repository,
    epoch,
    head: request.head?.to ?? root.head,
    refs: root.refs.table ? refs : { ...refs, changed: withoutDeleted(changed) },
    packs,
    condemned: [...root.condemned, ...condemnedBy(removed, at)],
    catalogs: nextCatalogs(
      root.catalogs,
      [...units.values()].flatMap(({ tail }) => tail ?? []),
      packs,
    ),
    shallow: shallowOf(root, request),
    promised: { ...root.promised, added: promisedOf(root, request) },
    receipts: { ...root.receipts, tail: [...root.receipts.tail, receipt] },
  }
  return {
    ...next,
    log: { ...root.log, lines: [...root.log.lines, ...(await newLines(store, root, next, wish))] },
  }
}

/** Without a table behind them, refs that are gone need no row. */
function withoutDeleted(changed: ReadonlyMap<string, RefValue | undefined>): Map<string, RefValue> {
  const left = new Map<string, RefValue>()
  for (const [name, value] of changed) if (value) left.set(name, value)
  return left
}

function condemnedBy(removed: ReadonlySet<PackId>, at: number): Root['condemned'] {
  return [...removed].flatMap((id) => {
    const key = packKey(id)
    return key === undefined ? [] : [{ key, at }]
  })
}

function shallowOf({ shallow }: Root, request: UpdateRequest): ReadonlySet<Oid> {
  if (!request.shallow) return shallow
  const next = new Set(shallow)
  for (const oid of request.shallow.remove) next.delete(oid)
  for (const oid of request.shallow.add) next.add(oid)
  return next
}

function promisedOf({ promised }: Root, request: UpdateRequest): ReadonlyMap<Oid, string> {
  if (!request.promised) return promised.added
  const next = new Map(promised.added)
  for (const oid of request.promised.add) next.set(oid, request.promised.remote)
  return next
}

async function newLines(
  store: Store,
  before: Root,
  after: Root,
  { request, at }: Wish,
): Promise<Root['log']['lines']> {
  const resolve = async (head: Head | undefined, root: Root) =>
    head && ('oid' in head ? head.oid : (await findRef(store, root, head.ref))?.oid)
  const resolved = {
    before: await resolve(request.head?.from, before),
    after: await resolve(request.head?.to, after),
  }
  return logLines(request, at, (_, when) => resolved[when])
}
