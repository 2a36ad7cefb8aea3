/**
 * Log: the commits that one commit reaches, newest first.
 *
 * By date is what `git log` does: each commit as soon as one of its children was shown, the newest of these first.
 * Topological is `git log --date-order`: the same, but no commit before all of its children, whatever the clocks said.
 *
 * With a path, history is simplified as Git does it: commits that changed the path, and of a merge that took it from one
 * side unchanged, only that side.
 *
 * @module
 */
import type { Commit } from '@datakit/git/commit'
import { formatPerson } from '@datakit/git/identity'
import type { Oid } from '@datakit/git/oid'
import { check, checkOptions, count, flag, oneOf, signal, text, time } from '../argument.ts'
import { PriorityQueue } from './priority-queue.ts'
import { History, type CommitNode, type LinkSource } from './history.ts'
import { readCommit, type ObjectSource } from '../files/object-source.ts'
import type { Store } from '../store.ts'
import { findPath } from '../files/tree-reader.ts'

/** Which commits, and in which order. */
export interface LogOptions {
  /** At most so many. */
  readonly limit?: number | undefined
  /** Only commits that changed this file, or something in this directory. */
  readonly path?: string | undefined
  /** Follows only first parents: the way of the branch itself. */
  readonly firstParent?: boolean | undefined
  /** Only commits whose author, as `Name <address>`, has this in it or matches it. */
  readonly author?: string | RegExp | undefined
  /**
   * Only commits made at this time or later, in seconds since 1970 by the clocks of those who committed. By date, nothing is
   * looked for behind an older one, as in Git; topologically, all are looked at.
   */
  readonly since?: number | undefined
  /** Only commits made at this time or before. */
  readonly until?: number | undefined
  /** `date` when left out. `topological` has to see all of a history that was fetched and not worked over yet. */
  readonly order?: 'date' | 'topological' | undefined
  readonly signal?: AbortSignal | undefined
}

/** One commit of a log. */
export interface LoggedCommit {
  readonly oid: Oid
  readonly commit: Commit
}

/** Where a log is read from, and what brings that which is not here. */
export type LogSource = ObjectSource & LinkSource & Partial<Pick<Store, 'onDemand'>>

/** The log from one commit on, or from several: what any of them reaches, themselves included. */
export async function* walkLog(
  source: LogSource,
  from: Oid | readonly Oid[],
  options: LogOptions = {},
): AsyncGenerator<LoggedCommit, void, undefined> {
  checkOptions(options, RULES)
  const { limit = Infinity, author } = options
  let shown = 0
  if (limit <= 0) return
  for await (const { oid } of walkNodes(source, from, options)) {
    const commit = await readCommit(source, oid)
    if (author !== undefined && !isBy(commit, author)) continue
    yield { oid, commit }
    if (++shown >= limit) return
  }
}

const RULES = {
  limit: count,
  path: text,
  firstParent: flag,
  author: {
    fits: (value: unknown) => typeof value === 'string' || value instanceof RegExp,
    wanted: 'a text or a pattern',
  },
  since: time,
  until: time,
  order: oneOf('date', 'topological'),
  signal,
}

/** The last commits that changed a path. */
export async function lastModified(
  source: LogSource,
  from: Oid,
  options: LogOptions,
): Promise<LoggedCommit[]> {
  check('path', options.path, text)
  const commits: LoggedCommit[] = []
  for await (const commit of walkLog(source, from, options)) commits.push(commit)
  return commits
}

/** The commits of a log without what they say. `limit` and `author` are left to the caller. */
export async function* walkNodes(
  source: LogSource,
  from: Oid | readonly Oid[],
  options: LogOptions,
): AsyncGenerator<CommitNode, void, undefined> {
  const history = new History(source)
  const { path = '', firstParent = false, since = -Infinity, until = Infinity } = options
  const changes = path === '' ? undefined : new PathHistory(source, history, path)
  // The way of first parents from one commit is a line, which has one order.
  const isLine = firstParent && typeof from === 'string'
  const isTopological = options.order === 'topological' && !isLine
  const walk = isTopological ? new TopologicalWalk(history, firstParent) : new DateWalk()
  const tips = await Promise.all([from].flat().map((oid) => history.node(oid)))
  await walk.start(tips)
  for (let node = await walk.next(); node !== undefined; node = await walk.next()) {
    options.signal?.throwIfAborted()
    if (node.time < since && !isTopological) continue
    const followed = firstParent ? node.parents.slice(0, 1) : node.parents
    const parents = await Promise.all(followed.map((parent) => history.node(parent)))
    const change = (await changes?.compare(node, parents)) ?? { isShown: true, parents }
    walk.follow(change.parents)
    if (change.isShown && node.time >= since && node.time <= until) yield node
  }
}

function isBy({ author }: Commit, wanted: string | RegExp): boolean {
  const person = formatPerson(author)
  return typeof wanted === 'string' ? person.includes(wanted) : person.search(wanted) >= 0
}

/** Gives commits one after the other; those that are to come must have been named by {@link Walk.follow}. */
interface Walk {
  start(tips: readonly CommitNode[]): Promise<void>
  next(): Promise<CommitNode | undefined>
  follow(nodes: readonly CommitNode[]): void
}

class DateWalk implements Walk {
  readonly #seen = new Set<Oid>()
  readonly #queue = new PriorityQueue<CommitNode>(newestFirst)

  async start(tips: readonly CommitNode[]): Promise<void> {
    this.follow(tips)
  }

  async next(): Promise<CommitNode | undefined> {
    return this.#queue.pop()
  }

