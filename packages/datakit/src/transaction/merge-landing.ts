/**
 * The merge of a commit with what its branch has got meanwhile.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { History } from '../history/history.ts'
import { mergeCommits } from '../merge/merge-commits.ts'
import type { Landing, Merged } from './land.ts'
import { addStaleReads } from './stale-reads.ts'

/** The merge with `head`, in the draft; where that is the commit itself, it is asked only what was read. */
export async function mergeLanding(landing: Landing, history: History, head: Oid): Promise<Merged> {
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
