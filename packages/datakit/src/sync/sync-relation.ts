/**
 * What a sync asks of two histories now and then: whether they have a past in common, and which heads that the server had before
 * are dealt with.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { RefUpdate } from '@datakit/git/place'
import type { SyncOutcome as UpdateOutcome } from '@datakit/git/protocol/sync'
import type { Repository } from '../repository.ts'
import type { BranchOutcome, Plan, SyncOutcome, SyncRun, Wish } from './sync-outcome.ts'
import type { Step } from './sync-plan.ts'
import {
  branchOf,
  CANDIDATES,
  droppedName,
  HEADS,
  stepOf,
  type Known,
  type Refs,
  type Taking,
} from './sync-refs.ts'

/** Moves the candidate of a branch. */
export function moveCandidate(
  { candidates }: Known,
  branch: string,
  to: Oid | undefined,
): RefUpdate[] {
  const from = candidates.get(branch)
  return from === to ? [] : [{ name: CANDIDATES + stepOf(branch), from, to }]
}

/** Forgets heads that the server's branch had before. */
export function forgetDropped(branch: string, oids: readonly Oid[] = []): RefUpdate[] {
  return oids.map((from) => ({ name: droppedName(branch, from), from, to: undefined }))
}

/** Heads that the server's branches had before, by branch, from what follows {@link droppedName}'s front: `BRANCH/OID`. */
export function byBranch(dropped: Refs): Map<string, Oid[]> {
  const oids = new Map<string, Oid[]>()
  for (const [name, oid] of dropped) {
    const branch = branchOf(name.slice(0, name.indexOf('/')))
    oids.set(branch, [...(oids.get(branch) ?? []), oid])
  }
  return oids
}

/** The moves of local branches that are behind the server; what was kept of them until then is forgotten. */
export function followMoves(known: Known, steps: ReadonlyMap<string, Step>): RefUpdate[] {
  return [...steps].flatMap(([branch, step]) =>
    step.kind === 'follow'
      ? [
          { name: HEADS + branch, from: known.own.get(branch), to: step.to },
          ...moveCandidate(known, branch, undefined),
          ...forgetDropped(branch, known.dropped.get(branch)),
        ]
      : [],
  )
}

/**
 * What follows from an answer of a server that was never synced with, if it has histories of ours: every branch of both has a common
 * past, and there is one, unless a person said that there need be none.
 */
export async function findRelated(
  repository: Repository,
  heard: Pick<Taking, 'answer' | 'refs'>,
  {
    known: { own, heads },
    isAccepted,
  }: { readonly known: Known; readonly isAccepted: boolean | undefined },
): Promise<Taking | undefined> {
  let isShared = isAccepted === true || heads.size === 0
  for (const [branch, oid] of own) {
    const theirs = heads.get(branch)
    if (theirs === undefined) continue
    isShared = true
    if ((await repository.mergeBases(oid, theirs)).length === 0) return undefined
  }
  const taking = { ...heard, removed: new Set<string>(), since: heard.refs, options: {} }
  return isShared ? { ...taking, isRelated: true } : undefined
}

/**
 * Forgets all candidates, and those heads that the server had before which need not be known any more: it has them, or we
 * have its own.
 */
export async function forgetSettled(repository: Repository, known: Known): Promise<RefUpdate[]> {
  const { own, heads, dropped, candidates } = known
  const moves = [...candidates.keys()].flatMap((name) => moveCandidate(known, name, undefined))
  for (const [branch, oids] of dropped) {
    const [ours, theirs] = [own.get(branch), heads.get(branch)]
    for (const oid of oids) {
      const isSettled =
        ours === undefined ||
        ours === theirs ||
        (theirs !== undefined && (await repository.isAncestor(oid, theirs)))
      if (isSettled) moves.push(...forgetDropped(branch, [oid]))
    }
  }
  return moves
}

/** What is to be done with a server of other histories: nothing. */
export function planStranger({ heard }: SyncRun, known: Known): Plan {
  const stuck = unrelatedBranches(known.own, heard === undefined ? new Map() : known.heads)
  return { known, wishes: [], stuck }
}

/** What became of a sync with a server that has another repository than before. */
export function refuseOther({ rounds }: SyncRun, { known: { own } }: Plan): SyncOutcome {
  return { repository: '', rounds, branches: [...unrelatedBranches(own, new Map()).values()] }
}

/** What a person is told of each branch when the server has another repository; the others are in step. */
function unrelatedBranches(own: Refs, heads: Refs): Map<string, BranchOutcome> {
  const outcomes = new Map<string, BranchOutcome>()
  for (const [branch, ours] of own) {
    const theirs = heads.get(branch)
    if (ours !== theirs) outcomes.set(branch, { branch, state: 'unrelated', ours, theirs })
  }
  return outcomes
}

/** The wishes to delete branches on the server, of those that a person named. */
export function removals(
  branches: readonly string[],
  { heads }: Known,
  stuck: ReadonlyMap<string, BranchOutcome>,
): Wish[] {
  return branches.flatMap((branch): Wish[] => {
    const from = heads.get(branch)
    if (from === undefined || stuck.has(branch)) return []
    const update = { name: HEADS + branch, from, to: undefined }
    return [{ branch, update, result: 'removed' }]
  })
}

/** Takes what became of wishes to delete, and of those that were not granted; gives the branches that were deleted. */
export function settleOthers(
  run: SyncRun,
  wishes: readonly Wish[],
  answers: readonly UpdateOutcome[],
): Set<string> {
  const removed = new Set<string>()
  const byName = new Map(answers.map((answer) => [answer.name, answer]))
  for (const { branch, update, result } of wishes) {
    const answer = byName.get(update.name)
    const isGone =
      answer?.outcome === 'done' || (answer?.outcome === 'lost' && answer.current === undefined)
    if (result === 'removed' && isGone) {
      run.note(branch, result)
      removed.add(branch)
    } else if (answer?.outcome === 'refused' || result === 'removed') {
      const reason = answer?.reason ?? 'it moved on the server'
      run.stuck.set(branch, { branch, state: 'refused', reason })
    }
  }
  return removed
}
