/**
 * Making an update: from the request to its point of no return.
 *
 * A request that does not fit what is there is lost without any lock. Otherwise its journal is entered, Git's locks are
 * taken in the order of their names with `HEAD` last, and everything is looked at again under the locks: refs, `HEAD`,
 * and the packs that were proof for it.
 *
 * One ref that moves is its lock renamed to the ref. Several are one rename of `packed-refs`; for that, refs that have a
 * loose file are folded into `packed-refs` with the values that they have, and their files removed, since a file hides
 * its line. A reader that opened a file before it went and `packed-refs` only after the rename would see an old value
 * beside a new one, so {@link SETTLE} lies between the two.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

import { RefusedError, UnavailableError } from '@datakit/git/error'
import { LockedRefsError } from '@datakit/git/locked-refs'
import type { Head, UpdateOutcome, UpdateRequest } from '@datakit/git/place'
import { compareNames, isRefName } from '@datakit/git/ref-name'

import { checkRefConflicts } from '../ref-conflicts.ts'
import { checkReceipt, checkRequest } from '../check-request.ts'
import { digestUpdate, findDifferences, type KeptReceipt } from '../update.ts'
import { syncDirectory } from './durable.ts'
import { decide, foldRefs } from './decide-update.ts'
import { finishUpdate } from './finish-update.ts'
import type { GitFiles, Moment } from './git-files.ts'
import { Journal } from './journal.ts'
import type { Decision, Plan } from './journal-format.ts'
import { encodeOwnState, type OwnState } from './own-state.ts'
import { checkContained, isReplaced } from './pack-cover.ts'
import { freshenPack } from './pack-files.ts'
import { holdPack } from './pack-placing.ts'
import { registerPromisor } from './promisor-config.ts'
import { recoverUpdates } from './recover-updates.ts'
import { brokenError } from './ref-files.ts'

/** How long readers are given between the folding of refs and their move, in milliseconds. */
const SETTLE = 40

/** How long a change of our own state waits for updates, in milliseconds. */
const CHANGE_TIMEOUT = 20_000

/** Who else is asked before refs move, and told after. */
export interface RefWatcher {
  /** Runs under the locks; a rejection calls the update off. */
  prepared(request: UpdateRequest): Promise<void>
  ended(request: UpdateRequest, how: 'committed' | 'aborted'): Promise<void>
}

/** What an update needs to know beside the request. */
export interface UpdateOptions {
  readonly clock: () => number
  /** Half as long as others of our own updates are waited for, in milliseconds. */
  readonly lockTimeout: number
  /** The same for a lock of somebody else's: `packed-refs`, a ref or `HEAD`. */
  readonly timeoutOf: (path: string) => number
  readonly watcher: RefWatcher
  /** Leaves packs in the stage after they were placed, for an update that may have to be made elsewhere. */
  readonly keepsStage?: boolean | undefined
}

/** An update on its way. */
interface Attempt {
  readonly files: GitFiles
  readonly request: UpdateRequest
  readonly digest: string
  readonly options: UpdateOptions
}

/** Makes the change that a request asks for, or says why not; see `Place.update`. */
export async function makeUpdate(
  files: GitFiles,
  request: UpdateRequest,
  options: UpdateOptions,
): Promise<UpdateOutcome> {
  checkRequest(request)
  for (const { name } of request.refs) checkName(name)
  if (request.head && 'ref' in request.head.to) checkName(request.head.to.ref)
  const attempt: Attempt = { files, request, digest: digestUpdate(request), options }
  const early = await answerEarly(attempt)
  if (early !== undefined) return early
  const journal = await Journal.begin(files.directory, planUpdate(request, options.clock()))
  let entered = false
  try {
    entered = await enter(files, journal, 2 * options.lockTimeout)
  } finally {
    if (!entered) await journal.end()
  }
  if (!entered) return { state: 'busy', retryAfter: 100 }
  return await attemptUpdate(attempt, journal)
}

/**
 * Changes what the repository is to us, while no update is under way.
 *
 * @throws UnavailableError when updates leave no room for too long
 */
export async function changeOwnState(
  files: GitFiles,
  change: (own: OwnState) => OwnState | Promise<OwnState>,
): Promise<void> {
  const nothing = { refs: [], head: undefined, packs: [], unverified: [], condemn: [], locks: [] }
  const log = { who: '', why: '' }
  const journal = await Journal.begin(files.directory, {
    ...nothing,
    log,
    format: 1,
    id: '',
    digest: '',
    at: 0,
  })
  try {
    if (!(await enter(files, journal, CHANGE_TIMEOUT)))
      throw new UnavailableError('Cannot change the repository: it is busy')
    await journal.write('state', encodeOwnState(await change(files.ownState())))
    await journal.replace('state', 'datakit/state')
    await syncDirectory(`${files.directory}/datakit`)
  } finally {
    await journal.end()
  }
}

