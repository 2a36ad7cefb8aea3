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
import type { ObjectType } from '../object.ts'
import { encodeOid, OID_BYTES, readOid, type Oid } from '../oid.ts'

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
  const [first, ...rest] = decodeOids(packed.oids)
  if (packed.kind === 'tree') {
    const children = packed.against || first === undefined ? rest : [first, ...rest]
    const [removed, added] = [children.slice(0, packed.removed), children.slice(packed.removed)]
    return { kind: 'tree', against: packed.against ? first : undefined, removed, added }
  }
  if (first === undefined) throw new RangeError('Links of a commit or tag without an oid')
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

function encodeOids(oids: readonly Oid[]): Uint8Array {
  return concat(oids.map((oid) => encodeOid(oid)))
}

function decodeOids(bytes: Uint8Array): Oid[] {
  return Array.from({ length: bytes.length / OID_BYTES }, (_, i) => readOid(bytes, i * OID_BYTES))
}

function commitLinks(body: Uint8Array): PackedLinks | undefined {
  const tree = lineOid(body, 0, 'tree ')
  if (tree === undefined) return undefined
  const oids = [tree]
  let at = 46
  for (;;) {
    const parent = lineOid(body, at, 'parent ')
    if (parent === undefined) break
    oids.push(parent)
    at += 48
  }
  return { ...NO_DETAILS, kind: 'commit', oids: concat(oids), time: commitTime(body, at) }
}

/** Seconds of the committer line, 0 when there are none to read. */
function commitTime(body: Uint8Array, headers: number): number {
  for (let at = headers; at < body.length && body[at] !== 10;) {
    const end = body.indexOf(10, at)
    if (end < 0) return 0
    if (startsWith(body, at, 'committer ')) {
      const close = body.lastIndexOf(62, end)
      return close < at ? 0 : decimal(body, close + 2)
    }
    at = end + 1
  }
  return 0
}

function decimal(bytes: Uint8Array, start: number): number {
  let value = 0
  for (let i = start; i < start + 15; i++) {
    const digit = (bytes[i] ?? 0) - 48
    if (digit < 0 || digit > 9) break
    value = value * 10 + digit
  }
  return value
}

function startsWith(bytes: Uint8Array, at: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word.charCodeAt(i)) return false
  return true
}

/** The oid of a line `WORD oid` at `at`, as bytes. */
function lineOid(body: Uint8Array, at: number, word: string): Uint8Array | undefined {
  const start = at + word.length
  if (!startsWith(body, at, word) || body[start + 40] !== 10) return undefined
  const oid = new Uint8Array(OID_BYTES)
  for (let i = 0; i < OID_BYTES; i++) {
    const high = nibble(body[start + 2 * i] ?? 0)
    const low = nibble(body[start + 2 * i + 1] ?? 0)
    if (high < 0 || low < 0) return undefined
    oid[i] = high * 16 + low
  }
  return oid
}

function nibble(code: number): number {
  if (code >= 48 && code < 58) return code - 48
  return code >= 97 && code < 103 ? code - 87 : -1
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
