/**
 * Select: which objects the wants reach and the haves do not.
 *
 * Commits are walked from the newest down, haves along with wants, and the walk ends when only haves are left. Then come
 * the trees of the wanted commits, oldest first, each against what its parents had: a commit costs what it changed.
 *
 * What is selected may be more than the least (a file that is put back to what it was long ago), never less. A cut takes
 * the parents of a commit out of both walks; a filter takes objects out of what was selected, those aside that are wanted
 * by name. Under paths, only what lies there is walked, and the trees on the way are taken by themselves.
 *
 * @module
 */
import type { Oid } from '../oid.ts'
import type { Objects } from '../objects.ts'
import type { PackInfo } from '../place.ts'
import type { ObjectFilter } from '../protocol/filter.ts'
import { CommitQueue } from './commit-queue.ts'
import { Cuts, linksOf, type CommitLinks } from './commits.ts'
import { ObjectGraph, type Node } from './graph.ts'
import { HAD, HELD, ROOT, SEEN, SENT, WAITING } from './marks.ts'
import { NodeFilter } from './object-filter.ts'
import { PathScope } from './path-scope.ts'
import { TreeWalk, type OnLack } from './tree-walk.ts'

/** What a pack shall hold. */
export interface SelectRequest {
  /** Objects that the receiver wants, with all that they reach. */
  readonly wants: readonly Oid[]
  /** Objects that the receiver has, with all that they reach. Those that are not here are passed over. */
  readonly haves: readonly Oid[]
  /** Annotated tags that come along when what they name does, as `include-tag` asks. */
  readonly tags?: readonly Oid[] | undefined
  /** Commits whose parents are neither wanted nor had, beside the shallow ones of the repository. */
  readonly cuts?: readonly Oid[] | undefined
  /** What is left out. */
  readonly filter?: ObjectFilter | undefined
  /** Files and directories outside of which only the trees on the way to them are sent; none below another. Of haves the same holds. */
  readonly paths?: readonly string[] | undefined
  /** What the receiver has of what the haves reach, where that is not all that would be sent of it. They must be reachable. */
  readonly held?: Pick<SelectRequest, 'filter' | 'paths'> | undefined
  /** Called with trees and files that are needed and not here; without it they are an error. */
  readonly onLack?: OnLack | undefined
  readonly signal?: AbortSignal | undefined
}

/** Objects that were selected. */
export class Selection {
  /** Where the objects are numbers; those of the selection are `nodes`, in the order of the walk. */
  readonly graph: ObjectGraph
  readonly nodes: readonly Node[]
  /** The pack that is the selection, object for object, and can be passed on as it is stored. */
  readonly whole: PackInfo | undefined
  readonly #filter: NodeFilter

  constructor(graph: ObjectGraph, nodes: readonly Node[], filter: NodeFilter) {
    this.graph = graph
    this.nodes = nodes
    this.whole = wholePack(graph, nodes)
    this.#filter = filter
  }

  get count(): number {
    return this.nodes.length
  }

  /** The objects, each once, in the order of the walk. */
  *oids(): Generator<Oid, void, undefined> {
    for (const node of this.nodes) yield this.graph.oid(node)
  }

  /** Whether the object is selected. */
  has(oid: Oid): boolean {
    const node = this.graph.find(oid)
    return node !== undefined && this.hasNode(node)
  }

  /** Whether the object with this number is selected. */
  hasNode(node: Node): boolean {
    return isSelected(this.graph, node)
  }

  /** Looks where all of them are, so that what is not here is found before the first byte. @throws MissingError, NotHereError */
  async locate(): Promise<void> {
    for (const node of this.nodes) if (!this.graph.isLocated(node)) await this.graph.locate(node)
  }

  /** Whether the receiver is known to have the object; `false` also where nobody found out. */
  isHad(oid: Oid): boolean {
    const node = this.graph.find(oid)
    return node !== undefined && this.graph.isMarked(node, HAD)
  }

  /** Whether a delta may rest on the object, though it is not sent: the receiver has it, and did not filter it out. */
  isBase(node: Node): boolean {
    return this.graph.isMarked(node, HAD | HELD) && this.#filter.keeps(node)
  }
}

/**
 * Selects the objects for a pack.
 *
 * @throws MissingError, NotHereError when a want, or what it reaches, is not here
 */
export async function selectObjects(objects: Objects, request: SelectRequest): Promise<Selection> {
  const { held, haves } = request
  if (held !== undefined && haves.length > 0) return selectRest(objects, request, held)
  const graph = new ObjectGraph(objects)
  const filter = new NodeFilter(graph, request.filter)
  const walk = new Walk(graph, filter, request)
  for (const oid of request.haves) await walk.addHave(graph.node(oid))
  for (const oid of request.wants) await walk.addWant(graph.node(oid))
  await walk.walkCommits()
  await walk.walkTrees()
  for (const oid of request.tags ?? []) await walk.addTag(graph.node(oid))
  const nodes = walk.selected.filter((node) => isSelected(graph, node))
  return new Selection(graph, nodes, filter)
}

