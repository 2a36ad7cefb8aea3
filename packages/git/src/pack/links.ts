/**
 * Links: which objects an object names, as packs keep them beside it in the index.
 *
 * A tree's links are told as the difference of its set of children to that of another tree, so that ten thousand files
 * and two thousand versions cost a few oids each. Submodules (mode 160000) name commits of other repositories and are
 * no links.
 *
 * @module
 */
import { concat } from '../bytes.ts'
import { findCommitLinks, readTime } from '../commit.ts'
import { lineOid } from '../headers.ts'
import type { ObjectType } from '../object.ts'
import { decodeOids, encodeOid, encodeOids, OID_BYTES, type Oid } from '../oid.ts'

/** What a commit, a tree or a tag names. Blobs name nothing. */
export type Links =
  | {
      readonly kind: 'commit'
      readonly tree: Oid
      readonly parents: readonly Oid[]
      /** When it was committed, in seconds since 1970. */
      readonly time: number
      /** One more than the highest of its parents, 1 without parents; 0 where nobody worked it out. */
      readonly generation: number
    }
  | {
      readonly kind: 'tree'
      /** The tree that the difference is to; `undefined`: to the empty tree. */
      readonly against: Oid | undefined
      /** Children of `against` that the tree does not have under any name. */
      readonly removed: readonly Oid[]
      /** Children that `against` may lack. */
      readonly added: readonly Oid[]
    }
  | { readonly kind: 'tag'; readonly target: Oid }

/** {@link Links} with their oids as bytes one after the other, as tables hold them. */
export interface PackedLinks {
  readonly kind: Links['kind']
  /** Commit: tree, parents. Tree: against if there is one, removed, added. Tag: target. */
  readonly oids: Uint8Array
  readonly time: number
  readonly generation: number
  readonly against: boolean
  readonly removed: number
}

/** Links as a table takes them. */
export function packLinks(links: Links): PackedLinks {
  if (links.kind === 'commit') {
    const { time, generation } = links
    return {
      ...NO_DETAILS,
      kind: 'commit',
      oids: encodeOids([links.tree, ...links.parents]),
      time,
      generation,
    }
  }
  if (links.kind === 'tag') return { ...NO_DETAILS, kind: 'tag', oids: encodeOid(links.target) }
  const against = links.against === undefined ? [] : [links.against]
  const oids = encodeOids([...against, ...links.removed, ...links.added])
  return {
    ...NO_DETAILS,
    kind: 'tree',
    oids,
    against: against.length > 0,
    removed: links.removed.length,
  }
}

/** Links as callers read them. */
export function unpackLinks(packed: PackedLinks): Links {
  // A row of a commit or a tag names at least one: what has none has no packed links.
  const [first, ...rest] = decodeOids(packed.oids) as [Oid, ...Oid[]]
  if (packed.kind === 'tree') {
    const children = packed.against || packed.oids.length === 0 ? rest : [first, ...rest]
    const [removed, added] = [children.slice(0, packed.removed), children.slice(packed.removed)]
    return { kind: 'tree', against: packed.against ? first : undefined, removed, added }
  }
  if (packed.kind === 'tag') return { kind: 'tag', target: first }
  return {
    kind: 'commit',
    tree: first,
    parents: rest,
    time: packed.time,
    generation: packed.generation,
  }
}

/**
 * The links that a body holds; `undefined` for blobs and for bodies too broken to have any, which is for
 * `checkObject` to report.
 */
export function readLinks(type: ObjectType, body: Uint8Array): PackedLinks | undefined {
  if (type === 'commit') return commitLinks(body)
  if (type === 'tree') return treeLinks(body)
  if (type !== 'tag') return undefined
  const target = lineOid(body, 0, 'object ')
  return target === undefined ? undefined : { ...NO_DETAILS, kind: 'tag', oids: target }
}

/** What most links do without. */
export const NO_DETAILS = { time: 0, generation: 0, against: false, removed: 0 } as const

function commitLinks(body: Uint8Array): PackedLinks | undefined {
  const { oids, end } = findCommitLinks(body)
  if (oids.length === 0) return undefined
  return { ...NO_DETAILS, kind: 'commit', oids, time: readTime(body, end) }
}

/** Where the entry behind the one at `i` begins; -1 when the tree is broken there. */
export function nextEntry(body: Uint8Array, i: number): number {
  const last = body.length - OID_BYTES
  let zero = i
  // Names are short: a loop finds their end before `indexOf` has begun.
  while (zero < last && body[zero] !== 0) zero++
  return zero < last ? zero + 1 + OID_BYTES : -1
}

/** Whether the entry at `i` is a submodule: 160000 is the only mode that begins with 16. */
export function isSubmodule(body: Uint8Array, i: number): boolean {
  return body[i] === 49 && body[i + 1] === 54
}

/** Puts the child of the entry from `i` up to `end` into a set of children. */
export function addChild(
  children: Map<string, Uint8Array>,
  body: Uint8Array,
  { i, end }: { i: number; end: number },
): void {
  if (isSubmodule(body, i)) return
  const oid = body.subarray(end - OID_BYTES, end)
  children.set(oidKey(oid), oid)
}

/** The oid as a key of a map. */
export function oidKey(oid: Uint8Array): string {
  // `apply` takes whatever is like an array, which its type does not say; spreading takes three times as long.
  return String.fromCharCode.apply(undefined, oid as unknown as number[])
}

function treeLinks(body: Uint8Array): PackedLinks | undefined {
  const children = new Map<string, Uint8Array>()
  for (let i = 0; i < body.length;) {
    const end = nextEntry(body, i)
    if (end < 0) return undefined
    addChild(children, body, { i, end })
    i = end
  }
  return { ...NO_DETAILS, kind: 'tree', oids: concat([...children.values()]) }
}
