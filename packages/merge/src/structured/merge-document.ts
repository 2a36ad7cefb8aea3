/**
 * The merge by key: three documents into one, value by value, and the text of the one out of the texts of the three.
 *
 * Where one side has what the base has, to the byte, the other side's text is taken. Containers that both changed are merged
 * item by item, and so is what is written around the items: each piece of text that only one side changed is taken from it.
 * Conflicts are data. Symmetric: nothing asks which side is which.
 *
 * @module
 */
import type { DecideKey, KeyConflict, KeyStep } from '../driver.ts'
import type { ContainerNode, DocumentNode, Format, Layout, Part, Versions } from './document.ts'
import { formatLayout, STREAM } from './document.ts'
import { indentParts, type MergedPart } from './indent.ts'
import { findDocumentIdentity, findIdentity, type ListOptions } from './list-rules.ts'
import { mergeText, pick } from './merge-text.ts'
import { rowsByKey, rowsByPosition, rowsInSequence, type Doubt, type Row } from './rows.ts'
import { areEqual, describeValue, ValueIds } from './equality.ts'

type Path = readonly KeyStep[]

/** A merged document; of no use where there are conflicts. */
export interface MergedDocument {
  readonly root: DocumentNode
  readonly conflicts: readonly KeyConflict[]
}

/** How documents are merged. */
export interface MergeRules {
  readonly format: Format
  readonly options: ListOptions
  readonly decide?: DecideKey | undefined
}

/** Merges three documents. */
export function mergeDocuments(
  rules: MergeRules,
  versions: Versions<DocumentNode>,
): MergedDocument {
  const merge = new DocumentMerge(rules)
  const root = merge.merge([], versions)
  return { root, conflicts: merge.allConflicts() }
}

class DocumentMerge {
  readonly #conflicts: KeyConflict[] = []
  /** Containers that both sides added under one key, each with something else in it. */
  readonly #added: KeyConflict[] = []
  #isRemovedByBoth = false
  readonly #ids = new ValueIds()
  readonly #rules: MergeRules

  constructor(rules: MergeRules) {
    this.#rules = rules
  }

  /**
   * What could not be merged. What both added is merged as if the base had an empty one; but where both removed something as
   * well, both may have renamed or moved it, and then the base had more.
   */
  allConflicts(): readonly KeyConflict[] {
    if (!this.#isRemovedByBoth) return this.#conflicts
    const outermost = this.#added.filter(
      ({ key }) =>
        !this.#added.some((other) => other.key.length < key.length && begins(key, other.key)),
    )
    return [...this.#conflicts, ...outermost]
  }

  merge(path: Path, versions: Versions<DocumentNode>): DocumentNode {
    const { base, ours, theirs } = versions
    if (ours.text === theirs.text || theirs.text === base?.text) return ours
    if (ours.text === base?.text) return theirs
    const containers = asContainers(versions)
    if (!containers) return this.#mergeWhole(path, versions)
    if (base === undefined && path.length > 0 && !areEqual(ours, theirs)) {
      const conflict = { key: path, base: undefined, ours: ours.text, theirs: theirs.text }
      const kept = this.#decided(conflict)
      if (kept) return versions[kept] ?? ours
      this.#added.push(conflict)
    }
    return this.#mergeContainers(path, containers)
  }

  /** Takes one of the values as a whole. */
  #mergeWhole(path: Path, versions: Versions<DocumentNode>): DocumentNode {
    const { base, ours, theirs } = versions
    if (areEqual(ours, theirs)) {
      const texts = { base: base?.text, ours: ours.text, theirs: theirs.text }
      return (mergeText(texts) ?? pick(ours.text, theirs.text)) === ours.text ? ours : theirs
    }
    if (areEqual(base, ours)) return theirs
    if (areEqual(base, theirs)) return ours
    return this.#settle(path, versions, ({ text }) => text) ?? ours
  }

