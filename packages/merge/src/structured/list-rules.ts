/**
 * Lists: how the items of a list are told from each other.
 *
 * @module
 */
import type { KeyStep } from '../driver.ts'
import type { ContainerNode, ItemNode, Versions } from './document.ts'

/** How a list is merged. */
export type ListRule =
  /** As a sequence of whole items, compared as such. */
  | 'sequence'
  /** As a set: order means nothing, equal items are one. */
  | 'set'
  /** As a map, by the first id key that fits: order means nothing. */
  | 'keyed'

/** How lists are merged. */
export interface ListOptions {
  /**
   * Members that may tell the items of a list apart, in the order in which they are tried: the first that every item of all
   * versions has, each value once in each version; else for each item the first that it has. `id`, `name` and `key` when
   * left out; none: `[]`.
   */
  readonly idKeys?: readonly string[] | undefined
  /**
   * The rule for the list at a path of keys. Without one (`undefined`), items are told apart by an id key where one fits, while
   * their order means something; else the list is a sequence.
   */
  readonly listRule?: ((key: readonly KeyStep[]) => ListRule | undefined) | undefined
}

/** Gives an item's identity; `undefined` if it has none. */
export type Identity = (item: ItemNode) => string | undefined

const DEFAULT_ID_KEYS = ['id', 'name', 'key']

/** What tells the items of a list apart in all its versions; `undefined` if nothing does. */
export function findIdentity(
  versions: Versions<ContainerNode>,
  { idKeys = DEFAULT_ID_KEYS }: ListOptions,
): Identity | undefined {
  const candidates = idKeys.map(
    (key): Identity =>
      (item) =>
        scalarAt(item, [key]),
  )
  return candidates.find((identity) => fits(identity, versions))
}

/** What tells the documents of a stream apart: kind and name, as Kubernetes has them; `undefined` if they do not. */
export function findDocumentIdentity(versions: Versions<ContainerNode>): Identity | undefined {
  return fits(nameOfManifest, versions) ? nameOfManifest : undefined
}

function nameOfManifest(item: ItemNode): string | undefined {
  const kind = scalarAt(item, ['kind'])
  const name = scalarAt(item, ['metadata', 'name'])
  if (kind === undefined || name === undefined) return undefined
  const namespace = scalarAt(item, ['metadata', 'namespace'])
  return [kind, ...(namespace === undefined ? [] : [namespace]), name].join('/')
}

function scalarAt({ node }: ItemNode, path: readonly string[]): string | undefined {
  let at = node
  for (const step of path) {
    if (at.kind !== 'map') return undefined
    const next = at.items.find(({ key }) => key === step)
    if (next === undefined) return undefined
    at = next.node
  }
  if (at.kind !== 'scalar') return undefined
  return at.value.startsWith('"') ? at.value.slice(1, -1) : at.value
}

function fits(identity: Identity, { base, ours, theirs }: Versions<ContainerNode>): boolean {
  return [base, ours, theirs].every((list) => {
    const ids = list?.items.map(identity) ?? []
    return !ids.includes(undefined) && new Set(ids).size === ids.length
  })
}