/** The outcome of a request that was made before, or that does not fit; `undefined` when it has to be tried. */
async function answerEarly(attempt: Attempt): Promise<UpdateOutcome | undefined> {
  const { files, request, digest } = attempt
  const receipt = files.receipts.find(request.id)
  if (receipt !== undefined) checkReceipt(receipt, digest)
  if (receipt?.outcome === 'done') return { state: 'done', version: receipt.version }
  const moment = await files.read()
  checkBroken(attempt, moment)
  const lost = await differences(attempt, moment)
  if (receipt !== undefined) {
    return lost ?? { state: 'lost', refs: new Map(), head: undefined, packs: [] }
  }
  // What differs may be the work of this very request, which somebody has begun and not finished.
  const underWay = await Journal.underWay(files.directory)
  if (lost === undefined || underWay === request.id) return undefined
  const finished = files.receipts.find(request.id)
  if (finished?.outcome === 'done') return { state: 'done', version: finished.version }
  await files.receipts.add(lostReceipt(attempt, moment))
  return lost
}

/** Packs of a promisor need one that Git knows: it takes what they name and nobody has for lost otherwise. */
async function letGitKnow(
  { directory }: GitFiles,
  journal: Journal,
  { promised, addPacks = [] }: UpdateRequest,
): Promise<void> {
  const isPromisor = addPacks.some(({ id }) => existsSync(journal.path(`${id}.promisor`)))
  if (isPromisor && promised !== undefined) await registerPromisor(directory, promised)
}

/** Waits until no other update of ours is under way; `false` when that takes too long. */
async function enter(files: GitFiles, journal: Journal, timeout: number): Promise<boolean> {
  const until = Date.now() + timeout
  for (let wait = 1; ; wait = Math.min(wait * 1.5, 20)) {
    const entered = await journal.enter()
    if (!entered && Date.now() >= until) return false
    await recoverUpdates(files, { entered })
    if (entered) return true
    await delay(wait * (0.5 + Math.random()))
  }
}

async function attemptUpdate(attempt: Attempt, journal: Journal): Promise<UpdateOutcome> {
  const { files } = attempt
  let ready
  try {
    ready = await prepare(attempt, journal)
    if (ready.state === 'lost') await files.receipts.add(lostReceipt(attempt, ready.moment))
  } catch (error) {
    await journal.end()
    throw error
  }
  if (ready.state !== 'ready') {
    await journal.end()
    return ready.outcome
  }
  let version
  try {
    version = await finishUpdate(files, journal, ready)
  } catch (cause) {
    // It is decided and will be finished by the next update or the next one who opens the repository.
    await journal.abandon()
    return { state: 'unknown', cause }
  }
  await tidy(attempt, ready.plan)
  return { state: 'done', version }
}

/** What comes behind an update that is done, and cannot make it undone. */
async function tidy({ files, request, options }: Attempt, plan: Plan): Promise<void> {
  if (options.keepsStage !== true) {
    // What stays is swept when its time is over.
    for (const id of plan.packs) await files.stage.remove(id).catch(() => undefined)
  }
  // As in Git, how a hook takes what has happened does not matter.
  await options.watcher.ended(request, 'committed').catch(() => undefined)
}

type Ready =
  | { readonly state: 'ready'; readonly plan: Plan; readonly decision: Decision }
  | { readonly state: 'lost'; readonly outcome: UpdateOutcome; readonly moment: Moment }
  | { readonly state: 'answered'; readonly outcome: UpdateOutcome }

/** Takes the locks, looks again, and passes the point of no return. */
async function prepare(attempt: Attempt, journal: Journal): Promise<Ready> {
  const { files, request, options } = attempt
  const { plan } = journal
  if (plan === undefined) throw new TypeError('Cannot update without a plan')
  const receipt = files.receipts.find(request.id)
  if (receipt?.outcome === 'done') {
    return { state: 'answered', outcome: { state: 'done', version: receipt.version } }
  }
  await files.receipts.rotate(options.clock())
  await freshen(attempt)
  const blocked = await takeLocks(attempt, journal, plan)
  const moment = await files.read()
  checkBroken(attempt, moment)
  const lost = await differences(attempt, moment)
  if (lost !== undefined) return { state: 'lost', outcome: lost, moment }
  checkRefs(request, moment)
  await checkContained(files, request, moment)
  for (const id of plan.packs) await holdPack(files, journal, id)
  await letGitKnow(files, journal, request)
  journal.checkLocks(blocked)
  const folded = isSeveral(request) && (await foldRefs(files, journal, request))
  if (folded) await delay(SETTLE)
  await takeBlocked(journal, blocked, options)
  const decision = await decide(files, journal, {
    request,
    plan,
    moment: folded ? await files.read() : moment,
  })
  await options.watcher.prepared(request)
  try {
    // An operator may have removed one meanwhile, taking it for stale.
    journal.checkLocks()
    await journal.commit(decision)
  } catch (error) {
    await options.watcher.ended(request, 'aborted')
    throw error
  }
  return { state: 'ready', plan, decision }
}

