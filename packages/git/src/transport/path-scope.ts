/**
 * PathScope: what of a commit's tree lies under some paths, and the trees on the way there.
 *
 * Links of a graph say which objects a tree has and not under which names, so the trees on the way are read, each once for
 * all commits that have it.
 *
 * @module
 */
import { findEntry, isGitlinkMode, isTreeMode } from '../tree.ts'
import { kindOfMode } from '../tree-entry.ts'
import type { Node, ObjectGraph } from './graph.ts'

/** A tree as a scope parts it. */
export interface ScopedTree {
  /** Trees that have something else beside what is inside: those on the way to a path. */
  readonly along: readonly Node[]
  /** What is inside, by the path at which it is found: trees, with all that is below, and files. */
  readonly inside: ReadonlyMap<string, Node>
}

/** File of a directory on the way that merges of what is below are governed by. */
const ATTRIBUTES = '.gitattributes'

/** A directory on the way to a path. */
interface Way {
  /** With a slash at its end; empty for the root. */
  readonly prefix: string
  /** Names that are inside. */
  readonly names: Set<string>
  /** Names of directories on the way. */
  readonly ways: Map<string, Way>
  readonly known: Map<Node, ScopedTree>
}

/** Some paths, over a graph. None of them lies below another. */
export class PathScope {
  readonly #graph: ObjectGraph
  readonly #root: Way = wayTo('')

  constructor(graph: ObjectGraph, paths: readonly string[]) {
    this.#graph = graph
    for (const path of paths) {
      const steps = path.split('/')
      const name = steps.pop() ?? ''
      let way = this.#root
      for (const step of steps) {
        const next = way.ways.get(step) ?? wayTo(`${way.prefix}${step}/`)
        way.ways.set(step, next)
        way = next
      }
      way.names.add(name)
    }
  }

  /** The tree of a commit, in its parts. @throws MissingError, NotHereError when a tree on the way is not here */
  of(tree: Node): Promise<ScopedTree> {
    return this.#of(this.#root, tree)
  }

  async #of(way: Way, tree: Node): Promise<ScopedTree> {
    const known = way.known.get(tree)
    if (known !== undefined) return known
    const graph = this.#graph
    const { body } = await graph.objects.read(graph.oid(tree))
    const along = [tree]
    const inside = new Map<string, Node>()
    for (const name of way.names) {
      const entry = findEntry(body, name)
      if (entry !== undefined && !isGitlinkMode(entry.mode))
        inside.set(way.prefix + name, graph.node(entry.oid))
    }
    const attributes = findEntry(body, ATTRIBUTES)
    if (attributes !== undefined && kindOfMode(attributes.mode) === 'file')
      inside.set(way.prefix + ATTRIBUTES, graph.node(attributes.oid))
    for (const [name, next] of way.ways) {
      const entry = findEntry(body, name)
      if (entry === undefined || !isTreeMode(entry.mode)) continue
      const below = await this.#of(next, graph.node(entry.oid))
      along.push(...below.along)
      for (const [path, node] of below.inside) inside.set(path, node)
    }
    const scoped = { along, inside }
    way.known.set(tree, scoped)
    return scoped
  }
}

function wayTo(prefix: string): Way {
  return { prefix, names: new Set(), ways: new Map(), known: new Map() }
}
