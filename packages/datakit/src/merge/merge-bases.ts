/**
 * Merging merge bases: with several best common ancestors (criss-cross merges) these are merged first, recursively, and the
 * result is the base. Loaded when there are several.
 *
 * Its conflicts are settled as Git settles them, and the outcome does not depend on which side is which.
 *
 * Spec: https://git-scm.com/docs/merge-strategies#Documentation/merge-strategies.txt-recursive
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Side } from './conflict.ts'
import type { Draft } from '../transaction/draft.ts'
import { treesOf, type MergeTools } from './merge-commits.ts'
import { mergeTrees, type Trees, type UnsettledFile, type Virtual } from './merge.ts'
import { isRegular } from './mode.ts'

/** The tree that several bases of a merge of `outer` are merged to, the oldest first. */
export function mergeBases(
  tools: MergeTools,
  bases: readonly Oid[],
  outer: Pick<Trees, 'ours' | 'theirs'>,
): Promise<Oid | undefined> {
  return new BaseMerge(tools, outer).merge(bases, 1)
}

/** The trees that a merge of two commits works on; what several bases are merged to is in the draft. */
export async function findTrees(
  tools: MergeTools,
  sides: { readonly ours: Oid; readonly theirs: Oid },
): Promise<Trees> {
  return treesOf(tools, await tools.history.mergeBases([sides.ours], [sides.theirs]), sides)
}

class BaseMerge {
  readonly #tools: MergeTools
  readonly #outer: Virtual['outer']
  readonly #known = new Map<string, Oid | undefined>()

  constructor(tools: MergeTools, outer: Virtual['outer']) {
    this.#tools = tools
    this.#outer = outer
  }

  async merge(bases: readonly Oid[], depth: number): Promise<Oid | undefined> {
    // How deep it is shows in the markers.
    const key = `${depth} ${bases.join()}`
    if (this.#known.has(key)) return this.#known.get(key)
    const { draft, history } = this.#tools
    const virtual: Virtual = { outer: this.#outer, depth, settle }
    let tree: Oid | undefined
    for (const [i, next] of bases.entries()) {
      const { tree: theirs } = await history.node(next)
      if (i === 0) {
        tree = theirs
        continue
      }
      const below = await history.mergeBases(bases.slice(0, i), [next])
      const base = await this.merge(below, depth + 1)
      const trees = { base, ours: tree, theirs }
      tree = (await mergeTrees(draft, trees, virtual)).tree
    }
    this.#known.set(key, tree)
    return tree
  }
}

/**
 * What Git takes for a file in conflict between two merge bases: for content the older base, or nothing in it, where no
 * driver marks conflicts; for the mode the first base's.
 */
async function settle(
  draft: Draft,
  { base, ours, mode = ours.mode, oid }: UnsettledFile,
): Promise<Side | undefined> {
  if (oid !== undefined) return { mode, oid }
  if (!isRegular(ours)) return base
  const kept = base && isRegular(base) ? base.oid : await draft.writeBlob(new Uint8Array(0))
  return { mode, oid: kept }
}
