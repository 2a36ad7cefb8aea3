/**
 * The merge by key on plain values, written for the tests alone: what a driver gives must have this value.
 *
 * @module
 */

/** In place of a value that cannot be merged. */
export const CONFLICT = Symbol('conflict')

/** A document's value as a parser gives it. */
export type Plain = unknown

type Members = Readonly<Record<string, Plain>>

/** A value as text, the same for equal values: members sorted, items in order. */
export function canonical(value: Plain): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (!isMembers(value))
    return Object.is(value, -0)
      ? '-0'
      : typeof value === 'bigint'
        ? `${value}`
        : (JSON.stringify(value) ?? 'undefined')
  const keys = Object.keys(value).toSorted()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`
}

/** Merges; lists only where one side alone changed them, or their items have ids. `undefined` stands for what is not there. */
export function mergePlain(base: Plain, ours: Plain, theirs: Plain): Plain {
  const [o, a, b] = [base, ours, theirs].map(canonical)
  if (a === b || b === o) return ours
  if (a === o) return theirs
  // What one side removed whole counts as emptied: in TOML what is in it may be written in other places.
  const [rest, gone] = ours === undefined ? [theirs, true] : [ours, theirs === undefined]
  if (gone && isMembers(base) && isMembers(rest)) return emptied(mergeMembers(base, {}, rest))
  if (isMembers(ours) && isMembers(theirs) && (base === undefined || isMembers(base)))
    return mergeMembers(base ?? {}, ours, theirs)
  if (Array.isArray(ours) && Array.isArray(theirs) && (base === undefined || Array.isArray(base)))
    return mergeLists(base ?? [], ours, theirs)
  return CONFLICT
}

function mergeMembers(base: Members, ours: Members, theirs: Members): Members | typeof CONFLICT {
  const merged: [string, Plain][] = []
  for (const key of new Set([...Object.keys(base), ...Object.keys(ours), ...Object.keys(theirs)])) {
    const value = mergePlain(own(base, key), own(ours, key), own(theirs, key))
    if (value === CONFLICT) return CONFLICT
    if (value !== undefined) merged.push([key, value])
  }
  return Object.fromEntries(merged)
}

function emptied(members: Members | typeof CONFLICT): Plain {
  return members !== CONFLICT && Object.keys(members).length === 0 ? undefined : members
}

/** A list that was merged: its items stand for themselves in any order, since the order has no single right answer. */
export class MergedList {
  readonly items: readonly Plain[]
  constructor(items: readonly Plain[]) {
    this.items = items
  }
}

function mergeLists(
  base: readonly Plain[],
  ours: readonly Plain[],
  theirs: readonly Plain[],
): Plain {
  for (const id of ['id', 'name', 'key']) {
    const lists = [base, ours, theirs].map((list) => byId(list, id))
    const [o, a, b] = lists
    if (!o || !a || !b) continue
    const merged = mergeMembers(o, a, b)
    return merged === CONFLICT ? CONFLICT : new MergedList(Object.values(merged))
  }
  return mergeCounts(base, ours, theirs)
}

/** Items by how often they are there: what a side added or removed is added or removed. */
function mergeCounts(
  base: readonly Plain[],
  ours: readonly Plain[],
  theirs: readonly Plain[],
): Plain {
  const items: Plain[] = []
  const all = new Map([...base, ...ours, ...theirs].map((item) => [canonical(item), item]))
  for (const [text, item] of all) {
    const count = (list: readonly Plain[]): number =>
      list.filter((it) => canonical(it) === text).length
    const [o, a, b] = [count(base), count(ours), count(theirs)]
    const times = a === b ? a : a === o ? b : b === o ? a : undefined
    if (times === undefined) return CONFLICT
    for (let i = 0; i < times; i++) items.push(item)
  }
  return new MergedList(items)
}

/** The value without members that are empty maps, which in TOML may be there though nobody wrote them. */
export function withoutEmpty(value: Plain): Plain {
  if (value instanceof MergedList) return new MergedList(value.items.map(withoutEmpty))
  if (Array.isArray(value)) return value.map(withoutEmpty)
  if (!isMembers(value)) return value
  const members = Object.entries(value).map(([key, member]) => [key, withoutEmpty(member)] as const)
  return Object.fromEntries(
    members.filter(([, member]) => !isMembers(member) || Object.keys(member).length > 0),
  )
}

/** Whether a value is what the reference gives. */
export function matches(value: Plain, expected: Plain): boolean {
  if (expected instanceof MergedList) {
    if (!Array.isArray(value) || value.length !== expected.items.length) return false
    const left = [...(value as Plain[])]
    return expected.items.every((item) => {
      const at = left.findIndex((candidate) => matches(candidate, item))
      if (at >= 0) left.splice(at, 1)
      return at >= 0
    })
  }
  if (!isMembers(value) || !isMembers(expected)) return canonical(value) === canonical(expected)
  const keys = Object.keys(expected)
  return (
    keys.length === Object.keys(value).length &&
    keys.every((key) => matches(own(value, key), expected[key]))
  )
}

function byId(list: readonly Plain[], id: string): Members | undefined {
  const entries = list.map((item) => [isMembers(item) ? own(item, id) : undefined, item] as const)
  const ids = entries.map(([value]) => value)
  if (ids.some((value) => value === undefined || (typeof value === 'object' && value !== null)))
    return undefined
  if (new Set(ids.map(String)).size !== ids.length) return undefined
  return Object.fromEntries(entries.map(([value, item]) => [String(value), item]))
}

function own(members: Members, key: string): Plain {
  return Object.hasOwn(members, key) ? members[key] : undefined
}

function isMembers(value: Plain): value is Members {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof MergedList)
  )
}
