/**
 * ContentReach: which trees and blobs the refs that a caller may read lead to.
 *
 * A partial clone asks for what it left out by oid, a few objects at a time, of any age. So what was found is kept while
 * the refs stay where they are, and the walk goes on where it stopped: from the newest commit down, over the edges of the
 * indexes, without reading an object. A tree adds what it has and the one that it is told by lacks, and the other way round.
 *
 * @module
 */
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import type { Place, Version } from '../place.ts'
import { CommitQueue } from './commit-queue.ts'
import { Cuts, linksOf } from './commits.ts'
import { ObjectGraph, type Node, type NodeLinks } from './graph.ts'
import { ALL_REFS, readRoots, type Readable } from './reach.ts'

/** The object is reached. */
const FOUND = 1
/** What it names is, too. */
const OPENED = 2
/** A commit or tag that was met. */
const SEEN = 4

/** Objects up to which a walk is kept for the next request: about 40 bytes of memory each. */
const MAX_KEPT = 100_000
/** Differences on differences that are followed before the tree itself is read. */
const MAX_CHAIN = 64

type TreeLinks = Extract<NodeLinks, { kind: 'tree' }>

class ContentReach {
  readonly #graph: ObjectGraph
  readonly #cuts: Cuts
  readonly #roots: Iterable<Oid>
  readonly #commits = new CommitQueue()
  /** Trees that were found and not opened. */
  readonly #trees: Node[] = []
  /** What a tree has that one which is told by it lacks, once that one is open: nothing else of it is new. */
  readonly #rest = new Map<Node, readonly Node[]>()
  #isStarted = false
  #running: Promise<unknown> = Promise.resolve()

  constructor(objects: Objects, roots: Iterable<Oid>) {
    this.#graph = new ObjectGraph(objects)
    this.#cuts = new Cuts(this.#graph)
    this.#roots = roots
  }

  get size(): number {
    return this.#graph.count
  }

  /**
   * Those of the oids that are reached. One walk at a time: two would take each other's work for done before it is. Once
   * one has failed, so do all.
   */
  find(oids: readonly Oid[]): Promise<Oid[]> {
    const found = this.#running.then(() => this.#walk(oids))
    this.#running = found
    return found
  }

  async #walk(oids: readonly Oid[]): Promise<Oid[]> {
    const graph = this.#graph
    const wanted = oids.map((oid) => graph.node(oid))
    await this.#start()
    for (const node of wanted) while (!graph.isMarked(node, FOUND) && (await this.#step()));
    return oids.filter((_, i) => graph.isMarked(wanted[i] ?? 0, FOUND))
  }

  async #start(): Promise<void> {
    if (this.#isStarted) return
    for (const root of this.#roots) await this.#meet(this.#graph.node(root))
    this.#isStarted = true
  }

  /** Goes a commit further; `false` when there is none. */
  async #step(): Promise<boolean> {
    await this.#openTrees()
    const commit = this.#commits.take()
    if (commit === undefined) return false
    const links = await linksOf(this.#graph, commit)
    if (links.kind === 'commit') this.#find(links.tree)
    for (const parent of await this.#cuts.parentsOf(commit)) await this.#meet(parent)
    await this.#openTrees()
    return true
  }

  /** A commit or tag, or what a ref points at otherwise. */
  async #meet(first: Node): Promise<void> {
    const graph = this.#graph
    for (let node = first; graph.mark(node, SEEN) && (await graph.has(node));) {
      const links = await linksOf(graph, node)
      if (links.kind === 'commit') this.#commits.add(node, links)
      if (links.kind === 'tree' || links.kind === 'blob') this.#find(node)
      if (links.kind !== 'tag') return
      node = links.target
    }
  }

  #find(node: Node): void {
    if (this.#graph.mark(node, FOUND)) this.#trees.push(node)
  }

  async #openTrees(): Promise<void> {
    const graph = this.#graph
    for (let node = this.#trees.pop(); node !== undefined; node = this.#trees.pop()) {
      // One that was left with a remote leads no further.
      if (graph.isMarked(node, OPENED) || (!graph.isLocated(node) && !(await graph.has(node))))
        continue
      const links = graph.links(node) ?? (await graph.readLinks(node))
      if (links.kind !== 'tree') continue
      for (const child of await this.#childrenOf(node, links)) this.#find(child)
      this.#open(node, links)
    }
  }

  #open(node: Node, { against, removed }: TreeLinks): void {
    this.#graph.mark(node, OPENED)
    this.#rest.delete(node)
    if (against !== undefined && !this.#graph.isMarked(against, OPENED))
      this.#rest.set(against, removed)
  }

  /** Children that may not have been found yet. */
  async #childrenOf(node: Node, links: TreeLinks): Promise<Iterable<Node>> {
    const rest = this.#rest.get(node)
    if (rest !== undefined) return rest
    const steps = [links]
    for (let { against } = links; against !== undefined;) {
      // Not simply what was added: what one difference adds the next may take away.
      if (this.#graph.isMarked(against, OPENED)) return fold(steps)
      const under = steps.length > MAX_CHAIN ? undefined : await this.#treeLinks(against)
      if (under === undefined) return this.#readChildren(node)
      steps.push(under)
      against = under.against
    }
    return fold(steps)
  }

  async #readChildren(node: Node): Promise<readonly Node[]> {
    const whole = await this.#graph.readObject(node)
    return whole.kind === 'tree' ? whole.added : []
  }

  async #treeLinks(node: Node): Promise<TreeLinks | undefined> {
    if (!(await this.#graph.has(node)) || this.#graph.type(node) !== 'tree') return undefined
    const links = await linksOf(this.#graph, node)
    return links.kind === 'tree' ? links : undefined
  }
}

/** Children after all differences; the last one of `steps` comes first. */
function fold(steps: readonly TreeLinks[]): Iterable<Node> {
  const children = new Set<Node>()
  for (const { removed, added } of steps.toReversed()) {
    for (const node of removed) children.delete(node)
    for (const node of added) children.add(node)
  }
  return children
}

interface KeptReach {
  readonly version: Version
  readonly key: string
  readonly reach: ContentReach
}

const kept = new WeakMap<Place, KeptReach>()

/** Those of the oids that are trees or blobs here. */
async function contentAmong(objects: Objects, oids: readonly Oid[]): Promise<Oid[]> {
  const content: Oid[] = []
  for (const oid of oids) {
    const [found] = await objects.locate(oid)
    const type = found?.index.type(found.ordinal)
    if (type === 'tree' || type === 'blob') content.push(oid)
  }
  return content
}

/** Those of the oids that are trees or blobs to which the readable refs lead. */
export async function contentOf(
  objects: Objects,
  oids: readonly Oid[],
  readable: Readable,
): Promise<Oid[]> {
  // From whom something is hidden, that he could tell from what never was by the time that it takes to look.
  const isOpen = readable.key === ALL_REFS.key
  const asked = isOpen ? await contentAmong(objects, oids) : oids
  if (asked.length === 0) return []
  const { place, state } = objects
  const before = kept.get(place)
  const isKept = before?.version === state.version && before.key === readable.key
  const reach = isKept ? before.reach : new ContentReach(objects, await readRoots(state, readable))
  if (!isKept) kept.set(place, { version: state.version, key: readable.key, reach })
  let isUseful = false
  try {
    const found = await reach.find(asked)
    isUseful = reach.size <= MAX_KEPT
    return found
  } finally {
    // A walk that broke off has taken things off its lists that it did not finish.
    if (!isUseful && kept.get(place)?.reach === reach) kept.delete(place)
  }
}
