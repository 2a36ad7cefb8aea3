/**
 * Rebase: deltas whose base is not sent, made to rest on what is.
 *
 * Such a base is often itself a delta to something that is sent, and lies between both in the same pack: it is read along
 * with them and the two deltas become one. Where nothing below is sent, the object is made whole of what was read along.
 * Otherwise each would be read for itself, with every delta under it, in reads all over the pack.
 *
 * @module
 */
import { equal } from '../bytes.ts'
import type { GitObject } from '../object.ts'
import { composeDeltas } from '../pack/compose-delta.ts'
import { applyDelta } from '../pack/delta.ts'
import { encodeEntryHeader, readEntryHeader, type EntryHeader } from '../pack/entry.ts'
import { objectNameBytes } from '../pack/object-name.ts'
import type { PlannedEntry } from './copy-plan.ts'
import type { Node, ObjectGraph } from './graph.ts'

/** Deltas on deltas that are followed. */
const MAX_STEPS = 64
/** The largest object that is read along, in bytes: larger ones are few, and cost less than to keep them. */
const MAX_BODY = 256 * 1024
/** Compressed bytes that are kept at most. */
const MAX_KEPT = 4 * 1024 * 1024

/** Whether the receiver has an object. */
type IsThere = (node: Node) => boolean

/** An object that rests on something else than before. */
export interface Rebased {
  readonly parts: readonly Uint8Array[]
  /** The delta, not compressed yet, and what it is to; `undefined` for a whole object. */
  readonly delta: { readonly size: number; readonly base: Node } | undefined
}

/** Keeps what deltas rest on while a selection is copied. */
export class Rebase {
  readonly #graph: ObjectGraph
  readonly #kept = new Map<Node, Uint8Array>()

  constructor(graph: ObjectGraph) {
    this.#graph = graph
  }

  /**
   * What is to be read along for these deltas, each once and in no order, as far as it lies in the same pack.
   * `willHave` says whether the receiver will have an object.
   */
  async plan(deltas: readonly PlannedEntry[], willHave: IsThere): Promise<PlannedEntry[]> {
    const planned = new Map<Node, PlannedEntry>()
    let bytes = 0
    for (const delta of deltas) {
      const chain = (await this.#chainOf(delta, willHave)).filter(({ node }) => !planned.has(node))
      const length = chain.reduce((sum, { start, end }) => sum + end - start, 0)
      if (bytes + length > MAX_KEPT) continue
      bytes += length
      for (const entry of chain) planned.set(entry.node, entry)
    }
    return [...planned.values()]
  }

  /** Keeps the bytes of an entry that was planned. */
  keep({ node }: PlannedEntry, entry: Uint8Array): void {
    this.#kept.set(node, entry.slice())
  }

  /**
   * A delta on what the receiver `has` by now, or the object whole; `undefined` when what it takes was not read along.
   *
   * @throws MalformedError when something of it is damaged
   */
  async of(
    entry: PlannedEntry,
    { bytes, has }: { readonly bytes: Uint8Array; readonly has: IsThere },
  ): Promise<Rebased | undefined> {
    const { runtime } = this.#graph.objects
    let delta = this.#inflate(bytes)?.body
    let { base } = entry
    while (delta !== undefined && base !== undefined && !has(base)) {
      const under = this.#inflate(this.#kept.get(base))
      if (under === undefined) return undefined
      const { header, body } = under
      if (header.type !== undefined)
        return this.#whole(entry, { type: header.type, body: applyDelta(body, delta) })
      delta = composeDeltas(body, delta)
      base = this.#graph.base(base)
    }
    if (delta === undefined || base === undefined) return undefined
    return { parts: [await runtime.deflate(delta)], delta: { size: delta.length, base } }
  }

  /** The entries under a delta, down to one that rests on what is there, or on nothing. None where one is out of reach. */
  async #chainOf({ base, pack }: PlannedEntry, willHave: IsThere): Promise<PlannedEntry[]> {
    const graph = this.#graph
    const chain: PlannedEntry[] = []
    for (let node = base; node !== undefined && !willHave(node);) {
      if (chain.length === MAX_STEPS || !(await graph.has(node))) return []
      const { index, ordinal, pack: holder } = graph.stored(node)
      if (holder !== pack || index.size(ordinal) > MAX_BODY) return []
      const start = index.offset(ordinal)
      const under = graph.base(node)
      chain.push({ node, pack, start, end: start + index.length(ordinal), base: under })
      node = under
    }
    return chain
  }

  #inflate(
    entry: Uint8Array | undefined,
  ): { readonly header: EntryHeader; readonly body: Uint8Array } | undefined {
    const header = entry && readEntryHeader(entry, 0)
    if (entry === undefined || header === undefined) return undefined
    const { runtime } = this.#graph.objects
    return { header, body: runtime.inflate(entry, header.length, entry.length, header.size) }
  }

  async #whole({ node }: PlannedEntry, object: GitObject): Promise<Rebased | undefined> {
    const { runtime } = this.#graph.objects
    // What is damaged may be sound in another pack.
    if (!equal(await objectNameBytes(runtime, object), this.#graph.oidBytes(node))) return undefined
    const { type, body } = object
    const parts = [encodeEntryHeader(type, body.length), await runtime.deflate(body)]
    return { parts, delta: undefined }
  }
}
