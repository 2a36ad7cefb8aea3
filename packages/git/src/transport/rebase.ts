/**
 * Rebase: deltas whose base is not sent, made to rest on what is.
 *
 * Such a base is often itself a delta to something that is sent, and lies between both in the same pack: it is read along
 * with them and the two deltas become one. Where nothing below is sent, the object is made whole of what was read along.
 * Otherwise each would be read for itself, with every delta under it, in reads all over the pack.
 *
 * @module
 */
import { ByteCache } from '../byte-cache.ts'
import { equal } from '../bytes.ts'
import type { GitObject, ObjectType } from '../object.ts'
import { composeDeltas } from '../pack/compose-delta.ts'
import { applyDelta } from '../pack/delta.ts'
import { encodeEntryHeader, readEntryHeader } from '../pack/entry.ts'
import { objectNameBytes } from '../pack/object-name.ts'
import type { PlannedEntry } from './copy-plan.ts'
import type { Node, ObjectGraph } from './graph.ts'

/** Deltas on deltas that are followed down from one. */
const MAX_STEPS = 64
/** The largest object that is rebased or read along, in bytes: larger ones are few, and cost less than to keep them. */
const MAX_BODY = 256 * 1024
/** Bytes that entries may take which were read along, with what keeping one costs besides. */
const MAX_KEPT = 4 * 1024 * 1024
const KEPT_OVERHEAD = 256
/** Bytes of what was made of them that are kept for others that rest on the same. */
const MAX_MADE = 4 * 1024 * 1024

/** Whether the receiver has an object. */
type IsThere = (node: Node) => boolean

/** An object that rests on something else than before. */
export interface Rebased {
  readonly parts: readonly Uint8Array[]
  /** The delta, not compressed yet, and what it is to; `undefined` for a whole object. */
  readonly delta: { readonly size: number; readonly base: Node } | undefined
}

/** An entry as it is stored. */
interface Kept {
  readonly entry: Uint8Array
  readonly base: Node | undefined
}

/** What tells an object: a delta to a base, or the object itself. */
type Told =
  | { readonly base: Node; readonly body: Uint8Array }
  | { readonly base: undefined; readonly type: ObjectType; readonly body: Uint8Array }

/** Keeps what deltas rest on while a selection is copied. */
export class Rebase {
  readonly #graph: ObjectGraph
  readonly #kept = new Map<Node, Kept>()
  /** Those told by what the receiver has, or whole. */
  readonly #made = new ByteCache<Node, Told>(MAX_MADE)

  constructor(graph: ObjectGraph) {
    this.#graph = graph
  }

  /**
   * What is to be read along for these deltas, each once and in no order, as far as it lies in the same pack.
   * `willHave` says whether the receiver will have an object.
   */
  async plan(deltas: readonly PlannedEntry[], willHave: IsThere): Promise<PlannedEntry[]> {
    const planned = new Map<Node, PlannedEntry>()
    const ends = (node: Node): boolean => planned.has(node) || willHave(node)
    let bytes = 0
    for (const delta of deltas) {
      const chain = await this.#chainOf(delta, ends)
      for (const { start, end } of chain) bytes += end - start + KEPT_OVERHEAD
      if (bytes > MAX_KEPT) break
      for (const entry of chain) planned.set(entry.node, entry)
    }
    return [...planned.values()]
  }

  /** Keeps the bytes of an entry that was planned. */
  keep({ node, base }: PlannedEntry, entry: Uint8Array): void {
    this.#kept.set(node, { entry: entry.slice(), base })
  }

  /**
   * A delta on what the receiver `has` by now, or the object whole; `undefined` when what it takes was not read along.
   *
   * @throws MalformedError when something of it is damaged
   */
  async of(
    { node, base }: PlannedEntry,
    { bytes, has }: { readonly bytes: Uint8Array; readonly has: IsThere },
  ): Promise<Rebased | undefined> {
    const under = base === undefined || !this.#isSmall(node) ? undefined : this.#told(base, has)
    const delta = under && this.#read({ entry: bytes, base })
    const told = delta && joined(under, delta)
    if (told === undefined) return undefined
    if (told.base === undefined) return this.#whole(node, told)
    const { length } = told.body
    const parts = [await this.#graph.objects.runtime.deflate(told.body)]
    return { parts, delta: { size: length, base: told.base } }
  }

  /**
   * An object that was read along, told by what the receiver `has` or whole; `undefined` if part of it was not. What lies
   * under it is made only once, however many rest on it.
   */
  #told(node: Node, has: IsThere): Told | undefined {
    const path: Node[] = []
    let told: Told | undefined
    for (let at: Node | undefined = node; at !== undefined && !has(at);) {
      told = this.#made.get(at)
      if (told !== undefined) break
      const kept = this.#kept.get(at)
      if (kept === undefined) return undefined
      path.push(at)
      at = kept.base
    }
    for (const at of path.toReversed()) {
      const own = this.#read(this.#kept.get(at))
      told = own && (told === undefined ? own : joined(told, own))
      if (told === undefined) return undefined
      this.#made.set(at, told, told.body.length + KEPT_OVERHEAD)
    }
    return told
  }

  /** The entries under a delta, down to one where it `ends`, or to a whole one. None where one is out of reach. */
  async #chainOf({ node: top, base, pack }: PlannedEntry, ends: IsThere): Promise<PlannedEntry[]> {
    const graph = this.#graph
    const chain: PlannedEntry[] = []
    if (!this.#isSmall(top)) return []
    for (let node = base; node !== undefined && !ends(node);) {
      if (chain.length === MAX_STEPS || !(await graph.has(node))) return []
      const { index, ordinal, pack: holder } = graph.stored(node)
      if (holder?.id !== pack?.id || !this.#isSmall(node)) return []
      const start = index.offset(ordinal)
      const under = graph.base(node)
      chain.push({ node, pack, start, end: start + index.length(ordinal), base: under })
      node = under
    }
    return chain
  }

  #isSmall(node: Node): boolean {
    const { index, ordinal } = this.#graph.stored(node)
    return index.size(ordinal) <= MAX_BODY
  }

  /** What an entry holds; `undefined` if it is not what the index says, or much larger. */
  #read(kept: Kept | undefined): Told | undefined {
    const header = kept && readEntryHeader(kept.entry, 0)
    if (kept === undefined || header === undefined || header.size > 2 * MAX_BODY) return undefined
    const { entry, base } = kept
    const { runtime } = this.#graph.objects
    const body = runtime.inflate(entry, header.length, entry.length, header.size)
    if (base !== undefined) return header.type === undefined ? { base, body } : undefined
    return header.type === undefined ? undefined : { base, type: header.type, body }
  }

  async #whole(node: Node, object: GitObject): Promise<Rebased | undefined> {
    const { runtime } = this.#graph.objects
    // What is damaged may be sound in another pack.
    if (!equal(await objectNameBytes(runtime, object), this.#graph.oidBytes(node))) return undefined
    const { type, body } = object
    const parts = [encodeEntryHeader(type, body.length), await runtime.deflate(body)]
    return { parts, delta: undefined }
  }
}

/** What tells an object that is told by another one; `undefined` where no good delta comes of it. */
function joined(under: Told, over: Told): Told | undefined {
  if (over.base === undefined) return over
  if (under.base === undefined)
    return { base: undefined, type: under.type, body: applyDelta(under.body, over.body, MAX_BODY) }
  const body = composeDeltas(under.body, over.body)
  return body && { base: under.base, body }
}
