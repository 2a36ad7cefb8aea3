/**
 * Landing a commit on a branch that has got others meanwhile.
 *
 * @module
 */
import { UnavailableError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import { History } from '../history/history.ts'
import { mergeCommits } from '../merge/merge-commits.ts'
import type { Store } from '../store.ts'
import { moveRef, type CommitOutcome, type Landing } from './land.ts'
import { addStaleReads } from './stale-reads.ts'

/** How often we try again, when nobody says, before we give up on a branch that moves under us. */
const RETRIES = 63

/** Moves the ref to the commit or to a merge of it; `isLost` where it was tried, and the ref is not where it was looked for. */
export async function landAgain(
  store: Store,
  landing: Landing,
  isLost: boolean,
): Promise<CommitOutcome> {
  const { ref, own, options } = landing
  const { retries = RETRIES } = options
  let { head } = landing
  for (let round = 0; round <= retries; round++) {
    if (!isLost || round > 0) {
      const merged = await mergeHead(landing, head)
      if ('state' in merged) return merged
      const { oid } = merged
      const how = oid === own ? 'fast-forward' : 'merge'
      if (oid === head) return { state: 'committed', oid, how }
      if (
        await moveRef(
          store,
          { ...landing, head },
          { to: oid, why: oid === own ? 'commit' : 'merge' },
        )
      )
        return { state: 'committed', oid, how }
    }
    head = await (await store.state()).ref(ref)
  }
  throw new UnavailableError(
    `Cannot commit to "${ref}": it moved ${retries + 1} times; try again later`,
  )
}

/** A commit that the ref can be moved to, or why there is none. */
type Merged = { readonly oid: Oid } | Exclude<CommitOutcome, { readonly oid: Oid }>

/** The commit that the ref can be moved to from `head`. */
async function mergeHead(landing: Landing, head: Oid | undefined): Promise<Merged> {
  const { own, draft, options } = landing
  if (head === undefined) return { oid: own }
  const history = new History(draft)
  // Somebody who saw the same and did the same in the same second has made the very commit: one of the two came first.
  const isTwin = head === own && options.serializable === true
  if (!isTwin && (await history.isAncestor(head, own))) return { oid: own }
  return mergeLanding(landing, history, head)
}

/** The merge with `head`, in the draft; where that is the commit itself, it is asked only what was read. */
async function mergeLanding(landing: Landing, history: History, head: Oid): Promise<Merged> {
  const { ref, own, draft, options } = landing
  if (options.fastForwardOnly === true) return { state: 'not-fast-forward', head }
  let result = await mergeCommits({ draft, history }, own, head)
  if (options.serializable === true) result = await addStaleReads(landing, history, result)
  const { tree, ...merged } = result
  if (merged.conflicts.length > 0) return { state: 'conflict', ...merged }
  if (head === own) return { oid: own }
  const message = `Merge into ${ref.replace(/^refs\/heads\//, '')}\n\nDatakit-Transaction: ${own}\n`
  const { author, committer } = options
  return {
    oid: await draft.writeNewCommit({ message, author, committer, tree, parents: [head, own] }),
  }
}