/** All that the wants reach, without what the receiver has: in parts of its own, so that each is walked for itself. */
async function selectRest(
  objects: Objects,
  request: SelectRequest,
  held: Pick<SelectRequest, 'filter' | 'paths'>,
): Promise<Selection> {
  const { haves: wants, signal } = request
  const before = await selectObjects(objects, { ...held, wants, haves: [], signal })
  const all = await selectObjects(objects, { ...request, haves: [], held: undefined })
  const { graph } = all
  for (const node of all.nodes) if (before.has(graph.oid(node))) graph.mark(node, HAD)
  before.graph.release()
  const nodes = all.nodes.filter((node) => isSelected(graph, node))
  return new Selection(graph, nodes, new NodeFilter(graph, request.filter))
}

function isSelected(graph: ObjectGraph, node: Node): boolean {
  return graph.isMarked(node, SENT) && !graph.isMarked(node, HAD)
}

/** The one pack that holds these objects and no others, if there is one. */
function wholePack(graph: ObjectGraph, nodes: readonly Node[]): PackInfo | undefined {
  const [first] = nodes
  const pack = first === undefined ? undefined : storedIn(graph, first)
  if (pack?.verified !== true || pack.needs.length > 0 || pack.objects !== nodes.length) {
    return undefined
  }
  return nodes.every((node) => storedIn(graph, node)?.id === pack.id) ? pack : undefined
}

function storedIn(graph: ObjectGraph, node: Node): PackInfo | undefined {
  return graph.isLocated(node) ? graph.stored(node).pack : undefined
}

/** Trees of the receiver that one of a cut history is compared with. */
const MAX_PEERS = 64

/** The two walks, over commits and over trees. */
class Walk {
  readonly selected: Node[] = []
  readonly #graph: ObjectGraph
  readonly #signal: AbortSignal | undefined
  readonly #filter: NodeFilter
  readonly #cuts: Cuts
  readonly #queue = new CommitQueue()
  readonly #trees: TreeWalk
  /** `undefined` where all of a tree is wanted. */
  readonly #scope: PathScope | undefined
  /** Wanted commits that are in the queue and not known to be had. */
  #wanting = 0
  readonly #commits: Node[] = []
  /** Commits that were wanted by name. */
  readonly #named = new Set<Node>()
  /** Trees and blobs that were wanted by name. */
  readonly #roots: Node[] = []
  /** Trees that the receiver is known to have: of its commits, and by name. */
  readonly #known = new Set<Node>()

