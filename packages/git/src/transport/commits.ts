/**
 * Commits of a graph, as walks over history follow them.
 *
 * @module
 */
import type { Oid } from '../oid.ts'
import type { Node, NodeLinks, ObjectGraph } from './graph.ts'

/** What a commit names. */
export type CommitLinks = Extract<NodeLinks, { kind: 'commit' }>

/** What an object names, wherever that is told. @throws as `Objects.read` */
export async function linksOf(graph: ObjectGraph, node: Node): Promise<NodeLinks> {
  if (!graph.isLocated(node)) await graph.locate(node)
  return graph.links(node) ?? graph.readLinks(node)
}

/** The commit that an oid leads to, through any number of tags; `undefined` for what leads to none. */
export async function commitOf(graph: ObjectGraph, oid: Oid): Promise<Node | undefined> {
  for (let node = graph.node(oid); ;) {
    const links = await linksOf(graph, node)
    if (links.kind === 'commit') return node
    if (links.kind !== 'tag') return undefined
    node = links.target
  }
}

/** Where walks over commits end: the shallow ones of the repository, and those of a client. */
export class Cuts {
  readonly #graph: ObjectGraph
  readonly #nodes: ReadonlySet<Node>

  constructor(graph: ObjectGraph, oids: Iterable<Oid> = []) {
    this.#graph = graph
    const all = [...graph.objects.state.shallow, ...oids]
    this.#nodes = new Set(all.map((oid) => graph.node(oid)))
  }

  get isEmpty(): boolean {
    return this.#nodes.size === 0
  }

  /** Whether nothing lies behind the commit. */
  has(commit: Node): boolean {
    return this.#nodes.has(commit)
  }

  /** The parents that a walk goes on to. */
  async parentsOf(commit: Node): Promise<readonly Node[]> {
    if (this.#nodes.has(commit)) return []
    const links = await linksOf(this.#graph, commit)
    return links.kind === 'commit' ? links.parents : []
  }
}
