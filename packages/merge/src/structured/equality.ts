/**
 * Equality of values, however they are written: members of a map have no order here, items of a list do.
 *
 * Where many are compared with many, each has an id: a small number, the same exactly for equal values. It is made once for
 * each node, from the ids of its items.
 *
 * @module
 */
import type { Value } from './document.ts'

/** Numbers for values; two values that were numbered by the same object are equal if their numbers are. */
export class ValueIds {
  readonly #ids = new Map<string, number>()
  readonly #known = new Map<Value, number>()

  /** The number of a value. */
  of(value: Value): number {
    const known = this.#known.get(value)
    if (known !== undefined) return known
    const description = this.#describe(value)
    const id = this.#ids.get(description) ?? this.#ids.size
    this.#ids.set(description, id)
    this.#known.set(value, id)
    return id
  }

  #describe(value: Value): string {
    return describe(value, (node) => String(this.of(node)))
  }
}

/** Whether two values are equal. */
export function areEqual(a: Value | undefined, b: Value | undefined): boolean {
  if (a === undefined || b === undefined || a === b) return a === b
  if (a.kind === 'scalar' || b.kind === 'scalar')
    return a.kind === 'scalar' && b.kind === 'scalar' && a.value === b.value
  if (a.kind !== b.kind || a.meta !== b.meta || a.items.length !== b.items.length) return false
  let members: Map<string, Value> | undefined
  return a.items.every(({ key, node }, i) => {
    const other = b.items[i]
    if (other?.key === key) return areEqual(node, other.node)
    members ??= new Map(b.items.map((item) => [item.key, item.node]))
    return members.has(key) && areEqual(node, members.get(key))
  })
}

/** A text for a value, the same exactly for equal values, whichever others there are. */
export function describeValue(value: Value): string {
  return describe(value, describeValue)
}

function describe(value: Value, item: (node: Value) => string): string {
  if (value.kind === 'scalar') return `=${value.value}`
  // Lengths in front of what is free text keep two descriptions apart.
  const framed = (text: string): string => `${text.length}:${text}`
  const items = value.items.map(({ key, node }) => framed(key) + framed(item(node)))
  return value.kind === 'list'
    ? `[${framed(value.meta)}${items.join('')}`
    : `{${framed(value.meta)}${items.sort().join('')}`
}
