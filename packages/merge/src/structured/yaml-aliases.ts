/**
 * Aliases of YAML: a merge of two clean changes must not give an alias another value than whoever wrote it saw.
 *
 * When one side changes what an anchor is on, every alias of it changes, and that is what anchors are for. But where the other
 * side has written a new alias of it meanwhile, it meant the value that it saw: then the two are in conflict.
 *
 * @module
 */
import { UnreadableError, type Document, type Value, type Versions } from './document.ts'
import { ValueIds } from './equality.ts'

/** The anchors and aliases of one document. */
interface References {
  readonly anchors: ReadonlyMap<string, Value>
  readonly aliases: readonly Alias[]
}

interface Alias {
  readonly name: string
  readonly path: string
}

const ANCHOR = /&(\S+)/

/**
 * Checks the anchors of a document.
 *
 * @throws {UnreadableError} when one is there twice, or an alias comes before its anchor or is inside of it
 */
export function checkReferences(document: Value): void {
  referencesOf(document)
}

/** The reason why an alias does not stand for what its writer saw; `undefined` when all do. */
export function proveAliases(
  { base, ours, theirs }: Versions<Document>,
  merged: Document,
): string | undefined {
  const inMerged = allReferences(merged)
  if (inMerged.every(({ aliases }) => aliases.length === 0)) return undefined
  const ids = new ValueIds()
  const known = countAliases(base ? allReferences(base) : [])
  const mergedValues = inMerged.map((references) => resolver(references, ids))
  for (const inSide of [ours, theirs].map(allReferences)) {
    const found = countAliases(inSide)
    for (const references of inSide) {
      const valueOf = resolver(references, ids)
      for (const alias of references.aliases) {
        const name = nameAlias(alias)
        if ((found.get(name) ?? 0) <= (known.get(name) ?? 0)) continue
        const values = mergedValues.map((find) => find(alias.name)).filter((id) => id !== undefined)
        if (values.some((id) => id !== valueOf(alias.name)))
          return `an alias "*${alias.name}" was written by one side, while the other changed what it stands for`
      }
    }
  }
  return undefined
}

/** How many documents of a stream have an alias at a place. */
function countAliases(references: readonly References[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of references.flatMap(({ aliases }) => aliases.map(nameAlias)))
    counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

function nameAlias({ path, name }: Alias): string {
  return `${path}*${name}`
}

function allReferences({ root }: Document): References[] {
  return root.items.map(({ node }) => referencesOf(node))
}

function referencesOf(document: Value): References {
  const anchors = new Map<string, Value>()
  const aliases: Alias[] = []
  const visit = (value: Value, path: string): void => {
    const name = anchorOf(value)
    if (value.kind !== 'scalar')
      for (const [i, { key, node }] of value.items.entries())
        visit(node, `${path}/${value.kind === 'map' ? key : i}`)
    else if (value.value.startsWith('*')) {
      const alias = value.value.slice(1)
      if (!anchors.has(alias))
        throw new UnreadableError(`the alias "*${alias}" has no anchor in front of it`)
      aliases.push({ name: alias, path })
    }
    if (name === undefined) return
    if (anchors.has(name)) throw new UnreadableError(`the anchor "&${name}" is there twice`)
    anchors.set(name, value)
  }
  visit(document, '')
  return { anchors, aliases }
}

/** Gives the number of an anchor's value, with all aliases in it resolved. */
function resolver({ anchors }: References, ids: ValueIds): (name: string) => number | undefined {
  const resolved = new Map<Value, Value>()
  const resolve = (value: Value): Value => {
    const known = resolved.get(value)
    if (known) return known
    const target =
      value.kind === 'scalar' && value.value.startsWith('*')
        ? anchors.get(value.value.slice(1))
        : undefined
    const made = target ? resolve(target) : withoutAnchor(value, resolve)
    resolved.set(value, made)
    return made
  }
  return (name) => {
    const value = anchors.get(name)
    return value && ids.of(resolve(value))
  }
}

function withoutAnchor(value: Value, resolve: (value: Value) => Value): Value {
  if (value.kind === 'scalar') {
    const props = propsOf(value.value)
    const bare = props.replace(ANCHOR, '').trimStart() + value.value.slice(props.length)
    return { kind: 'scalar', value: bare }
  }
  const items = value.items.map(({ key, node }) => ({ key, node: resolve(node) }))
  return { kind: value.kind, meta: value.meta.replace(ANCHOR, '').trim(), items }
}

function anchorOf(value: Value): string | undefined {
  const props = value.kind === 'scalar' ? propsOf(value.value) : value.meta
  return ANCHOR.exec(props)?.[1]
}

/** The anchor and the tag that a scalar's value begins with. */
function propsOf(value: string): string {
  return /^(?:[&!]\S* ?)*/.exec(value)?.[0] ?? ''
}