  #mergeContainers(path: Path, versions: Versions<ContainerNode>): ContainerNode {
    const layouts = {
      base: versions.base?.layout(),
      ours: versions.ours.layout(),
      theirs: versions.theirs.layout(),
    }
    const rows = this.#rowsOf(path, versions, layouts)
    if (rows === undefined) return this.#settle(path, versions, ({ text }) => text) ?? versions.ours
    const merged = rows.flatMap((row): MergedPart[] => {
      const part = this.#mergePart(isSingle(versions) ? path : [...path, row.step], row)
      return part ? [{ ours: row.ours, theirs: row.theirs, merged: part }] : []
    })
    const parts = indentParts(merged, layouts)
    const layout = { ...this.#mergeFrame(path, layouts), parts }
    const meta = mergeText(mapVersions(versions, ({ meta }) => meta)) ?? versions.ours.meta
    const text = formatLayout(layout)
    const { kind, style, isSection } = versions.ours
    return { kind, style, isSection, meta, items: parts, text, layout: () => layout }
  }

  /** The items in the order in which they are merged; `undefined` if it is in doubt. */
  #rowsOf(
    path: Path,
    versions: Versions<ContainerNode>,
    layouts: Versions<Layout>,
  ): readonly Row[] | undefined {
    const parts = mapVersions(layouts, (layout) => layout.parts)
    if (versions.ours.kind === 'map') return rowsOfMap(parts)
    if (versions.ours.style === STREAM) {
      const identity = findDocumentIdentity(versions)
      if (identity && !isSingle(versions)) return rowsByKey(parts, orNothing(identity), false)
      if (isSingle(versions) || haveOneLength(parts)) return rowsByPosition(parts)
      return this.#rowsInSequence(path, parts)
    }
    const rule = this.#rules.options.listRule?.(path)
    if (rule === 'set') return rowsByKey(parts, ({ node }) => describeValue(node), true)
    const identity = rule === 'sequence' ? undefined : findIdentity(versions, this.#rules.options)
    if (identity) return rowsByKey(parts, orNothing(identity), rule === 'keyed')
    return this.#rowsInSequence(path, parts)
  }

  #rowsInSequence(path: Path, parts: Versions<readonly Part[]>): readonly Row[] {
    return rowsInSequence(
      parts,
      (part) => this.#ids.of(part.node),
      (doubt) => this.#settleDoubt(path, doubt),
    )
  }

  /** One item; `undefined` when it is removed. */
  #mergePart(path: Path, { base, ours, theirs }: Row): Part | undefined {
    if (ours && theirs) {
      const versions = { base, ours, theirs }
      return {
        key: ours.key,
        before: this.#mergeText(
          path,
          mapVersions(versions, (part) => part.before),
        ),
        label: this.#mergeText(
          path,
          mapVersions(versions, (part) => part.label),
        ),
        node: this.merge(
          path,
          mapVersions(versions, (part) => part.node),
        ),
        after: this.#mergeText(
          path,
          mapVersions(versions, (part) => part.after),
        ),
        post: this.#mergeText(
          path,
          mapVersions(versions, (part) => part.post),
        ),
      }
    }
    const left = ours ?? theirs
    if (left === undefined) {
      if (base && base.node.kind !== 'scalar') this.#isRemovedByBoth = true
      return undefined
    }
    if (base === undefined) return left
    if (this.#isUntouched(base, left)) return undefined
    return this.#settle(path, { base, ours, theirs }, ({ node }) => node.text.trim())
  }

  /** Whether a side did nothing to an item that counts: neither its value nor a comment of it is another. */
  #isUntouched(base: Part, side: Part): boolean {
    const comments = ({ before, label, node, after, post }: Part): string =>
      this.#rules.format.commentsIn(before + label + node.text + after + post).join('\n')
    return areEqual(base.node, side.node) && comments(base) === comments(side)
  }

  #mergeFrame(path: Path, found: Versions<Layout>): Omit<Layout, 'parts'> {
    const layouts = mapVersions(found, (layout) => frameOf(layout, found.base))
    const text = (name: 'open' | 'head' | 'tail' | 'close'): string =>
      this.#mergeText(
        path,
        mapVersions(layouts, (layout) => layout[name]),
      )
    const flag = (name: 'isTight' | 'isTrailing'): boolean =>
      mergeFlag(
        mapVersions(layouts, (layout) => (layout.parts.length > 0 ? layout[name] : undefined)),
      )
    return {
      open: text('open'),
      head: text('head'),
      isTight: flag('isTight'),
      tail: text('tail'),
      close: text('close'),
      separator: layouts.ours.separator,
      isTrailing: flag('isTrailing'),
    }
  }

  #mergeText(path: Path, texts: Versions<string>): string {
    return mergeText(texts) ?? this.#settle(path, texts, (text) => text.trim()) ?? texts.ours
  }

  #settleDoubt(path: Path, { step, ...lists }: Doubt): Kept | undefined {
    const text = (parts: readonly Part[]): string | undefined =>
      parts.length === 0 ? undefined : parts.map(({ node }) => node.text.trim()).join('\n')
    const { base, ours, theirs } = lists
    return this.#judge({
      key: [...path, step],
      base: text(base),
      ours: text(ours),
      theirs: text(theirs),
    })
  }

  /** The version that was decided for, or `undefined` and a conflict. */
  #settle<T>(
    key: Path,
    { base, ours, theirs }: { base: T | undefined; ours: T | undefined; theirs: T | undefined },
    textOf: (version: T) => string,
  ): T | undefined {
    const text = (version: T | undefined): string | undefined =>
      version === undefined ? undefined : textOf(version)
    const kept = this.#judge({ key, base: text(base), ours: text(ours), theirs: text(theirs) })
    return kept && { base, ours, theirs }[kept]
  }

  #judge(conflict: KeyConflict): Kept | undefined {
    const kept = this.#decided(conflict)
    if (kept === undefined) this.#conflicts.push(conflict)
    return kept
  }

  #decided(conflict: KeyConflict): Kept | undefined {
    const kept = this.#rules.decide?.(conflict)
    // Nothing is there to go back to where both have added something.
    const isNothing = kept === 'base' && conflict.base === undefined
    return isNothing ? undefined : kept
  }
}

