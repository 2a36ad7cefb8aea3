/**
 * History: how commits hang together. Merge bases, ancestry, the walk of `git log`.
 *
 * Order comes from generations where they are known, so that a wrong clock does not mislead; commits that were fetched
 * and not worked over yet have none, and come by their dates, as in Git.
 *
 * Spec: https://git-scm.com/docs/git-merge-base
 *
 * @module
 */
import { MalformedError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { Links } from '@datakit/git/pack/links'
import { later } from '../loading.ts'
import { PriorityQueue } from './priority-queue.ts'

/** Tells what a commit hangs on. */
export interface LinkSource {
  links(oid: Oid): Promise<Links | undefined>
  /** Commits whose parents were left out on purpose. */
  readonly shallow: ReadonlySet<Oid>
}

/** A commit as a knot of the graph. */
export interface CommitNode {
  readonly oid: Oid
  readonly tree: Oid
  readonly parents: readonly Oid[]
  /** Seconds since 1970. */
  readonly time: number
  /** One more than the highest of the parents; `Infinity` where nobody worked it out. */
  readonly generation: number
}

/** What {@link History.paint} marks what one side alone reaches with. */
export const OURS = 1
const THEIRS = 2
const BOTH = OURS | THEIRS
const STALE = 4

/** The graph of commits, read where it is walked and kept as long as the walk. */
export class History {
  readonly #source: LinkSource
  readonly #nodes = new Map<Oid, CommitNode>()

  constructor(source: LinkSource) {
    this.#source = source
  }

  /** The knot of a commit. @throws MalformedError when it is no commit */
  async node(oid: Oid): Promise<CommitNode> {
    const known = this.#nodes.get(oid)
    if (known !== undefined) return known
    const links = await this.#source.links(oid)
    if (links?.kind !== 'commit') throw new MalformedError(`commit ${oid}`, 'it is no commit')
    const parents = this.#source.shallow.has(oid) ? [] : links.parents
    const generation = links.generation === 0 ? Infinity : links.generation
    const node = { oid, tree: links.tree, parents, time: links.time, generation }
    this.#nodes.set(oid, node)
    return node
  }

  /** Whether one gets from `descendant` to `ancestor` by parents; a commit counts as its own ancestor. */
  async isAncestor(ancestor: Oid, descendant: Oid): Promise<boolean> {
    return (
      ancestor === descendant ||
      (await this.mergeBases([ancestor], [descendant])).includes(ancestor)
    )
  }

  /**
   * The best common ancestors: those that are not ancestors of one another. None for unrelated histories. Ordered by
   * date, then oid, so that everyone gets them in one order. Several commits on a side count as one that merges them.
   */
  async mergeBases(ours: readonly Oid[], theirs: readonly Oid[]): Promise<Oid[]> {
    const flags = await this.paint(ours, theirs)
    const bases: CommitNode[] = []
    for (const [oid, flag] of flags) if (flag === BOTH) bases.push(await this.node(oid))
    const isCertain = bases.every(({ generation }) => generation !== Infinity)
    const best =
      bases.length > 1 && !isCertain ? await (await later()).withoutAncestors(this, bases) : bases
    return best.toSorted(compareNodes).map(({ oid }) => oid)
  }

  /** Commits that `wants` reach and `haves` do not, parents before children. May be more than the least where clocks were wrong. */
  async missing(wants: readonly Oid[], haves: readonly Oid[]): Promise<Oid[]> {
    const flags = await this.paint(wants, haves)
    const missing: Oid[] = []
    const entered = new Set<Oid>()
    const stack = wants.map((oid) => ({ oid, isLeft: false }))
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (at.isLeft) missing.push(at.oid)
      if (at.isLeft || entered.has(at.oid) || flags.get(at.oid) !== OURS) continue
      entered.add(at.oid)
      stack.push({ oid: at.oid, isLeft: true })
      for (const oid of (await this.node(at.oid)).parents) stack.push({ oid, isLeft: false })
    }
    return missing
  }

  /** Marks what each side reaches, and what common ancestors reach (stale), from the newest on. */
  async paint(ours: readonly Oid[], theirs: readonly Oid[]): Promise<Map<Oid, number>> {
    const flags = new Map<Oid, number>()
    const queue = new PriorityQueue<CommitNode>(
      (a, b) => compareGenerations(a, b) || b.time - a.time,
    )
    // How many commits in the queue are not stale: when there are none, every best ancestor is found.
    let fresh = 0
    const waiting = new Map<Oid, number>()
    const isStale = (flag: number): boolean => (flag & STALE) !== 0
    const mark = async (oid: Oid, flag: number): Promise<void> => {
      const before = flags.get(oid) ?? 0
      if ((before & flag) === flag) return
      const node = await this.node(oid)
      const turns = waiting.get(oid) ?? 0
      if (!isStale(before)) fresh -= turns
      flags.set(oid, before | flag)
      waiting.set(oid, turns + 1)
      if (!isStale(before | flag)) fresh += turns + 1
      // A commit that gets another colour is looked at again, even if that happens after its turn.
      queue.push(node)
    }
    for (const oid of ours) await mark(oid, OURS)
    for (const oid of theirs) await mark(oid, THEIRS)
    while (fresh > 0) {
      const node = queue.pop()
      if (node === undefined) break
      const flag = flags.get(node.oid) ?? 0
      waiting.set(node.oid, (waiting.get(node.oid) ?? 1) - 1)
      if (!isStale(flag)) fresh--
      const passed = (flag & BOTH) === BOTH ? flag | STALE : flag
      for (const parent of node.parents) await mark(parent, passed)
    }
    return flags
  }
}

/** Higher ones first; commits without one before all that have one, since only they can be their ancestors. */
function compareGenerations(a: CommitNode, b: CommitNode): number {
  return a.generation === b.generation ? 0 : b.generation - a.generation
}

/** By date, then oid. */
function compareNodes(a: CommitNode, b: CommitNode): number {
  return a.time - b.time || (a.oid < b.oid ? -1 : 1)
}
