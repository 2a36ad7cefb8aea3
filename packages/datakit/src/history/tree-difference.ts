/**
 * What differs between two trees: name by name, without turning into objects what is the same.
 *
 * @module
 */
import { compareAt } from '@datakit/git/oid'
import { boundaryBefore, compareKeys, TreeCursor } from '@datakit/git/tree'
import type { Side } from '../merge/conflict.ts'

/** One name that is not the same in both trees. */
export interface Difference {
  readonly before: Side | undefined
  readonly after: Side | undefined
}

/** Bytes that are skipped sooner than walked over. */
const WORTHWHILE = 128

/**
 * The names that differ between two bodies, in Git's order of whichever entry comes first. A name that is a file here
 * and a directory there is one difference, though Git keeps the two at different places.
 *
 * @throws MalformedError when a body is not a tree
 */
export function compareTrees(before: Uint8Array, after: Uint8Array): Map<string, Difference> {
  const differences = new Map<string, Difference>()
  const [a, b] = [new TreeCursor(before), new TreeCursor(after)]
  let [hasA, hasB] = [a.next(), b.next()]
  const put = (name: string, side: Partial<Difference>): void => {
    const known = differences.get(name) ?? { before: undefined, after: undefined }
    differences.set(name, { ...known, ...side })
  }
  while (hasA || hasB) {
    const order = !hasA ? 1 : !hasB ? -1 : compareKeys(a, b)
    if (order === 0) {
      if (isSameValue(a, b)) skipShared(a, b)
      else put(a.name(), { before: sideAt(a), after: sideAt(b) })
    } else if (order < 0) put(a.name(), { before: sideAt(a) })
    else put(b.name(), { after: sideAt(b) })
    if (order <= 0) hasA = a.next()
    if (order >= 0) hasB = b.next()
  }
  return differences
}

/** Goes on to one of the last of the entries behind these that are the same: most of them, in most trees. */
function skipShared(a: TreeCursor, b: TreeCursor): void {
  const end = a.end + sharedBytes(a, b)
  if (end - a.end < WORTHWHILE) return
  const by = boundaryBefore(a.body, a.end, end) - a.end
  a.end += by
  b.end += by
}

/** How many bytes behind two entries are the same; up to fifteen too few. */
function sharedBytes(a: TreeCursor, b: TreeCursor): number {
  const [after, other] = [viewBehind(a), viewBehind(b)]
  const last = Math.min(after.byteLength, other.byteLength) - 16
  let at = 0
  // Four words at a time: most of the merge of two large directories is spent here.
  for (; at <= last; at += 16) {
    const first = after.getInt32(at) ^ other.getInt32(at)
    const second = after.getInt32(at + 4) ^ other.getInt32(at + 4)
    const third = after.getInt32(at + 8) ^ other.getInt32(at + 8)
    const fourth = after.getInt32(at + 12) ^ other.getInt32(at + 12)
    if ((first | second | third | fourth) !== 0) break
  }
  return at
}

function viewBehind({ body, end }: TreeCursor): DataView {
  return new DataView(body.buffer, body.byteOffset + end, body.length - end)
}

function sideAt(cursor: TreeCursor): Side {
  return { mode: cursor.mode, oid: cursor.oid() }
}

function isSameValue(a: TreeCursor, b: TreeCursor): boolean {
  return a.mode === b.mode && compareAt(a.body, a.oidStart, b.body, b.oidStart) === 0
}
