/**
 * The server's side of a repository: syncing, and the decisions that a sync leaves.
 *
 * @module
 */
import { briefExchange } from '@datakit/datakit/brief-exchange'
import { SyncError } from '@datakit/datakit/error'
import type { Repository } from '@datakit/datakit/repository'
import { syncAndKeep } from '@datakit/datakit/keep-answer'
import type { BranchOutcome } from '@datakit/datakit/sync'
import type { ServerOptions } from '@datakit/datakit/sync-exchange'
import { planStep } from '@datakit/datakit/sync-plan'
import { readKnown, type Known } from '@datakit/datakit/sync-refs'
import { answerKeeper } from '@datakit/storage/indexeddb/kept-answer'
import type { Decision, SyncOptions, SyncReport } from './data.ts'
import { patientFetch } from './patient-fetch.ts'
import { explainProblem } from './status.ts'
import { troubleOf } from './trouble.ts'

/** What each repository that is open has heard of its server. */
const exchanges = new WeakMap<Repository, ReturnType<typeof briefExchange>>()

/** Syncs once. Never rejects: what went wrong is in the report. */
export async function syncWithServer(
  repository: Repository,
  name: string,
  options: SyncOptions,
): Promise<SyncReport> {
  try {
    const exchange = exchanges.get(repository) ?? briefExchange()
    exchanges.set(repository, exchange)
    const { acceptsOther: acceptOther, restore } = options
    const server = { ...serverOptions(name, options), acceptOther, restore, exchange }
    const outcome = await syncAndKeep(repository, server, answerKeeper(name))
    const decisions = await findDecisions(repository)
    const unrelated = outcome.branches.filter((branch) => branch.state === 'unrelated')
    const isReplaced = unrelated.every(({ theirs }) => theirs === undefined)
    if (unrelated.length > 0 && isReplaced)
      return { state: 'done', decisions: [{ kind: 'replaced' }], message: undefined }
    const messages = outcome.branches.flatMap((branch) => describeOutcome(branch) ?? [])
    const isLate = outcome.branches.some(({ state }) => state === 'waiting')
    return {
      state: isLate ? 'failed' : 'done',
      decisions,
      message: messages.length === 0 ? undefined : messages.join('. '),
    }
  } catch (error) {
    return { ...describeFailure(error), decisions: await findDecisions(repository).catch(() => []) }
  }
}

/** Decisions that can be seen without the server: where both sides are was written down by the last sync. */
export async function findDecisions(repository: Repository): Promise<readonly Decision[]> {
  const known = await readKnown(await repository.store.state())
  const decisions: Decision[] = []
  for (const [branch, ours] of known.own) {
    const theirs = known.heads.get(branch)
    if (theirs === undefined && isMissed(known, branch))
      decisions.push({ kind: 'gone', branch, ours })
    if (theirs === undefined) continue
    const dropped = known.dropped.get(branch)
    const step = await planStep(repository, { branch, own: ours, theirs, dropped })
    if (step.kind !== 'stuck' || step.outcome.state === 'refused') continue
    if (step.outcome.state !== 'conflict') {
      decisions.push({ kind: step.outcome.state, branch, ours, theirs })
      continue
    }
    const { conflicts, base } = step.outcome
    decisions.push({ kind: 'conflict', branch, ours, theirs, conflicts, base, unstored: new Map() })
  }
  return decisions
}

/** Whether a branch that is gone on the server has commits here that it never had, or all that it had is gone. */
function isMissed({ own, gone, heads }: Known, branch: string): boolean {
  const had = gone.get(branch)
  return had !== undefined && (had !== own.get(branch) || heads.size === 0)
}

/** How the server of this page is asked for a repository. */
export function serverOptions(
  name: string,
  { token, signal }: { readonly token: string | undefined; readonly signal?: AbortSignal },
): ServerOptions {
  return {
    url: urlOf(name),
    token,
    signal,
    // The browser's own password dialog stays away, and no cookie is sent.
    fetch: (input, init) =>
      patientFetch(input, { ...init, credentials: 'omit', cache: 'no-store' }),
  }
}

function urlOf(name: string): string {
  const path = name.split('/').map(encodeURIComponent).join('/')
  return new URL(`/${path}.git`, location.origin).href
}

/** What a person should know of a branch beyond the status. */
function describeOutcome(outcome: BranchOutcome): string | undefined {
  const { branch, state } = outcome
  if (state === 'refused')
    return `The server did not take “${branch}”: ${outcome.reason}. Its commits stay on this device; “New branch…” sends them under another name`
  if (state === 'gone') return `The server has no branch “${branch}” any more; it is kept here`
  if (state === 'elsewhere' && outcome.clash !== undefined)
    return `“${branch}” of the server cannot be here beside “${outcome.clash}”`
  if (state === 'waiting') return `“${branch}” moves all the time on the server; it is tried again`
  return undefined
}

/** What a person is told of a sync that failed. */
export function describeFailure(error: unknown): Omit<SyncReport, 'decisions'> {
  if (!(error instanceof SyncError)) {
    const isTimeout = error instanceof DOMException && error.name === 'TimeoutError'
    if (isTimeout) return { state: 'offline', message: undefined }
    return { state: 'failed', message: explainProblem(error), trouble: troubleOf(error) }
  }
  if (error.status === 401) return { state: 'unauthorized', message: 'The server wants a token' }
  const { code, status, message, retryAfter } = error
  if (code === 'offline' || code === 'cut-off') return { state: 'offline', message: undefined }
  if (code === 'not-datakit') return { state: 'offline', message: inItsPlace(status), retryAfter }
  // Without a status it is the answer that is malformed, and not what was asked.
  if (code === 'malformed' && status === 0) return { state: 'failed', message: sayWrong(message) }
  // A server that fails or is busy is out of reach too, for all that a person can do about it.
  const isBusy = status === 429 || status >= 500
  return { state: isBusy ? 'offline' : 'failed', message, retryAfter }
}

/** What a person is told of an answer that cannot be; the message says which server, and what is wrong. */
function sayWrong(message: string): string {
  return `The server’s answer is wrong. Nothing was changed here, and the server is asked again later. ${message}`
}

/** What a person is told when a network or a proxy answers. */
function inItsPlace(status: number): string {
  return `Something between this page and the server answers in its place (${status}), such as the login page of a network; it is tried again`
}
