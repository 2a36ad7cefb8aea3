/**
 * Boundary: where a client's history is cut, before a fetch and after it.
 *
 * A depth is counted from the wanted commits, the shortest way. A ref takes away what it reaches. A date alone ends the
 * walk at what is older; beside a ref, what is older takes away all that lies behind it. As in Git.
 *
 * Spec: https://git-scm.com/docs/shallow, https://git-scm.com/docs/gitprotocol-pack#_packfile_negotiation
 *
 * @module
 */
import { RefusedError } from '../error.ts'
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import { INFINITE_DEPTH, type Deepening, type ShallowWish } from '../protocol/deepen.ts'
import { CommitQueue } from './commit-queue.ts'
import { commitOf, Cuts, linksOf } from './commits.ts'
import { ObjectGraph, type Node } from './graph.ts'
import { commonHaves } from './negotiate.ts'
import type { Readable } from './reach.ts'
import { readableRef } from './refs.ts'

/** What is asked of a boundary. */
export interface BoundaryRequest extends ShallowWish {
  readonly wants: readonly Oid[]
  readonly readable: Readable
}

/** Where the history of a client ends. */
export interface Boundary {
  /** Commits that the client has to take for shallow from now on. */
  readonly shallow: readonly Oid[]
  /** Commits of the client that are no longer shallow: it has them, and gets what is behind them. */
  readonly unshallow: readonly Oid[]
  /** Every commit behind which the walk for the pack must not look. */
  readonly cuts: readonly Oid[]
  /** What is wanted besides: the parents of what is no longer shallow. */
  readonly wants: readonly Oid[]
}

/**
 * Draws the boundary.
 *
 * Shallow commits of the client that no readable ref leads to are passed over, like those that are not here: nothing that
 * the client can get leads to them, and what lies behind them must not leak.
 *
 * @throws RefusedError `ambiguous-ref` when a name of `deepen-not` is not that of one ref; `nothing-selected` when a date
 *   or a ref leaves nothing
 */
export async function drawBoundary(objects: Objects, request: BoundaryRequest): Promise<Boundary> {
  const { wants, readable, shallow: told } = request
  const { shallow: own } = objects.state
  const known = told.length === 0 ? [] : await shallowOf(objects, told, readable)
  const deepen = request.deepen ?? (own.size > 0 ? everything : undefined)
  if (deepen === undefined) return { shallow: [], unshallow: [], cuts: known, wants: [] }
  const graph = new ObjectGraph(objects)
  const starts = deepen.kind === 'depth' && deepen.relative ? known : wants
  const { inside, border } = await divide(graph, { deepen, starts, wants, readable, known })
  const clients = new Set(known.map((oid) => graph.node(oid)))
  const shallow = [...border].filter((node) => !clients.has(node))
  const unshallow = [...clients].filter((node) => inside.has(node))
  const oid = (node: Node): Oid => graph.oid(node)
  const cuts = new Cuts(graph)
  const behind: Node[] = []
  for (const node of unshallow) behind.push(...(await cuts.parentsOf(node)))
  return {
    shallow: shallow.map(oid),
    unshallow: unshallow.map(oid),
    cuts: [...known, ...shallow.map(oid)],
    wants: behind.map(oid),
  }
}

const everything: Deepening = { kind: 'depth', depth: INFINITE_DEPTH, relative: false }

/** Those of the client's shallow commits that it can have from here. */
async function shallowOf(
  objects: Objects,
  told: readonly Oid[],
  readable: Readable,
): Promise<Oid[]> {
  const known = await commonHaves(objects, told, readable)
  for (const oid of known) {
    if ((await objects.stat(oid)).type !== 'commit')
      throw new RefusedError('not-a-commit', `upload-pack: invalid shallow object ${oid}`)
  }
  return known
}

/** Commits that the client shall have with their parents, and those that it shall have without. */
interface Division {
  readonly inside: ReadonlySet<Node>
  readonly border: ReadonlySet<Node>
}

interface DivisionRequest {
  readonly deepen: Deepening
  readonly starts: readonly Oid[]
  readonly wants: readonly Oid[]
  readonly known: readonly Oid[]
  readonly readable: Readable
}

async function divide(graph: ObjectGraph, request: DivisionRequest): Promise<Division> {
  const { deepen, starts, wants, known, readable } = request
  if (deepen.kind === 'history') {
    const not: Oid[] = []
    for (const name of deepen.not) not.push(await resolveName(graph.objects, name, readable))
    return divideHistory(graph, { since: deepen.since ?? -Infinity, not, wants })
  }
  const isAll = deepen.depth === INFINITE_DEPTH && graph.objects.state.shallow.size === 0
  // Nothing is cut any more: there is no need to look where.
  if (isAll) return { inside: new Set(known.map((oid) => graph.node(oid))), border: new Set() }
  // A shallow commit of the client is the first of a relative depth, and counts for none.
  return divideDepth(graph, starts, deepen.relative ? deepen.depth + 1 : deepen.depth)
}

/** Breadth first: a commit is met by the shortest way. */
async function divideDepth(
  graph: ObjectGraph,
  starts: readonly Oid[],
  depth: number,
): Promise<Division> {
  const cuts = new Cuts(graph)
  const [inside, border] = [new Set<Node>(), new Set<Node>()]
  let level = new Set<Node>()
  for (const oid of starts) {
    const commit = await commitOf(graph, oid)
    if (commit !== undefined) level.add(commit)
  }
  for (let at = 1; level.size > 0; at++) {
    const next = new Set<Node>()
    for (const commit of level) {
      if (at >= depth || cuts.has(commit)) border.add(commit)
      else inside.add(commit)
    }
    for (const commit of level) {
      if (border.has(commit)) continue
      for (const parent of await cuts.parentsOf(commit))
        if (!inside.has(parent) && !border.has(parent)) next.add(parent)
    }
    level = next
  }
  return { inside, border }
}