  follow(nodes: readonly CommitNode[]): void {
    for (const node of nodes) {
      if (this.#seen.has(node.oid)) continue
      this.#seen.add(node.oid)
      this.#queue.push(node)
    }
  }
}

/** Counts for each commit the children that are still to come. It looks ahead by generations, no further than needed. */
class TopologicalWalk implements Walk {
  readonly #history: History
  readonly #firstParent: boolean
  readonly #wanted = new Set<Oid>()
  readonly #children = new Map<Oid, number>()
  readonly #ahead = new PriorityQueue<CommitNode>((a, b) =>
    a.generation === b.generation ? 0 : b.generation - a.generation,
  )
  readonly #ready = new PriorityQueue<CommitNode>(newestFirst)

  constructor(history: History, firstParent: boolean) {
    this.#history = history
    this.#firstParent = firstParent
  }

  /** Some of the tips may be ancestors of others: they come when all their children have. */
  async start(tips: readonly CommitNode[]): Promise<void> {
    this.follow(tips)
    for (const node of tips) this.#meet(node, 0)
    await this.#lookAhead(Math.min(...tips.map(({ generation }) => generation)))
    const isFirst = ({ oid }: CommitNode): boolean => this.#children.get(oid) === 0
    for (const node of new Map(tips.map((tip) => [tip.oid, tip])).values())
      if (isFirst(node)) this.#ready.push(node)
  }

  async next(): Promise<CommitNode | undefined> {
    for (;;) {
      const node = this.#ready.pop()
      if (node === undefined) return undefined
      for (const oid of this.#parentsOf(node)) await this.#release(await this.#history.node(oid))
      if (this.#wanted.has(node.oid)) return node
    }
  }

  follow(nodes: readonly CommitNode[]): void {
    for (const node of nodes) this.#wanted.add(node.oid)
  }

  #parentsOf({ parents }: CommitNode): ReadonlySet<Oid> {
    return new Set(this.#firstParent ? parents.slice(0, 1) : parents)
  }

  /** Counts children of a commit. One that was not met before is looked at. */
  #meet(node: CommitNode, children: number): void {
    const known = this.#children.get(node.oid)
    this.#children.set(node.oid, (known ?? 0) + children)
    if (known === undefined) this.#ahead.push(node)
  }

  /** One child of `node` was given. */
  async #release(node: CommitNode): Promise<void> {
    await this.#lookAhead(node.generation)
    const left = (this.#children.get(node.oid) ?? 1) - 1
    this.#children.set(node.oid, left)
    if (left === 0) this.#ready.push(node)
  }

  /** Makes sure that all children of commits of this generation were counted: they have a higher one, or none known. */
  async #lookAhead(generation: number): Promise<void> {
    for (let top = this.#ahead.peek(); top !== undefined; top = this.#ahead.peek()) {
      if (top.generation <= generation && top.generation !== Infinity) return
      this.#ahead.pop()
      for (const oid of this.#parentsOf(top)) this.#meet(await this.#history.node(oid), 1)
    }
  }
}

function newestFirst(a: CommitNode, b: CommitNode): number {
  return b.time - a.time
}

/** Tells which commits changed a path. */
class PathHistory {
  readonly #source: LogSource
  readonly #history: History
  readonly #path: string
  /** Trees that were asked for, where some may not be here. */
  readonly #asked = new Set<Oid>()
  /** How many are asked for next: who wants the last commit alone looks at few. */
  #next = 16
  /** What is at the path in each tree that was looked at. */
  readonly #found = new Map<Oid, string>()

  constructor(source: LogSource, history: History, path: string) {
    this.#source = source
    this.#history = history
    this.#path = path
  }

  /** Whether the commit changed the path, and which parents explain what is there. */
  async compare(
    node: CommitNode,
    parents: readonly CommitNode[],
  ): Promise<{ readonly isShown: boolean; readonly parents: readonly CommitNode[] }> {
    await this.#fetchAhead(node, parents)
    const own = await this.#find(node.tree)
    if (parents.length === 0) return { isShown: own !== '', parents }
    for (const parent of parents) {
      if ((await this.#find(parent.tree)) === own) return { isShown: false, parents: [parent] }
    }
    return { isShown: true, parents }
  }

  /** Fetches the directories of the commits that come next, many in a request, if they were left with a remote. */
  async #fetchAhead(node: CommitNode, parents: readonly CommitNode[]): Promise<void> {
    const { onDemand } = this.#source
    const isAsked = [node, ...parents].every(({ tree }) => this.#asked.has(tree))
    if (onDemand === undefined || isAsked) return
    const trees = new Set<Oid>()
    const queue = [node]
    const seen = new Set<Oid>()
    for (let i = 0; i < queue.length && trees.size < this.#next; i++) {
      const { oid, tree, parents: next } = queue[i] ?? node
      if (seen.has(oid)) continue
      seen.add(oid)
      if (!this.#asked.has(tree)) trees.add(tree)
      for (const parent of next) queue.push(await this.#history.node(parent))
    }
    for (const tree of trees) this.#asked.add(tree)
    this.#next = Math.min(2 * this.#next, 512)
    await onDemand.ahead(trees)
  }

  async #find(tree: Oid): Promise<string> {
    const known = this.#found.get(tree)
    if (known !== undefined) return known
    const side = await findPath(this.#source, tree, this.#path)
    const found = side === undefined ? '' : `${side.mode} ${side.oid}`
    this.#found.set(tree, found)
    return found
  }
}
