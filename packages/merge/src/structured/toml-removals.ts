/**
 * Removed tables of TOML: a merge must not leave of a table only what the other side has added to it.
 *
 * The tables in a table are written apart from it, so each is merged on its own. But where one side removed a table with all
 * that was in it, and the other added to it meanwhile, it was removed and changed.
 *
 * @module
 */
import type { Document, Value, Versions } from './document.ts'

/** A key, with what is in it wherever it is written. */
interface Entry {
  readonly key: string
  readonly parent: Entry | undefined
  readonly inside: Map<string, Entry>
  /** Whether it is a table that has a header, or is inline. */
  isTable: boolean
}

const PART = /"(?:[^"\\]|\\.)*"|[^."]+/g

/** The reason why a removed table may not be in the result; `undefined` when all may. */
export function proveRemovals({ base, ours, theirs }: Versions<Document>): string | undefined {
  if (!base) return undefined
  const [inBase, inOurs, inTheirs] = [entriesOf(base), entriesOf(ours), entriesOf(theirs)]
  const problems = [findAdded(inBase, inOurs, inTheirs), findAdded(inBase, inTheirs, inOurs)]
  return problems.filter((problem) => problem !== undefined).toSorted()[0]
}

/** Something that a side added to a table that the other removed with all that was in it. */
function findAdded(base: Entry, side: Entry, other: Entry): string | undefined {
  interface Place {
    readonly base: Entry
    readonly side: Entry
    readonly other: Entry | undefined
    readonly removed: Entry | undefined
  }
  const places: Place[] = [{ base, side, other, removed: undefined }]
  for (let place = places.pop(); place; place = places.pop())
    for (const [key, entry] of place.side.inside) {
      const before = place.base.inside.get(key)
      const there = place.other?.inside.get(key)
      const removed = place.removed ?? (before?.isTable && !there ? before : undefined)
      if (before) places.push({ base: before, side: entry, other: there, removed })
      else if (removed)
        return `one side removed the table "${nameOf(removed)}", while the other added "${nameOf(entry)}"`
    }
  return undefined
}

function entriesOf({ root }: Document): Entry {
  const top = makeEntry('', undefined)
  const visit = (value: Value, entry: Entry): void => {
    if (value.kind !== 'map') return
    entry.isTable = true
    for (const { key, node } of value.items) visit(node, entryAt(entry, key))
  }
  visit(root, top)
  return top
}

/** The entry of a key with dots. */
function entryAt(table: Entry, key: string): Entry {
  let entry = table
  for (const [part] of key.matchAll(PART)) {
    const next = entry.inside.get(part) ?? makeEntry(part, entry)
    entry.inside.set(part, next)
    entry = next
  }
  return entry
}

function makeEntry(key: string, parent: Entry | undefined): Entry {
  return { key, parent, inside: new Map(), isTable: false }
}

function nameOf(entry: Entry): string {
  const keys: string[] = []
  for (let at = entry; at.parent; at = at.parent) keys.push(at.key)
  return keys.toReversed().join('.')
}
