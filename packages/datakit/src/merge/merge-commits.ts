/**
 * Merging commits: finds what both came from, and merges their trees over it. Several best common ancestors are merged to
 * one first, see `merge-bases.ts`.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Conflict } from './conflict.ts'
import type { Draft } from '../transaction/draft.ts'
import type { History } from '../history/history.ts'
import { later } from '../loading.ts'
import { mergeTrees, type Trees } from './merge.ts'

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
}

/** Merges the trees of two commits. Makes no commit. */
export async function mergeCommits(
  tools: MergeTools,
  ours: Oid,
  theirs: Oid,
): Promise<MergedCommits> {
  const { draft, history } = tools
  const bases = await history.mergeBases([ours], [theirs])
  const trees = await treesOf(tools, bases, { ours, theirs })
  const { conflicts, tree = await draft.writeEmptyTree() } = await mergeTrees(draft, trees)
  return { conflicts, ours, theirs, base: bases[0], tree }
}

/** The trees that a merge of two commits works on. What several bases are merged to is in the draft. */
export async function treesOf(
  tools: MergeTools,
  bases: readonly Oid[],
  sides: { readonly ours: Oid; readonly theirs: Oid },
): Promise<Trees> {
  const treeOf = async (oid: Oid): Promise<Oid> => (await tools.history.node(oid)).tree
  const [base, another] = bases
  const [ours, theirs] = [await treeOf(sides.ours), await treeOf(sides.theirs)]
  if (another === undefined) return { base: base && (await treeOf(base)), ours, theirs }
  return { base: await (await later()).mergeBases(tools, bases, { ours, theirs }), ours, theirs }
}
