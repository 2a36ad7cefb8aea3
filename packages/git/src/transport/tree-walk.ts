/**
 * TreeWalk: what trees reach and the receiver lacks.
 *
 * A tree whose index tells it as a difference to one that is sent or had adds only what the difference adds. A tree that
 * is told in full is compared with the receiver's trees that it may have come from, its *peers*: those that the level
 * above lost.
 *
 * Where a filter counts how deep an object lies, a tree is walked again when it is met less deep than before.
 *
 * @module
 */
import type { Oid } from '../oid.ts'
import { isGitlinkMode, isTreeMode, TreeCursor } from '../tree.ts'
import type { Node, NodeLinks, ObjectGraph } from './graph.ts'
import { DEFERRED, HAD, ROOT, VISITED } from './marks.ts'
import type { NodeFilter } from './object-filter.ts'

/** Differences on differences that are followed before the tree itself is read. */
const MAX_CHAIN = 64

/**
 * Brings objects that were left with a remote. Tells of those that need not be brought since the receiver has them.
 *
 * @throws NotHereError when they cannot be had
 */
export type OnLack = (oids: ReadonlySet<Oid>) => Promise<ReadonlySet<Oid>>

type TreeLinks = Extract<NodeLinks, { kind: 'tree' }>

interface Step {
  readonly node: Node
  readonly peers: readonly Node[]
  /** How far below a commit. */
  readonly depth: number
  /** The tree that it was found in. */
  readonly parent?: Node
}

interface Children {
  readonly nodes: Iterable<Node>
  /** Whether that is all children, and not only those that the tree it differs from lacks. */
  readonly isWhole: boolean
  readonly removed: readonly Node[]
}

const nothing: readonly Node[] = []

/** Walks trees; calls `onSelect` for each object that is new and passes the filter. */
export class TreeWalk {
  readonly #graph: ObjectGraph
  readonly #filter: NodeFilter
  readonly #onSelect: (node: Node) => void
  readonly #onLack: OnLack | undefined
  /** What is not here and is waited with: all of it is asked for at once. */
  readonly #lacking: Step[] = []
  /** Children of peers that were looked into. */
  readonly #expanded = new Map<Node, readonly Node[]>()
  /** The least depth at which each was met, where that counts. */
  readonly #depths: Map<Node, number> | undefined
  #files: { readonly tree: Node; readonly nodes: ReadonlySet<Node> } | undefined

  constructor(
    graph: ObjectGraph,
    filter: NodeFilter,
    calls: { readonly onSelect: (node: Node) => void; readonly onLack: OnLack | undefined },
  ) {
    this.#graph = graph
    this.#filter = filter
    this.#onSelect = calls.onSelect
    this.#onLack = calls.onLack
    this.#depths = filter.countsDepth ? new Map() : undefined
  }

  /**
   * Walks from a tree or a blob, which lies `depth` below a commit.
   *
   * @throws MissingError, NotHereError when something is not here and nobody gets it
   */
  walk(root: Node, peers: readonly Node[], depth = 0): Promise<void> {
    return this.#walkFrom({ node: root, peers, depth })
  }

  /** Walks what was not here, once it has come. To be called when everything else was walked. */
  async finish(): Promise<void> {
    const graph = this.#graph
    for (let steps = this.#lacking.splice(0); steps.length > 0; steps = this.#lacking.splice(0)) {
      const had = await this.#onLack?.(new Set(steps.map(({ node }) => graph.oid(node))))
      for (const step of steps) {
        if (had?.has(graph.oid(step.node)) === true) graph.mark(step.node, HAD)
        if (graph.isMarked(step.node, HAD)) continue
        await graph.locate(step.node)
        await this.#walkFrom(step)
      }
    }
  }

