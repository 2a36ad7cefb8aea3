/**
 * Merging commits: finds what both came from, and merges their trees over it.
 *
 * With several best common ancestors (criss-cross merges) these are merged first, recursively, and the result is the
 * base; its conflicts are settled as Git settles them, and the outcome does not depend on which side is which.
 *
 * Spec: https://git-scm.com/docs/merge-strategies#Documentation/merge-strategies.txt-recursive
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Conflict } from './conflict.ts'
import type { Draft } from './draft.ts'
import type { History } from './history.ts'
import { mergeTrees, type MergeContent } from './merge.ts'

/** Merged commits. */
export interface MergedCommits {
  readonly conflicts: readonly Conflict[]
  readonly ours: Oid
  readonly theirs: Oid
  /** The best common ancestor, or the oldest of several; `undefined` for unrelated histories. */
  readonly base: Oid | undefined
  /** The merged tree, in the draft if it is new; where there are conflicts, with what each leaves in place. */
  readonly tree: Oid
}

/** What a merge of commits works on. */
export interface MergeTools {
  readonly draft: Draft
  readonly history: History
  readonly mergeContent?: MergeContent | undefined
}

/** Merges the trees of two commits. Makes no commit. */
export async function mergeCommits(
  tools: MergeTools,
  ours: Oid,
  theirs: Oid,
): Promise<MergedCommits> {
  const { draft, history, mergeContent } = tools
  const bases = await history.mergeBases([ours], [theirs])
  const base = await mergeBaseTrees(tools, bases, new Map())
  const [ourTree, theirTree] = [(await history.node(ours)).tree, (await history.node(theirs)).tree]
  const { conflicts, tree = await draft.writeEmptyTree() } = await mergeTrees(
    draft,
    { base, ours: ourTree, theirs: theirTree },
    { mergeContent },
  )
  return { conflicts, ours, theirs, base: bases[0], tree }
}

/** The tree that several bases are merged to, the oldest first. */
async function mergeBaseTrees(
  tools: MergeTools,
  bases: readonly Oid[],
  known: Map<string, Oid | undefined>,
): Promise<Oid | undefined> {
  const key = bases.join()
  if (known.has(key)) return known.get(key)
  const { draft, history, mergeContent } = tools
  let tree: Oid | undefined
  for (const [i, next] of bases.entries()) {
    const { tree: nextTree } = await history.node(next)
    if (i === 0) {
      tree = nextTree
      continue
    }
    const below = await history.mergeBases(bases.slice(0, i), [next])
    const base = await mergeBaseTrees(tools, below, known)
    const options = { mergeContent, isVirtual: true }
    tree = (await mergeTrees(draft, { base, ours: tree, theirs: nextTree }, options)).tree
  }
  known.set(key, tree)
  return tree
}
