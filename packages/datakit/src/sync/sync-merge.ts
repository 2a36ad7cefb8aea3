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
import type { Draft } from '../transaction/draft.ts'
import type { Step } from './sync-plan.ts'

const MERGER = { name: 'DataKit', address: 'datakit@localhost', offset: 0 }
const MESSAGE = 'Merge changes that were made in two places\n'

/**
 * Merges what is here with what the server has, into `draft`; its conflicts where there are any. Where that needs what was left
 * with the server and cannot be had, the branch is left as it is: perhaps the server let go of it since, and the other branches
 * have their turn in any case.
 */
export async function mergeDiverged(
  at: { readonly draft: Draft; readonly history: History },
  own: Oid,
  theirs: Oid,
): Promise<Step> {
  try {
    return await merge(at, own, theirs)
  } catch (error) {
    if (!(error instanceof NotHereError)) throw error
    return { kind: 'stuck', outcome: { state: 'refused', reason: error.message } }
  }
}

async function merge(
  { draft, history }: { readonly draft: Draft; readonly history: History },
  own: Oid,
  theirs: Oid,
): Promise<Step> {
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
