/**
 * The server's side of a repository: syncing, and the decisions that a sync leaves.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { UpdateRequest } from '@datakit/git/place'
import { toHex } from '@datakit/git/bytes'
import { SyncError } from '@datakit/datakit/error'
import { History } from '@datakit/datakit/history'
import type { Repository } from '@datakit/datakit/repository'
import { sync, type BranchOutcome } from '@datakit/datakit/sync'
import type {
  Decision,
  SyncOptions,
  SyncReport,
  UnrelatedChoice,
  UnrelatedDecision,
} from './data.ts'

const HEADS = 'refs/heads/'
const REMOTES = 'refs/remotes/origin/'

/** Syncs once. Never rejects: what went wrong is in the report. */
export async function syncWithServer(
  repository: Repository,
  name: string,
  options: SyncOptions,
): Promise<SyncReport> {
  try {
    const outcome = await sync(repository, {
      url: urlOf(name),
      token: options.token,
      signal: options.signal,
      acceptOther: options.acceptsOther,
      // The browser's own password dialog stays away, and no cookie is sent.
      fetch: (input, init) => fetch(input, { ...init, credentials: 'omit', cache: 'no-store' }),
    })
    const decisions = await findDecisions(repository)
    const unrelated = outcome.branches.flatMap(unrelatedOf)
    const isReplaced = outcome.branches.some(
      (branch) => branch.state === 'unrelated' && branch.theirs === undefined,
    )
    if (isReplaced) return { state: 'done', decisions: [{ kind: 'replaced' }], message: undefined }
    const messages = outcome.branches.flatMap((branch) => describeOutcome(branch) ?? [])
    const isLate = outcome.branches.some(({ state }) => state === 'waiting')
    return {
      state: isLate ? 'failed' : 'done',
      decisions: [...decisions.filter(({ kind }) => kind === 'conflict'), ...unrelated],
      message: messages.length === 0 ? undefined : messages.join('. '),
    }
  } catch (error) {
    return { ...describeFailure(error), decisions: await findDecisions(repository).catch(() => []) }
  }
}

/** Decisions that can be seen without the server: where both sides are was written down by the last sync. */
export async function findDecisions(repository: Repository): Promise<readonly Decision[]> {
  const state = await repository.store.state()
  const decisions: Decision[] = []
  for await (const { name, oid: ours } of state.refs(HEADS)) {
    const branch = name.slice(HEADS.length)
    const theirs = await state.ref(REMOTES + branch)
    if (theirs === undefined || theirs === ours) continue
    const decision = await decisionOf(repository, { branch, ours, theirs })
    if (decision !== undefined) decisions.push(decision)
  }
  return decisions
}

/** Keeps one's own history as a branch of another name, and takes the server's in its place, in one update. */
export async function keepMine(
  repository: Repository,
  decision: UnrelatedDecision,
  choice: UnrelatedChoice,
): Promise<void> {
  const { branch, ours, theirs } = decision
  // Throws where the name cannot be one.
  const kept = repository.branch(choice.keepMineAs)
  if (kept.name === branch) throw new RangeError('Type another name: this one is the server’s')
  const { place } = repository.store
  const request: UpdateRequest = {
    id: toHex(crypto.getRandomValues(new Uint8Array(16))),
    refs: [
      { name: kept.ref, from: undefined, to: ours },
      { name: HEADS + branch, from: ours, to: theirs },
    ],
    log: { who: repository.store.who(), why: `unrelated: keep mine as ${kept.name}` },
  }
  for (let attempt = 0; attempt < 3; attempt++) {
    const outcome = await place.update(request)
    if (outcome.state === 'done') return
    if (outcome.state !== 'lost') continue
    if (outcome.refs.has(kept.ref)) throw new RangeError(`A branch "${kept.name}" is there already`)
    throw new RangeError(`"${branch}" moved meanwhile: try again`)
  }
  throw new RangeError('The store does not answer: try again')
}

function urlOf(name: string): string {
  const path = name.split('/').map(encodeURIComponent).join('/')
  return new URL(`/${path}.git`, location.origin).href
}

async function decisionOf(
  repository: Repository,
  sides: { readonly branch: string; readonly ours: Oid; readonly theirs: Oid },
): Promise<Decision | undefined> {
  const { branch, ours, theirs } = sides
  const bases = await new History(repository.store).mergeBases([ours], [theirs])
  if (bases.length === 0) return { kind: 'unrelated', ...sides }
  if (bases.includes(ours) || bases.includes(theirs)) return undefined
  const transaction = await repository.branch(branch).transaction()
  try {
    const { conflicts, base } = await transaction.merge(theirs)
    if (conflicts.length === 0) return undefined
    return { kind: 'conflict', ...sides, conflicts, base, unstored: new Map() }
  } finally {
    transaction.abort()
  }
}

function unrelatedOf(outcome: BranchOutcome): UnrelatedDecision[] {
  if (outcome.state !== 'unrelated' || outcome.theirs === undefined) return []
  const { branch, ours, theirs } = outcome
  return [{ kind: 'unrelated', branch, ours, theirs }]
}

/** What a person should know of a branch beyond the status. */
function describeOutcome(outcome: BranchOutcome): string | undefined {
  const { branch, state } = outcome
  if (state === 'refused') return `The server did not take “${branch}”: ${outcome.reason}`
  if (state === 'gone') return `The server has no branch “${branch}” any more; it is kept here`
  if (state === 'waiting') return `“${branch}” moves all the time on the server; it is tried again`
  return undefined
}

function describeFailure(error: unknown): Pick<SyncReport, 'state' | 'message'> {
  if (!(error instanceof SyncError)) {
    const isTimeout = error instanceof DOMException && error.name === 'TimeoutError'
    if (isTimeout) return { state: 'offline', message: undefined }
    return { state: 'failed', message: error instanceof Error ? error.message : String(error) }
  }
  if (error.status === 401) return { state: 'unauthorized', message: 'The server wants a token' }
  if (error.code === 'offline') return { state: 'offline', message: undefined }
  // A server that fails or is busy is out of reach too, for all that a person can do about it.
  if (error.status >= 500) return { state: 'offline', message: error.message }
  return { state: 'failed', message: error.message }
}
