/**
 * Update: the rules of a conditional change that every place keeps alike.
 *
 * What a request asks for (its digest), what a repeated request is answered, and which packs a change leaves behind; beside it
 * `ref-conflicts.ts` and `log-lines.ts`. Everything is synchronous, so that a place can check and change without an `await`
 * in between.
 *
 * @module
 */
import { toHex, utf8 } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import { sha1 } from '@datakit/git/sha1'
import type {
  Head,
  PackId,
  PackInfo,
  Receipt,
  RefUpdate,
  UpdateOutcome,
  UpdateRequest,
  Version,
} from '@datakit/git/place'

export { randomId } from '@datakit/git/bytes'

/** Receipts that are kept however old they are: the newest so many. */
export const KEPT_RECEIPTS = 256

/** How long every receipt is kept, in milliseconds: 30 days. */
export const RECEIPT_LIFETIME = 30 * 24 * 60 * 60 * 1000

/** How long a staged pack waits for its update, in milliseconds: 24 hours. */
export const STAGE_LIFETIME = 24 * 60 * 60 * 1000

/** Where HEAD points in a repository that was never told otherwise. */
export const FIRST_HEAD: Head = { ref: 'refs/heads/main' }

/** A receipt as places keep it: with the version that the update led to. */
export interface KeptReceipt extends Receipt {
  readonly version: Version
}

/**
 * What a request asks, in 40 hexadecimal digits: equal for equal wishes in whatever order the refs come. Pack ids do not
 * count, since whoever asks again may have written its pack again.
 */
export function digestUpdate(request: UpdateRequest): string {
  const refs = request.refs.map(({ name, from, to }) => [name, from ?? '', to ?? ''])
  refs.sort(([a = ''], [b = '']) => (a < b ? -1 : a > b ? 1 : 0))
  const wish = {
    refs,
    head: request.head ? [headKey(request.head.from), headKey(request.head.to)] : [],
    shallow: [request.shallow?.add.toSorted() ?? [], request.shallow?.remove.toSorted() ?? []],
    promised: [request.promised?.remote ?? '', request.promised?.add.toSorted() ?? []],
    log: [request.log.who, request.log.why],
  }
  // JSON escapes the lone surrogates of names that are not UTF-8, so different names stay different.
  return toHex(sha1(utf8(JSON.stringify(wish))))
}

/** Whether a request does not contradict itself; `check-request.ts` says how it does. */
export function isRequest({ id, refs }: UpdateRequest): boolean {
  return /^[0-9a-f]{32,}$/.test(id) && new Set(refs.map(({ name }) => name)).size === refs.length
}

/** Whether both say the same of HEAD. */
export function sameHead(a: Head, b: Head): boolean {
  return headKey(a) === headKey(b)
}

function headKey(head: Head): string {
  return 'ref' in head ? `ref: ${head.ref}` : head.oid
}

/** What a request finds where it wants to change something. */
export interface Found {
  /** Where every ref of the request is. */
  ref(name: string): Oid | undefined
  readonly head: Head
  readonly repository: string
  isLive(id: PackId): boolean
  isStaged(id: PackId): boolean
}

/** How a request is lost against what was found; `undefined` when everything is as it says. */
export function findDifferences(
  request: UpdateRequest,
  found: Found,
): Extract<UpdateOutcome, { state: 'lost' }> | undefined {
  const refs = new Map<string, Oid | undefined>()
  for (const { name, from } of request.refs) {
    const current = found.ref(name)
    if (current !== from) refs.set(name, current)
  }
  const head = request.head && !sameHead(request.head.from, found.head) ? found.head : undefined
  const relied = [...(request.reliesOn ?? []), ...(request.removePacks ?? [])]
  const packs = new Set(relied.filter((id) => !found.isLive(id)))
  for (const { id } of request.addPacks ?? []) if (!found.isStaged(id)) packs.add(id)
  const isMeant = (request.repository ?? found.repository) === found.repository
  if (isMeant && refs.size + packs.size === 0 && !head) return undefined
  return { state: 'lost', refs, head, packs: [...packs] }
}

/** The packs that live packs hold deltas against and that are not live, each once; empty in a sound state. */
export function findDangling(live: Iterable<PackInfo>): PackId[] {
  const packs = [...live]
  const ids = new Set(packs.map(({ id }) => id))
  const needed = new Set(packs.flatMap(({ needs }) => needs))
  return [...needed].filter((id) => !ids.has(id))
}

/**
 * The refs that a request moves. Where `from` is `to` it only says where a ref has to be: that is compared, and nothing of
 * the ref changes, what it peels to included.
 */
export function movedRefs({ refs }: UpdateRequest): RefUpdate[] {
  return refs.filter(({ from, to }) => from !== to)
}

/** The receipts that may be forgotten at `now`, of all there are, oldest first. */
export function outlivedReceipts<T extends Receipt>(oldestFirst: readonly T[], now: number): T[] {
  const spare = oldestFirst.slice(0, Math.max(0, oldestFirst.length - KEPT_RECEIPTS))
  return spare.filter(({ at }) => at < now - RECEIPT_LIFETIME)
}
