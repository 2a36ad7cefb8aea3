/**
 * What a sync asks of two histories now and then: whether they have a past in common, and which heads that the server had before
 * are dealt with.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { RefUpdate } from '@datakit/git/place'
import type { Repository } from '../repository.ts'
import type { BranchOutcome, Wish } from './sync-outcome.ts'
import { CANDIDATES, droppedName, HEADS, stepOf, type Known, type Refs } from './sync-refs.ts'

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

/** Forgets what was kept of a branch until it is what the server has. */
export function settled(known: Known, branch: string): RefUpdate[] {
  return [
    ...moveCandidate(known, branch, undefined),
    ...forgetDropped(branch, known.dropped.get(branch)),
  ]
}

/**
 * Whether a server that was never synced with has histories of ours: every branch of both has a common past, and there is
 * one, unless a person said that there need be none.
 */
export async function isRelated(
  repository: Repository,
  { own, heads }: Known,
  isAccepted: boolean,
): Promise<boolean> {
  let isShared = isAccepted || heads.size === 0
  for (const [branch, oid] of own) {
    const theirs = heads.get(branch)
    if (theirs === undefined) continue
    isShared = true
    if ((await repository.mergeBases(oid, theirs)).length === 0) return false
  }
  return isShared
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

/** What a person is told of each branch when the server has another repository; the others are in step. */
export function unrelatedBranches(own: Refs, heads: Refs): Map<string, BranchOutcome> {
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
