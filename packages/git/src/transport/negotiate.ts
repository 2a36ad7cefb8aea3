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
import { contentOf } from './content-reach.ts'
import type { FetchPolicy } from './fetch-policy.ts'
import { commitOf, Cuts, linksOf } from './commits.ts'
import { ObjectGraph, type Node } from './graph.ts'
import { ALL_REFS, reachOf, readRoots, type Readable } from './reach.ts'

/**
 * Refuses what the client may not have: wants that no ref points at and no ref leads to. A ref that moved since it was
 * listed leads to where it was; what was forced away is gone for clients, though it may still be in a pack.
 *
 * @throws RefusedError `not-our-ref`
 */
export async function checkWants(
  objects: Objects,
  wants: readonly Oid[],
  policy: Pick<FetchPolicy, 'readable' | 'wants'>,
): Promise<void> {
  if (wants.length === 0) return
  const allowed =
    policy.wants === 'any'
      ? await presentOf(objects, wants)
      : await reachedOf(objects, wants, policy.wants === 'hidden' ? ALL_REFS : policy.readable)
  const stranger = wants.find((oid) => !allowed.has(oid))
  if (stranger !== undefined)
    throw new RefusedError('not-our-ref', `upload-pack: not our ref ${stranger}`)
}

/** Those of the trees and files that the client may have; what is of another type is not among them. */
export async function contentFor(
  objects: Objects,
  oids: readonly Oid[],
  { readable, wants }: Pick<FetchPolicy, 'readable' | 'wants'>,
): Promise<Oid[]> {
  if (wants !== 'any') return contentOf(objects, oids, wants === 'hidden' ? ALL_REFS : readable)
  const there: Oid[] = []
  for (const oid of await presentOf(objects, oids)) {
    const { type } = await objects.stat(oid)
    if (type === 'tree' || type === 'blob') there.push(oid)
  }
  return there
}

async function presentOf(objects: Objects, oids: readonly Oid[]): Promise<ReadonlySet<Oid>> {
  const present = new Set<Oid>()
  for (const oid of oids) if (await objects.has(oid)) present.add(oid)
  return present
}

/** Those of the oids that refs point at or lead to, of whatever type. */
export async function reachedOf(
  objects: Objects,
  oids: readonly Oid[],
  readable: Readable,
): Promise<ReadonlySet<Oid>> {
  const reached = new Set<Oid>()
  const tips = await readRoots(objects.state, readable)
  const others = oids.filter((oid) => !tips.has(oid))
  for (const oid of oids) if (tips.has(oid)) reached.add(oid)
  if (others.length === 0) return reached
  for (const oid of await commonHaves(objects, others, readable)) reached.add(oid)
  const files = others.filter((oid) => !reached.has(oid))
  for (const oid of await contentOf(objects, files, readable)) reached.add(oid)
  return reached
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
  const wanted = new OidMap()
  for (const oid of haves) {
    const kind = await kindOfHave(objects, oid, readable)
    if (kind !== undefined) wanted.setValue(wanted.add(encodeOid(oid)), kind)
  }
  if (wanted.size === 0) return []
  const asked = haves.filter((oid) => wanted.find(encodeOid(oid)) >= 0)
  const reach = await reachOf(objects, readable)
  const unproved = new Set(await reach.prove(objects, wanted))
  return asked.filter((oid) => !unproved.has(oid))
}

/** What a have must be reached as; `undefined` for what need not be looked for. */
async function kindOfHave(
  objects: Objects,
  oid: Oid,
  readable: Readable,
): Promise<number | undefined> {
  // From whom something is hidden, that he could tell from what never was by the time that it takes to look.
  if (readable.key !== ALL_REFS.key) return KINDS.commit | KINDS.tag
  const [found] = await objects.locate(oid)
  const type = found?.index.type(found.ordinal)
  return type === 'commit' || type === 'tag' ? KINDS[type] : undefined
}

const COMMON = 1
/** Leads to a common commit. */
const LEADS = 2
/** Does not. */
const ENDS = 4

/**
 * Whether every want leads to a common commit or to a parent of one, so that no further have could make the pack much
 * smaller.
 *
 * @param cuts commits behind which the walk does not look
 */
export async function isReady(
  objects: Objects,
  wants: readonly Oid[],
  common: readonly Oid[],
  cuts: readonly Oid[] = [],
): Promise<boolean> {
  if (common.length === 0) return false
  const graph = new ObjectGraph(objects)
  const search = new Search(graph, new Cuts(graph, cuts))
  for (const oid of common) await search.addCommon(oid)
  for (const oid of wants) if (!(await search.leadsToCommon(oid))) return false
  return true
}

class Search {
  readonly #graph: ObjectGraph
  readonly #cuts: Cuts
  /** When the oldest have was made. Git looks no further than commits of that time, and neither do we: `ready` is advice. */
  #oldest = Infinity

  constructor(graph: ObjectGraph, cuts: Cuts) {
    this.#graph = graph
    this.#cuts = cuts
  }

  async addCommon(oid: Oid): Promise<void> {
    const commit = await commitOf(this.#graph, oid)
    if (commit === undefined) return
    const links = await linksOf(this.#graph, commit)
    if (links.kind === 'commit') this.#oldest = Math.min(this.#oldest, links.time)
    for (const each of [commit, ...(await this.#cuts.parentsOf(commit))])
      this.#graph.mark(each, COMMON)
  }

  /** Depth first; everything on the way to a hit leads there, and what was left without one does not. */
  async leadsToCommon(oid: Oid): Promise<boolean> {
    const start = await commitOf(this.#graph, oid)
    // History says nothing about a tree or a blob.
    if (start === undefined) return true
    const path: { node: Node; parents: readonly Node[]; next: number }[] = []
    for (let node: Node | undefined = start; ;) {
      if (node !== undefined) {
        if (this.#graph.isMarked(node, COMMON | LEADS)) break
        if (!this.#graph.mark(node, ENDS)) node = undefined
        else path.push({ node, parents: await this.#parentsOf(node, start), next: 0 })
      }
      const top = path.at(-1)
      if (top === undefined) return false
      node = top.parents[top.next++]
      if (node === undefined) path.pop()
    }
    for (const { node } of path) this.#graph.mark(node, LEADS)
    return true
  }

  async #parentsOf(node: Node, start: Node): Promise<readonly Node[]> {
    const links = await linksOf(this.#graph, node)
    const isOlder = links.kind !== 'commit' || links.time < this.#oldest
    return isOlder && node !== start ? [] : this.#cuts.parentsOf(node)
  }
}