  constructor(graph: ObjectGraph, filter: NodeFilter, request: SelectRequest) {
    this.#graph = graph
    this.#signal = request.signal
    this.#filter = filter
    this.#cuts = new Cuts(graph, request.cuts)
    this.#scope = request.paths && new PathScope(graph, request.paths)
    this.#trees = new TreeWalk(graph, filter, {
      onSelect: (node) => this.#select(node),
      onLack: request.onLack,
    })
  }

  async addHave(have: Node): Promise<void> {
    for (let node = have; await this.#graph.has(node);) {
      const links = await linksOf(this.#graph, node)
      if (links.kind === 'commit') this.#addHad(node, links)
      else this.#graph.mark(node, HAD)
      if (links.kind === 'tree') this.#known.add(node)
      if (links.kind === 'commit' && !this.#scope) this.#known.add(links.tree)
      if (links.kind !== 'tag') return
      node = links.target
    }
  }

  async addWant(want: Node): Promise<void> {
    for (let node = want; ;) {
      const links = await linksOf(this.#graph, node)
      if (links.kind === 'commit') {
        this.#named.add(node)
        this.#addWanted(node, links)
      } else if (links.kind === 'tag') this.#select(node)
      else this.#roots.push(node)
      if (links.kind !== 'tag') return
      node = links.target
    }
  }

  /** Adds a tag, and the tags that it names, if what it leads to in the end is selected. */
  async addTag(tag: Node): Promise<void> {
    const tags: Node[] = []
    for (let node = tag; ;) {
      const links = await linksOf(this.#graph, node)
      if (links.kind !== 'tag') {
        if (isSelected(this.#graph, node)) for (const each of tags) this.#select(each)
        return
      }
      tags.push(node)
      node = links.target
    }
  }

  async walkCommits(): Promise<void> {
    const graph = this.#graph
    while (this.#wanting > 0) {
      this.#signal?.throwIfAborted()
      const node = this.#queue.take()
      if (node === undefined) return
      graph.unmark(node, WAITING)
      const isHad = graph.isMarked(node, HAD)
      if (!isHad) {
        this.#wanting--
        this.#commits.push(node)
      }
      for (const parent of await this.#cuts.parentsOf(node)) {
        if (isHad && !(await graph.has(parent))) continue
        const links = await linksOf(graph, parent)
        if (links.kind !== 'commit') continue
        if (isHad) this.#addHad(parent, links)
        else this.#addWanted(parent, links)
      }
    }
  }

  async walkTrees(): Promise<void> {
    const { looksIntoTrees } = this.#filter
    for (const commit of looksIntoTrees ? this.#commits : []) {
      const links = await linksOf(this.#graph, commit)
      if (links.kind !== 'commit' || this.#graph.isMarked(commit, HAD)) continue
      if (this.#scope !== undefined) await this.#hold(commit, this.#scope)
      for (const root of await this.#rootsOf(links.tree)) this.#graph.mark(root, ROOT)
    }
    await this.#walkRoots()
    // Oldest first: so a tree is met after the one that it differs from.
    for (const commit of this.#commits.toReversed()) {
      this.#signal?.throwIfAborted()
      if (this.#graph.isMarked(commit, HAD)) continue
      if (this.#filter.passesType('commit') || this.#named.has(commit)) this.#select(commit)
      if (looksIntoTrees) await this.#walkTreeOf(commit)
    }
    await this.#trees.finish()
  }

  /** What was wanted by name is sent whatever the filter says, and a tree's children count as if a commit named them. */
  async #walkRoots(): Promise<void> {
    for (const root of this.#roots) {
      if (this.#graph.isMarked(root, HAD)) continue
      this.#select(root)
      await this.#trees.walk(root, [...this.#known].slice(0, MAX_PEERS), -1)
    }
  }

  async #walkTreeOf(commit: Node): Promise<void> {
    const links = await linksOf(this.#graph, commit)
    if (links.kind !== 'commit') return
    const peers = await this.#peersOf(commit)
    const scope = this.#scope
    if (scope === undefined) return this.#trees.walk(links.tree, peers)
    const { along, inside } = await scope.of(links.tree)
    for (const tree of along) if (!this.#graph.isMarked(tree, HELD)) this.#select(tree)
    for (const [path, node] of inside) {
      const before: Node[] = []
      for (const peer of peers) {
        const found = (await scope.of(peer)).inside.get(path)
        if (found !== undefined) before.push(found)
      }
      await this.#trees.walk(node, before)
    }
  }

  /** Where the walks over a commit's tree begin. */
  async #rootsOf(tree: Node): Promise<Iterable<Node>> {
    return this.#scope === undefined ? [tree] : (await this.#scope.of(tree)).inside.values()
  }

  /** Marks what the receiver has of the parents of a commit: not the trees on the way with all that is in them. */
  async #hold(commit: Node, scope: PathScope): Promise<void> {
    for (const peer of await this.#peersOf(commit)) {
      const { along, inside } = await scope.of(peer)
      for (const tree of along) this.#graph.mark(tree, HELD)
      for (const node of inside.values()) this.#graph.mark(node, HAD)
    }
  }

  /** The trees of those parents that the receiver has; behind a cut, those of the commits that it named. */
  async #peersOf(commit: Node): Promise<Node[]> {
    if (this.#cuts.has(commit)) return [...this.#known].slice(0, MAX_PEERS)
    const peers: Node[] = []
    for (const parent of await this.#cuts.parentsOf(commit)) {
      if (!this.#graph.isMarked(parent, HAD)) continue
      const links = await linksOf(this.#graph, parent)
      if (links.kind === 'commit') peers.push(links.tree)
    }
    return peers
  }

  #addWanted(node: Node, links: CommitLinks): void {
    if (!this.#graph.mark(node, SEEN)) return
    this.#graph.mark(node, WAITING)
    this.#queue.add(node, links)
    if (!this.#graph.isMarked(node, HAD)) this.#wanting++
  }

  #addHad(node: Node, links: CommitLinks): void {
    const graph = this.#graph
    if (!graph.mark(node, HAD)) return
    if (this.#scope === undefined) graph.mark(links.tree, HAD)
    if (graph.isMarked(node, WAITING)) {
      this.#wanting--
      return
    }
    // Also a commit that was taken for a wanted one before: its parents have to hear of it.
    graph.mark(node, SEEN | WAITING)
    this.#queue.add(node, links)
  }

  #select(node: Node): void {
    if (this.#graph.mark(node, SENT)) this.selected.push(node)
  }
}
