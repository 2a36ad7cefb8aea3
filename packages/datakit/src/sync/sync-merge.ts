/**
 * The merge of a branch that has diverged from the server's. Everything in it follows from its parents, so that whoever merges
 * the same two commits makes the same commit.
 *
 * @module
 */
import { NotHereError } from '@datakit/git/error'
import type { Identity } from '@datakit/git/identity'
import type { Oid } from '@datakit/git/oid'
import type { History } from '../history/history.ts'
import { mergeCommits } from '../merge/merge-commits.ts'
import type { UpdateRequest } from '@datakit/git/place'
import { SyncError } from '../error.ts'
import type { Draft } from '../transaction/draft.ts'
import type { SettledOutcome } from '../transaction/update.ts'
import type { Step } from './sync-plan.ts'
import type { Known } from './sync-refs.ts'
import { moveCandidate } from './sync-relation.ts'

const MERGER = { name: 'DataKit', address: 'datakit@localhost', offset: 0 }
const MESSAGE = 'Merge changes that were made in two places\n'

/** What is to be done for a branch that has diverged, or whose heads the server has dropped. `bases` is what both sides share. */
export async function planDiverged(
  { draft, history, bases }: Merging & { readonly bases: readonly Oid[] },
  { own, theirs, dropped }: Diverged,
): Promise<Step> {
  const had = dropped.length === 0 ? [] : await history.mergeBases([own], dropped)
  if (had.includes(own)) return { kind: 'follow', to: theirs }
  const stuck = (state: 'rewritten' | 'unrelated'): Step => ({
    kind: 'stuck',
    outcome: { state, ours: own, theirs },
  })
  for (const oid of had) if (!(await history.isAncestor(oid, theirs))) return stuck('rewritten')
  if (bases.length === 0) return stuck('unrelated')
  if (bases.includes(theirs)) return { kind: 'send', to: own, merge: undefined }
  return mergeDiverged({ draft, history }, own, theirs)
}

interface Merging {
  readonly draft: Draft
  readonly history: History
}

/** Where a branch is here and on the server, and where the server had it before. */
interface Diverged {
  readonly own: Oid
  readonly theirs: Oid
  readonly dropped: readonly Oid[]
}

/**
 * Merges what is here with what the server has, into `draft`; its conflicts where there are any. Where that needs what was left
 * with the server and cannot be had, the branch is left as it is: perhaps the server let go of it since, and the other branches
 * have their turn in any case.
 */
async function mergeDiverged(at: Merging, own: Oid, theirs: Oid): Promise<Step> {
  try {
    return await merge(at, own, theirs)
  } catch (error) {
    if (!(error instanceof NotHereError)) throw error
    return { kind: 'stuck', outcome: { state: 'refused', reason: error.message } }
  }
}

async function merge({ draft, history }: Merging, own: Oid, theirs: Oid): Promise<Step> {
  const { tree, ...merged } = await mergeCommits({ draft, history }, own, theirs)
  if (merged.conflicts.length > 0)
    return { kind: 'stuck', outcome: { state: 'conflict', ...merged } }
  const seconds = Math.max((await history.node(own)).time, (await history.node(theirs)).time)
  const identity: Identity = { ...MERGER, seconds }
  const to = await draft.writeCommit({
    tree,
    parents: [theirs, own],
    author: identity,
    committer: identity,
    headers: [],
    message: MESSAGE,
  })
  return { kind: 'send', to, merge: draft }
}

/**
 * Stores merges that the server has not taken yet, under refs of their own: no branch moves to them before it does.
 *
 * @throws SyncError `busy` when another tab is at it too; what it made is made of the same two commits, or of newer ones
 */
export async function keepCandidates(
  known: Known,
  steps: ReadonlyMap<string, Step>,
  publish: (update: Omit<UpdateRequest, 'id' | 'log'>) => Promise<SettledOutcome>,
): Promise<void> {
  for (const [branch, step] of steps) {
    if (step.kind !== 'send' || step.merge === undefined) continue
    const refs = moveCandidate(known, branch, step.to)
    if (refs.length === 0) continue
    const stage = await step.merge.stage([step.to])
    const addPacks = stage && [stage.staged]
    const outcome = await publish({ refs, addPacks, reliesOn: stage?.needs })
    if (outcome.state === 'lost')
      throw new SyncError('busy', 'Cannot sync: another sync is under way here')
  }
}