type Kept = 'base' | 'ours' | 'theirs'

/** Items by key; sections come last, since what follows them would be in them. */
function rowsOfMap(parts: Versions<readonly Part[]>): Row[] {
  const rows = rowsByKey(parts, ({ key }) => key, true) ?? []
  const isSection = ({ ours, theirs }: Row): boolean => {
    const node = (ours ?? theirs)?.node
    return node !== undefined && node.kind !== 'scalar' && node.isSection
  }
  return [...rows.filter((row) => !isSection(row)), ...rows.filter(isSection)]
}

/** The versions as containers that can be merged item by item; `undefined` if they are not. */
function asContainers({
  base,
  ours,
  theirs,
}: Versions<DocumentNode>): Versions<ContainerNode> | undefined {
  if (ours.kind === 'scalar' || theirs.kind === 'scalar' || base?.kind === 'scalar')
    return undefined
  if (ours.kind !== theirs.kind || ours.style !== theirs.style) return undefined
  if (base && base.kind !== ours.kind) return undefined
  const isMetaClear =
    ours.meta === theirs.meta || ours.meta === base?.meta || theirs.meta === base?.meta
  return isMetaClear ? { base, ours, theirs } : undefined
}

/** Whether a stream has at most one document in each version, which then needs no step of its own. */
function isSingle({ base, ours, theirs }: Versions<ContainerNode>): boolean {
  const lists = [ours, theirs, ...(base ? [base] : [])]
  return lists.every(({ style, items }) => style === STREAM && items.length <= 1)
}

/** The layout with the base's blanks where a side removed all items: those between its brackets say nothing. */
function frameOf(layout: Layout, base: Layout | undefined): Layout {
  if (base === undefined || layout.parts.length > 0 || layout.tail.trim() !== '') return layout
  return { ...layout, head: base.head, tail: base.tail }
}

function haveOneLength({ base, ours, theirs }: Versions<readonly Part[]>): boolean {
  return ours.length === theirs.length && ours.length === base?.length
}

function orNothing(identity: (part: Part) => string | undefined): (part: Part) => string {
  return (part) => identity(part) ?? ''
}

function begins(key: Path, beginning: Path): boolean {
  return beginning.every((step, i) => step === key[i])
}

function mergeFlag({ base, ours, theirs }: Versions<boolean | undefined>): boolean {
  if (ours === theirs) return ours ?? false
  // One of two different ones is the base's, unless there is none.
  if (base === undefined || ours === undefined || theirs === undefined)
    return (ours ?? theirs) === true && (theirs ?? ours) === true
  return ours === base ? theirs : ours
}

function mapVersions<T, U>(
  { base, ours, theirs }: Versions<T>,
  change: (version: T) => U,
): Versions<U> {
  return {
    base: base === undefined ? undefined : change(base),
    ours: change(ours),
    theirs: change(theirs),
  }
}
