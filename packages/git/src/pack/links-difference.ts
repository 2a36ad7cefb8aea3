/**
 * Links of a tree, found by comparing its body with that of the tree that it is told by.
 *
 * Both are walked only from the first byte that differs to the last.
 *
 * @module
 */
import { concat } from '../bytes.ts'
import { OID_BYTES } from '../oid.ts'
import { sharedPrefix, sharedSuffix, type SharedEnds } from './delta.ts'
import { addChild, isSubmodule, nextEntry, NO_DETAILS, oidKey, type PackedLinks } from './links.ts'

/** A tree that another one is told by. */
export interface OtherTree {
  readonly oid: Uint8Array
  readonly body: Uint8Array
  /** How many bytes both are known to begin and to end with; found by comparing them when left out. */
  readonly shared?: SharedEnds | undefined
}

/**
 * The links of a tree as the difference to another; `undefined` when one of the two is broken.
 */
export function readTreeDifference(body: Uint8Array, against: OtherTree): PackedLinks | undefined {
  const old = against.body
  const start = lastEntryBefore(body, against.shared?.prefix ?? sharedPrefix(old, body))
  const longest = Math.min(old.length, body.length) - start
  const suffix = Math.min(longest, against.shared?.suffix ?? sharedSuffix(old, body, start))
  const removed = new Map<string, Uint8Array>()
  const added = new Map<string, Uint8Array>()
  let [i, j] = [start, start]
  while (old.length - i !== body.length - j || old.length - i > suffix) {
    const same = sameEntry(old, i, { body, at: j })
    i += same
    j += same
    if (same > 0) continue
    const isOld = old.length - i >= body.length - j
    const end = isOld ? nextEntry(old, i) : nextEntry(body, j)
    if (end < 0) return undefined
    if (isOld) addChild(removed, old, { i, end })
    else addChild(added, body, { i: j, end })
    if (isOld) i = end
    else j = end
  }
  for (const child of added.keys()) if (removed.delete(child)) added.delete(child)
  if (removed.size > 0 && !keepAbsent(removed, body)) return undefined
  const oids = concat([against.oid, ...removed.values(), ...added.values()])
  return { ...NO_DETAILS, kind: 'tree', oids, against: true, removed: removed.size }
}

/** Length of the entry at `i`, if the other body has the same one at its place; 0 otherwise. */
function sameEntry(
  old: Uint8Array,
  i: number,
  other: { readonly body: Uint8Array; readonly at: number },
): number {
  const { body, at } = other
  const last = Math.min(old.length - i, body.length - at) - OID_BYTES
  let zero = 0
  while (zero < last && old[i + zero] !== 0 && old[i + zero] === body[at + zero]) zero++
  const end = zero + 1 + OID_BYTES
  if (zero >= last) return 0
  for (let k = zero; k < end; k++) if (old[i + k] !== body[at + k]) return 0
  return end
}

/** Where the last entry begins that does not end before or at `limit`. */
function lastEntryBefore(body: Uint8Array, limit: number): number {
  let start = 0
  for (let end = nextEntry(body, 0); end >= 0 && end <= limit; end = nextEntry(body, end))
    start = end
  return start
}

/** Takes from `removed` what an entry of the tree still has; `false` when the tree is broken. */
function keepAbsent(removed: Map<string, Uint8Array>, body: Uint8Array): boolean {
  // A search for bytes is many times faster than a walk, and most oids that went are nowhere else.
  if (removed.size <= MAX_SEARCHES && !appears([...removed.values()], body)) return true
  for (let i = 0; i < body.length;) {
    const end = nextEntry(body, i)
    if (end < 0) return false
    if (!isSubmodule(body, i)) removed.delete(oidKey(body.subarray(end - OID_BYTES, end)))
    i = end
  }
  return true
}

/** Oids that are searched for one by one. */
const MAX_SEARCHES = 32

/** Whether one of the oids stands anywhere in the body, as a child or by accident. */
function appears(oids: readonly Uint8Array[], body: Uint8Array): boolean {
  for (const oid of oids) {
    const first = oid[0] ?? 0
    for (let at = body.indexOf(first); at >= 0; at = body.indexOf(first, at + 1)) {
      let same = 1
      while (same < OID_BYTES && body[at + same] === oid[same]) same++
      if (same === OID_BYTES) return true
    }
  }
  return false
}