async function differences(attempt: Attempt, { refs, packs, own }: Moment) {
  const { files, request } = attempt
  const live = new Set(packs.map(({ id }) => id))
  for (const id of request.reliesOn ?? []) {
    // What `git gc` has packed anew is as good a proof as before.
    const isGone = !live.has(id) && own.condemned[id] === undefined
    if (isGone && (await isReplaced(files, id, packs))) live.add(id)
  }
  return findDifferences(request, {
    ref: (name) => refs.byName.get(name)?.oid,
    head: refs.head,
    repository: own.repository,
    isLive: (id) => live.has(id),
    isStaged: (id) => files.stage.find(id) !== undefined || live.has(id),
  })
}

/** A broken ref is somebody's to mend: what it was is not known, so it can be neither compared nor replaced. */
function checkBroken({ request }: Attempt, { refs }: Moment): void {
  for (const { name } of request.refs) {
    if (!refs.broken.has(name)) continue
    const cause = brokenError(name)
    throw new RefusedError('broken-ref', `Cannot move "${name}": ${cause.message}`, { cause })
  }
}

function checkRefs(request: UpdateRequest, { refs }: Moment): void {
  for (const { name } of request.refs) {
    const target = refs.symbolic.get(name)
    if (target === undefined) continue
    throw new RefusedError(
      'symbolic-ref',
      `Cannot move "${name}": it is a symbolic ref to "${target}"`,
    )
  }
  checkRefConflicts(request.refs, {
    has: (name) => refs.byName.has(name),
    under: (prefix) =>
      refs.refs.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name),
  })
}

async function freshen({ files, request }: Attempt): Promise<void> {
  for (const id of request.reliesOn ?? []) {
    const pack = files.packs.find(id)
    if (pack !== undefined && !pack.borrowed) await freshenPack(pack)
    const loose = await files.loose.find(id)
    if (loose !== undefined) await files.loose.freshen(loose)
  }
}

/**
 * Takes every lock of the plan; returns the numbers of those whose directory is a ref that this update deletes.
 *
 * @throws LockedRefsError naming all that strangers hold
 */
async function takeLocks(attempt: Attempt, journal: Journal, plan: Plan): Promise<number[]> {
  const { request, options } = attempt
  const content = new Map<string, string>()
  if (!isSeveral(request))
    for (const { name, to } of request.refs) if (to) content.set(name, `${to}\n`)
  if (request.head) content.set('HEAD', contentOfHead(request.head.to))
  const blocked: number[] = []
  const held: string[] = []
  for (const [i, path] of plan.locks.entries()) {
    // Whoever waited for one lock in vain has waited long enough for the others.
    const timeout = held.length === 0 ? options.timeoutOf(path) : 0
    const taken = await journal.take(i, content.get(path), timeout)
    if (taken === 'blocked') blocked.push(i)
    if (taken === 'held') held.push(path)
  }
  if (held.length > 0) throw new LockedRefsError(held)
  return blocked
}

async function takeBlocked(
  journal: Journal,
  blocked: readonly number[],
  { timeoutOf }: UpdateOptions,
): Promise<void> {
  for (const number of blocked) {
    const path = journal.plan?.locks[number] ?? ''
    const taken = await journal.take(number, undefined, timeoutOf(path))
    if (taken === 'taken') continue
    if (taken === 'held') throw new LockedRefsError([path])
    throw new UnavailableError(`Cannot create "${path}": a file is where its directory should be`)
  }
}

/** Whether refs move together, which only `packed-refs` can do for them. */
function isSeveral(request: UpdateRequest): boolean {
  return request.refs.filter(({ from, to }) => from !== to).length > 1
}

/** What the journal of a request says of it; `at` in milliseconds since 1970. */
export function planUpdate(request: UpdateRequest, at: number): Plan {
  const { id, refs, head, log } = request
  const added = request.addPacks ?? []
  const names = refs.map(({ name }) => name).sort(compareNames)
  const needsPacked = isSeveral(request) || refs.some(({ to }) => to === undefined)
  const locks = [...(needsPacked ? ['packed-refs'] : []), ...names]
  if (request.shallow) locks.push('shallow')
  if (head) locks.push('HEAD')
  return {
    format: 1,
    id,
    digest: digestUpdate(request),
    at,
    refs,
    head,
    packs: added.map((pack) => pack.id),
    unverified: added.filter(({ verified }) => !verified).map((pack) => pack.id),
    condemn: request.removePacks ?? [],
    log,
    locks,
  }
}

function lostReceipt({ request, digest, options }: Attempt, { version }: Moment): KeptReceipt {
  return { id: request.id, digest, at: options.clock(), outcome: 'lost', version }
}

function contentOfHead(head: Head): string {
  return 'ref' in head ? `ref: ${head.ref}\n` : `${head.oid}\n`
}

function checkName(name: string): void {
  if (name.startsWith('refs/') && isRefName(name)) return
  throw new RefusedError('bad-ref', `Cannot update "${name}": expected the full name of a ref`)
}