const SEEN = 1
const TAKEN_AWAY = 2
const WAITING = 4

/** Commits without a generation that are still looked at when all that waits is taken away: clocks may have run backwards. As in Git. */
const SLOP = 5

interface History {
  /** Seconds since 1970. */
  readonly since: number
  readonly not: readonly Oid[]
  readonly wants: readonly Oid[]
}

async function divideHistory(graph: ObjectGraph, history: History): Promise<Division> {
  const cuts = new Cuts(graph)
  const taken = await new HistoryWalk(graph, cuts, history).walk(history)
  if (taken.size === 0)
    throw new RefusedError('nothing-selected', 'no commits selected for shallow requests')
  const border = new Set<Node>()
  for (const commit of taken) {
    const parents = await cuts.parentsOf(commit)
    if (cuts.has(commit) || parents.some((parent) => !taken.has(parent))) border.add(commit)
  }
  return { inside: new Set([...taken].filter((commit) => !border.has(commit))), border }
}

/** Walks newest first, what is taken away along with what is wanted, until nothing wanted is left to look behind. */
class HistoryWalk {
  readonly #graph: ObjectGraph
  readonly #cuts: Cuts
  readonly #since: number
  /** Whether a commit that is too old takes away what is behind it. */
  readonly #oldTakesAway: boolean
  readonly #queue = new CommitQueue()
  readonly #taken = new Set<Node>()
  /** Commits in the queue that are not taken away. */
  #left = 0
  /** Time of the commit that was taken last. */
  #time = Infinity

  constructor(graph: ObjectGraph, cuts: Cuts, { since, not }: History) {
    this.#graph = graph
    this.#cuts = cuts
    this.#since = since
    this.#oldTakesAway = not.length > 0
  }

  /** The wanted commits that stay. */
  async walk({ not, wants }: History): Promise<ReadonlySet<Node>> {
    for (const oid of not) await this.#start(oid, true)
    for (const oid of wants) await this.#start(oid, false)
    for (let slop = SLOP; slop > 0;) {
      const commit = this.#queue.take()
      if (commit === undefined) break
      slop = this.#left > 0 ? SLOP : await this.#slopAt(commit, slop)
      await this.#look(commit)
    }
    return this.#taken
  }

  /** How many more commits are to be looked at, none of those that wait being wanted. */
  async #slopAt(commit: Node, slop: number): Promise<number> {
    const links = await linksOf(this.#graph, commit)
    // By generation, nothing that was taken lies behind what comes later; and those without one come first.
    if (links.kind !== 'commit' || links.generation !== 0) return 0
    return (links.time >= this.#time ? SLOP : slop) - 1
  }

  async #start(oid: Oid, isTakenAway: boolean): Promise<void> {
    const commit = await commitOf(this.#graph, oid)
    if (commit !== undefined) await this.#meet(commit, isTakenAway)
  }

  async #look(commit: Node): Promise<void> {
    this.#graph.unmark(commit, WAITING)
    const isTakenAway = this.#graph.isMarked(commit, TAKEN_AWAY)
    if (!isTakenAway) {
      this.#left--
      this.#taken.add(commit)
      const links = await linksOf(this.#graph, commit)
      if (links.kind === 'commit') this.#time = links.time
    }
    for (const parent of await this.#cuts.parentsOf(commit)) await this.#meet(parent, isTakenAway)
  }

  async #meet(commit: Node, isTakenAway: boolean): Promise<void> {
    const graph = this.#graph
    const links = await linksOf(graph, commit)
    if (links.kind !== 'commit') return
    const isOld = links.time < this.#since
    if (isOld && !this.#oldTakesAway) return
    const isNew = graph.mark(commit, SEEN)
    const isWaiting = graph.isMarked(commit, WAITING)
    const isLost = (isTakenAway || isOld) && graph.mark(commit, TAKEN_AWAY)
    if (isLost && isWaiting) this.#left--
    if (isLost) this.#taken.delete(commit)
    // One that was looked at before it was taken away is looked at again: its parents have to hear of it.
    if (isWaiting || !(isNew || isLost)) return
    graph.mark(commit, WAITING)
    this.#queue.add(commit, links)
    if (!graph.isMarked(commit, TAKEN_AWAY)) this.#left++
  }
}

/** The ways in which a short name is completed, as in `git rev-parse`. */
const rules = [
  (name: string) => name,
  (name: string) => `refs/${name}`,
  (name: string) => `refs/tags/${name}`,
  (name: string) => `refs/heads/${name}`,
  (name: string) => `refs/remotes/${name}`,
  (name: string) => `refs/remotes/${name}/HEAD`,
]

async function resolveName({ state }: Objects, name: string, readable: Readable): Promise<Oid> {
  const found: Oid[] = []
  for (const complete of rules) {
    const oid = await readableRef(state, complete(name), readable)
    if (oid !== undefined) found.push(oid)
  }
  const [only] = found
  if (only !== undefined && found.length === 1) return only
  throw new RefusedError(
    'ambiguous-ref',
    `upload-pack: ambiguous deepen-not: ${name.slice(0, 200)}`,
  )
}
