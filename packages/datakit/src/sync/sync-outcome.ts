/**
 * What one sync has found out, branch by branch.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { RefUpdate } from '@datakit/git/place'
import type { SyncResponse, SyncOutcome as UpdateOutcome } from '@datakit/git/protocol/sync'
import { later } from '../loading.ts'
import type { ConflictOutcome } from '../transaction/land.ts'
import type { Known, Refs } from './sync-refs.ts'

/** What became of one branch. */
export type BranchOutcome = { readonly branch: string } & (
  | {
      /**
       * `in-step`: nothing to do. `pushed`: the server took what is here. `pulled`: the branch follows the server.
       * `merged`: both had changes, and both have their merge.
       */
      readonly state: 'in-step' | 'pushed' | 'pulled' | 'merged'
      readonly oid: Oid
    }
  /** For a person to decide, see `Repository.resolve`. Neither side was changed. */
  | ConflictOutcome
  /** The server said no; or a merge needs what was left with it, and cannot be had. */
  | { readonly state: 'refused'; readonly reason: string }
  /**
   * The two repositories have histories with nothing in common; no branch of either was changed. `theirs` is the server's
   * branch of that name. See `takeTheirs` and {@link SyncOptions.acceptOther}.
   */
  | { readonly state: 'unrelated'; readonly ours: Oid; readonly theirs: Oid | undefined }
  /**
   * The server took back commits that are here, and there are newer ones on them; neither side was changed. See
   * `takeTheirs` and {@link SyncOptions.restore}.
   */
  | { readonly state: 'rewritten'; readonly ours: Oid; readonly theirs: Oid }
  /** The server had the branch and has it no more; here it is as it was. See `SyncOptions.restore`. */
  | { readonly state: 'gone'; readonly oid: Oid }
  /** It was deleted on the server, as asked. */
  | { readonly state: 'removed' }
  /** The server has it; here it was deleted, or cannot be beside the local branch `clash` (`a` and `a/b`). */
  | { readonly state: 'elsewhere'; readonly oid: Oid; readonly clash: string | undefined }
  /** What is here is not on the server: the branch kept moving there, or was only to be pulled. The next sync goes on. */
  | { readonly state: 'waiting' }
)

/** What became of a sync. */
export interface SyncOutcome {
  /** Id of the server's repository; empty while it has none. */
  readonly repository: string
  /** How many requests it took. */
  readonly rounds: number
  readonly branches: readonly BranchOutcome[]
}

/** One move that the server is asked for. */
export interface Wish {
  readonly branch: string
  readonly update: RefUpdate
  /** What became of the branch if the server takes it. */
  readonly result: 'pushed' | 'merged' | 'removed'
}

/** What a sync knows when it looked at every branch. */
export interface Plan {
  readonly known: Known
  readonly wishes: readonly Wish[]
  /** Branches that cannot go on. */
  readonly stuck: ReadonlyMap<string, BranchOutcome>
}

/** One sync from its first request to its last answer. */
export class SyncRun {
  rounds = 0
  /** Branches that will not be tried again in this run. */
  readonly stuck = new Map<string, BranchOutcome>()
  readonly #results = new Map<string, 'pushed' | 'pulled' | 'merged' | 'removed'>()
  /** The last answer, and the refs that it spoke of. */
  heard: { readonly answer: SyncResponse; readonly refs: Refs } | undefined
  /** Whether the server has a repository that we know nothing of: it is asked before anything is sent. */
  isStrange = false
  /** Whether it was found to be ours, or none was there. */
  isRelated = false

  /** Notes what became of a branch; the first that happened to it counts. */
  note(branch: string, result: Wish['result'] | 'pulled'): void {
    if (!this.#results.has(branch)) this.#results.set(branch, result)
  }

  /** Takes what became of the wishes; gives the branches that were deleted. */
  async settle(
    wishes: readonly Wish[],
    answers: readonly UpdateOutcome[],
  ): Promise<ReadonlySet<string>> {
    const done = new Set(answers.flatMap(({ name, outcome }) => (outcome === 'done' ? name : [])))
    const others = wishes.filter(
      ({ update, result }) => result === 'removed' || !done.has(update.name),
    )
    for (const { branch, update, result } of wishes)
      if (done.has(update.name)) this.note(branch, result)
    return others.length === 0 ? new Set() : (await later()).settleOthers(this, others, answers)
  }

  /** What became of each branch, ordered by name. */
  async outcomes({ known, stuck }: Plan): Promise<BranchOutcome[]> {
    const outcomes: BranchOutcome[] = []
    const branches = new Set([...known.own.keys(), ...known.heads.keys(), ...this.#results.keys()])
    for (const branch of [...branches].sort()) {
      const outcome = stuck.get(branch) ?? (await this.#outcome(branch, known))
      if (outcome !== undefined) outcomes.push(outcome)
    }
    return outcomes
  }

  async #outcome(branch: string, known: Known): Promise<BranchOutcome | undefined> {
    const result = this.#results.get(branch)
    const [own, theirs] = [known.own.get(branch), known.heads.get(branch)]
    if (result === 'removed') return { branch, state: 'removed' }
    if (own === undefined) return theirs && (await later()).elsewhere(branch, theirs, known.own)
    if (known.gone.has(branch)) return { branch, state: 'gone', oid: own }
    return own === theirs
      ? { branch, state: result ?? 'in-step', oid: own }
      : { branch, state: 'waiting' }
  }
}
