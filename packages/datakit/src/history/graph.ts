/**
 * Graph: the commits of a repository as data, and how they hang together.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { checkOptions, count as countRule, signal as signalRule } from '../argument.ts'
import { walkNodes } from './log.ts'
import type { Store } from '../store.ts'

/** Which commits. */
export interface GraphOptions {
  /** What they are reached from; all branches when left out. */
  readonly from?: Oid | readonly Oid[] | undefined
  /** At most so many. */
  readonly limit?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** A commit and what it hangs on. */
export interface GraphNode {
  readonly oid: Oid
  /** In order; those of a shallow commit are left out. */
  readonly parents: readonly Oid[]
  readonly tree: Oid
  /** Seconds since 1970, by the clock of who committed. */
  readonly time: number
  /** Full names of the branches and tags that are here. */
  readonly refs: readonly string[]
}

/** The commits, no parent before all of its children, the newest first where that leaves a choice: `git log --date-order`. */
export async function* walkGraph(
  store: Store,
  options: GraphOptions = {},
): AsyncGenerator<GraphNode, void, undefined> {
  checkOptions(options, { limit: countRule, signal: signalRule })
  const { limit = Infinity, signal } = options
  const refs = new Map<Oid, string[]>()
  const heads: Oid[] = []
  const state = await store.state()
  for (const prefix of ['refs/heads/', 'refs/tags/']) {
    for await (const { name, oid, peeled = oid } of state.refs(prefix)) {
      refs.set(peeled, [...(refs.get(peeled) ?? []), name])
      if (prefix === 'refs/heads/') heads.push(oid)
    }
  }
  let count = 0
  const from = options.from ?? heads
  if (from.length === 0 || limit <= 0) return
  for await (const node of walkNodes(store, from, { order: 'topological', signal })) {
    const { oid, parents, tree, time } = node
    yield { oid, parents, tree, time, refs: refs.get(oid) ?? [] }
    if (++count >= limit) return
  }
}