  async #walkFrom(root: Step): Promise<void> {
    const graph = this.#graph
    const stack = [root]
    for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
      const { node, depth } = step
      if (this.#isDone(node, depth)) continue
      // Most objects are at hand: a promise for each would cost more than the walk.
      if (!graph.isLocated(node) && !(await this.#locate(step))) continue
      const links = graph.links(node) ?? (await graph.readLinks(node))
      if (links.kind === 'tree' && depth >= 0 && this.#comesLater(node, links)) {
        stack.push(step, { ...step, node: links.against ?? node, depth: 0 })
        continue
      }
      graph.mark(node, VISITED)
      this.#depths?.set(node, depth)
      if (this.#filter.passes(node, depth)) this.#onSelect(node)
      if (links.kind !== 'tree' || depth + 1 >= this.#filter.treeDepth) continue
      const children = await this.#childrenOf(node, links, depth)
      const next = await this.#peersOf(children, step.peers)
      for (const child of children.nodes) {
        if (!this.#isDone(child, depth + 1))
          stack.push({ node: child, peers: next, depth: depth + 1, parent: node })
      }
    }
  }

  /** Looks where an object is; `false` when it comes later, or is a file that stayed with a remote and is left out here, too. */
  async #locate(step: Step): Promise<boolean> {
    const { node, parent } = step
    const graph = this.#graph
    const mayLack = this.#filter.passesNoBlob && parent !== undefined
    if (mayLack && !(await graph.has(node)) && (await this.#filesOf(parent)).has(node)) {
      graph.mark(node, VISITED)
      return false
    }
    if (this.#onLack !== undefined && !(await graph.has(node))) {
      this.#lacking.push(step)
      return false
    }
    await graph.locate(node)
    return true
  }

  /** Those children of a tree that are files: links do not tell, and what is not here cannot be asked. */
  async #filesOf(tree: Node): Promise<ReadonlySet<Node>> {
    if (this.#files?.tree === tree) return this.#files.nodes
    const graph = this.#graph
    const { body } = await graph.objects.read(graph.oid(tree))
    const nodes = new Set<Node>()
    for (const cursor = new TreeCursor(body); cursor.next();)
      if (!isTreeMode(cursor.mode) && !isGitlinkMode(cursor.mode))
        nodes.add(graph.node(cursor.oid()))
    this.#files = { tree, nodes }
    return nodes
  }

  /** Whether there is nothing new below the object: it is had, or was met before and no deeper. */
  #isDone(node: Node, depth: number): boolean {
    const graph = this.#graph
    if (!graph.isMarked(node, VISITED | HAD)) return false
    if (this.#depths === undefined || graph.isMarked(node, HAD)) return true
    return (this.#depths.get(node) ?? Infinity) <= depth
  }

  /**
   * Whether the tree that this one differs from is walked too and better comes first: Git tells older versions as
   * differences to newer ones, and each would be told in full otherwise.
   */
  #comesLater(node: Node, { against }: TreeLinks): boolean {
    const graph = this.#graph
    if (
      against === undefined ||
      !graph.isMarked(against, ROOT) ||
      graph.isMarked(against, VISITED | HAD)
    )
      return false
    // Only once: the index of a hostile pack may lead in a circle.
    return graph.mark(node, DEFERRED)
  }

  async #childrenOf(node: Node, links: TreeLinks, depth: number): Promise<Children> {
    const graph = this.#graph
    const steps = [links]
    for (let { against } = links; against !== undefined;) {
      if (graph.isMarked(against, HAD))
        for (const lost of steps.at(-1)?.removed ?? []) graph.mark(lost, HAD)
      // Two packs may tell a tree that came back, and the one between, as differences to each other.
      const isCircle = against === node
      if (!isCircle && this.#isDone(against, depth)) {
        return {
          nodes: fold(steps),
          isWhole: false,
          removed: steps.flatMap(({ removed }) => removed),
        }
      }
      const isUnread = isCircle || steps.length > MAX_CHAIN
      const under = isUnread ? undefined : await this.#treeLinks(against)
      if (under === undefined) {
        const whole = await graph.readObject(node)
        return {
          nodes: whole.kind === 'tree' ? whole.added : nothing,
          isWhole: true,
          removed: nothing,
        }
      }
      steps.push(under)
      against = under.against
    }
    return { nodes: fold(steps), isWhole: true, removed: nothing }
  }

  /** The receiver's trees that children of this tree may have come from. */
  async #peersOf(
    { nodes, isWhole, removed }: Children,
    peers: readonly Node[],
  ): Promise<readonly Node[]> {
    if (!isWhole) return removed.filter((node) => this.#graph.isMarked(node, HAD))
    if (peers.length === 0) return nothing
    const own = new Set(nodes)
    const next = new Set<Node>()
    for (const peer of peers) {
      for (const child of await this.#expand(peer)) if (!own.has(child)) next.add(child)
    }
    return [...next]
  }

  /** All children of a tree that the receiver has. They are had, too. */
  async #expand(peer: Node): Promise<readonly Node[]> {
    const known = this.#expanded.get(peer)
    if (known !== undefined) return known
    const links = await this.#treeLinks(peer)
    const children = links === undefined ? nothing : await this.#allChildren(peer, links)
    for (const child of children) this.#graph.mark(child, HAD)
    this.#expanded.set(peer, children)
    return children
  }

  async #allChildren(node: Node, links: TreeLinks): Promise<Node[]> {
    const steps = [links]
    for (let { against } = links; against !== undefined;) {
      const under = steps.length > MAX_CHAIN ? undefined : await this.#treeLinks(against)
      if (under === undefined) {
        const whole = await this.#graph.readObject(node)
        return whole.kind === 'tree' ? [...whole.added] : []
      }
      steps.push(under)
      against = under.against
    }
    return [...fold(steps)]
  }

  /** Links of a tree; `undefined` when it is not here, or is none. */
  async #treeLinks(node: Node): Promise<TreeLinks | undefined> {
    if (!(await this.#graph.has(node)) || this.#graph.type(node) !== 'tree') return undefined
    const links = this.#graph.links(node) ?? (await this.#graph.readLinks(node))
    return links.kind === 'tree' ? links : undefined
  }
}

/** Children after all differences; the last one of `steps` comes first. */
function fold(steps: readonly TreeLinks[]): Iterable<Node> {
  const [only] = steps
  if (only !== undefined && steps.length === 1) return only.added
  const children = new Set<Node>()
  for (const { removed, added } of steps.toReversed()) {
    for (const node of removed) children.delete(node)
    for (const node of added) children.add(node)
  }
  return children
}
