/**
 * Negotiation: what a client may want, which of its haves count, and whether enough is known to send a pack.
 *
 * Spec: https://git-scm.com/docs/pack-protocol#_packfile_negotiation
 *
 * @module
 */
import { RefusedError } from '../error.ts'
import type { Objects } from '../objects.ts'
import { encodeOid, type Oid } from '../oid.ts'
import { OidMap } from '../oid-map.ts'
import { KINDS } from './children.ts'
import { ObjectGraph, type Node, type NodeLinks } from './graph.ts'
import { reachOf, type Readable } from './reach.ts'

/**
 * Refuses what the client may not have: wants that no ref points at and no ref leads to. A ref that moved since it was
 * listed leads to where it was; what was forced away is gone for clients, though it may still be in a pack.
 *
 * @throws RefusedError `not-our-ref`
 */
export async function checkWants(
  objects: Objects,
  wants: readonly Oid[],
  readable: Readable,
): Promise<void> {
  const tips = new Set<Oid>()
  if ('oid' in objects.state.head) tips.add(objects.state.head.oid)
  for await (const { name, oid } of objects.state.refs()) if (readable.includes(name)) tips.add(oid)
  const others = wants.filter((oid) => !tips.has(oid))
  if (others.length === 0) return
  const reachable = new Set(await reachableOf(objects, others, readable))
  const stranger = others.find((oid) => !reachable.has(oid))
  if (stranger !== undefined)
    throw new RefusedError('not-our-ref', `upload-pack: not our ref ${stranger}`)
}

/**
 * Those of the client's haves that count: commits and tags that lie behind a ref. One that is merely there proves
 * nothing, for what it names may be gone.
 */
export async function commonHaves(
  objects: Objects,
  haves: readonly Oid[],
  readable: Readable,
): Promise<Oid[]> {
  return reachableOf(objects, haves, readable)
}

async function reachableOf(
  objects: Objects,
  oids: readonly Oid[],
  readable: Readable,
): Promise<Oid[]> {
  const wanted = new OidMap()
  const present: Oid[] = []
  for (const oid of oids) {
    const [found] = await objects.locate(oid)
    const type = found?.index.type(found.ordinal)
    if (type !== 'commit' && type !== 'tag') continue
    wanted.setValue(wanted.add(encodeOid(oid)), KINDS[type])
    present.push(oid)
  }
  if (present.length === 0) return present
  const reach = await reachOf(objects, readable)
  const unproved = new Set(await reach.prove(objects, wanted))
  return present.filter((oid) => !unproved.has(oid))
}

const COMMON = 1
/** Leads to a common commit. */
const LEADS = 2
/** Does not. */
const ENDS = 4

/** Whether every want leads to a common commit, so that no further have could make the pack much smaller. */
export async function isReady(
  objects: Objects,
  wants: readonly Oid[],
  common: readonly Oid[],
): Promise<boolean> {
  if (common.length === 0) return false
  const search = new Search(new ObjectGraph(objects))
  for (const oid of common) await search.addCommon(oid)
  for (const oid of wants) if (!(await search.leadsToCommon(oid))) return false
  return true
}

class Search {
  readonly #graph: ObjectGraph
  /** No commit of a lower generation leads to a common one. */
  #lowest = Infinity

  constructor(graph: ObjectGraph) {
    this.#graph = graph
  }

  async addCommon(oid: Oid): Promise<void> {
    const commit = await this.#peel(oid)
    if (commit === undefined) return
    this.#graph.mark(commit, COMMON)
    const links = await this.#links(commit)
    this.#lowest = Math.min(this.#lowest, links.kind === 'commit' ? links.generation : 0)
  }

  /** Depth first; everything on the way to a hit leads there, and what was left without one does not. */
  async leadsToCommon(oid: Oid): Promise<boolean> {
    const start = await this.#peel(oid)
    // History says nothing about a tree or a blob.
    if (start === undefined) return true
    const path: { node: Node; parents: readonly Node[]; next: number }[] = []
    for (let node: Node | undefined = start; ;) {
      if (node !== undefined) {
        if (this.#graph.isMarked(node, COMMON | LEADS)) break
        if (!this.#graph.mark(node, ENDS)) node = undefined
        else path.push({ node, parents: await this.#parentsOf(node), next: 0 })
      }
      const top = path.at(-1)
      if (top === undefined) return false
      node = top.parents[top.next++]
      if (node === undefined) path.pop()
    }
    for (const { node } of path) this.#graph.mark(node, LEADS)
    return true
  }

  async #parentsOf(node: Node): Promise<readonly Node[]> {
    const links = await this.#links(node)
    if (links.kind !== 'commit') return []
    const isBelow = links.generation > 0 && links.generation <= this.#lowest
    return isBelow || this.#graph.objects.state.shallow.has(this.#graph.oid(node))
      ? []
      : links.parents
  }

  /** The commit that an oid leads to. */
  async #peel(oid: Oid): Promise<Node | undefined> {
    for (let node = this.#graph.node(oid); ;) {
      const links = await this.#links(node)
      if (links.kind === 'commit') return node
      if (links.kind !== 'tag') return undefined
      node = links.target
    }
  }

  async #links(node: Node): Promise<NodeLinks> {
    if (!this.#graph.isLocated(node)) await this.#graph.locate(node)
    return this.#graph.links(node) ?? this.#graph.readLinks(node)
  }
}
