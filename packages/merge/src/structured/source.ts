/**
 * Values in a source text: readers say where things are, and text is cut out of the source only where it is asked for.
 *
 * @module
 */
import type { ContainerNode, ItemNode, Layout, ScalarNode } from './document.ts'
import { leadingBlanks, splitAfter, splitFirst, type CommentStyle } from './gap.ts'

/** A value in a source text. */
export type SourceNode = SourceScalar | SourceContainer

/** Where something is. */
export interface Extent {
  readonly start: number
  readonly end: number
}

/** A scalar in a source text. */
export class SourceScalar implements ScalarNode {
  readonly kind = 'scalar'
  readonly start: number
  readonly end: number
  readonly #source: string
  readonly #value: string | undefined

  /** `value` is left out where the text is the value, which saves much memory in a large document. */
  constructor(source: string, { start, end }: Extent, value?: string) {
    this.#source = source
    this.start = start
    this.end = end
    this.#value = value
  }

  get text(): string {
    return this.#source.slice(this.start, this.end)
  }

  get value(): string {
    return this.#value ?? this.text
  }
}

/** An item in a source text. */
export interface SourceItem extends ItemNode {
  readonly node: SourceNode
  /** Where it begins; its value ends the label that begins here. */
  readonly start: number
  /** Where the separator behind it is; -1 when there is none. */
  readonly separatorAt: number
}

/** How containers of a style are written. */
export interface Form {
  readonly style: string
  readonly comments: CommentStyle
  readonly separator: string
  /** What stands in front of an item that is not the first, where none shows it. */
  readonly gap: string
  /** Whether all that follows in the text is in it, up to the next one. */
  readonly isSection?: boolean
}

/** Where the pieces of a container are: between `start` and `innerStart` is its opening, behind `innerEnd` its closing. */
export interface ContainerExtent extends Extent {
  readonly innerStart: number
  readonly innerEnd: number
}

/** A container in a source text. */
export class SourceContainer implements ContainerNode {
  readonly kind: 'map' | 'list'
  readonly items: readonly SourceItem[]
  readonly start: number
  readonly end: number
  readonly meta: string
  readonly #source: string
  readonly #extent: ContainerExtent
  readonly #form: Form
  #layout: Layout | undefined

  constructor(
    source: string,
    extent: ContainerExtent,
    form: Form,
    value: { kind: 'map' | 'list'; items: readonly SourceItem[]; meta?: string },
  ) {
    this.kind = value.kind
    this.items = value.items
    this.meta = value.meta ?? ''
    this.start = extent.start
    this.end = extent.end
    this.#source = source
    this.#extent = extent
    this.#form = form
  }

  get text(): string {
    return this.#source.slice(this.start, this.end)
  }

  get style(): string {
    return this.#form.style
  }

  get isSection(): boolean {
    return this.#form.isSection ?? false
  }

  layout(): Layout {
    this.#layout ??= layoutOf(this.#source, this.#extent, this.#form, this.items)
    return this.#layout
  }
}

/** Where a comma is between two places, comments with `#` left out; -1 when there is none. */
export function findSeparator(source: string, from: number, until: number): number {
  for (let at = from; at < until; at++) {
    if (source[at] === ',') return at
    if (source[at] === '#') at = endOfLine(source, at)
  }
  return -1
}

/** Where a comment ends that is on the line of what ends at `from`; `from` when there is none. */
export function restOfLineEnd(source: string, from: number, style: CommentStyle): number {
  const rest = style.restOfLine.exec(source.slice(from, endOfLine(source, from)))?.[0] ?? ''
  return rest.trim() === '' ? from : from + rest.length
}

function endOfLine(source: string, from: number): number {
  const end = source.indexOf('\n', from)
  if (end < 0) return source.length
  return source[end - 1] === '\r' ? end - 1 : end
}

function layoutOf(
  source: string,
  extent: ContainerExtent,
  form: Form,
  items: readonly SourceItem[],
): Layout {
  const { innerStart, innerEnd } = extent
  // What is behind an item: up to the separator, on its line, and in front of the next item.
  const behind = items.map(({ node, separatorAt }, i) => {
    const from = separatorAt < 0 ? node.end : separatorAt + form.separator.length
    const gap = source.slice(from, items[i + 1]?.start ?? innerEnd)
    const after = separatorAt < 0 ? '' : source.slice(node.end, separatorAt)
    return { after, ...splitAfter(gap, form.comments) }
  })
  const gap = source.slice(innerStart, items[0]?.start ?? innerStart)
  const usual = items.length > 1 ? leadingBlanks(behind[0]?.rest ?? '') : form.gap
  const { head, before, isTight } = splitFirst(gap, {
    style: form.comments,
    usual,
    startsFile: innerStart === 0,
  })
  return {
    open: source.slice(extent.start, innerStart),
    head,
    isTight,
    parts: items.map(({ key, node, start }, i) => ({
      key,
      before: i === 0 ? before : (behind[i - 1]?.rest ?? ''),
      label: source.slice(start, node.start),
      node,
      after: behind[i]?.after ?? '',
      post: behind[i]?.post ?? '',
    })),
    tail: behind.at(-1)?.rest ?? source.slice(innerStart, innerEnd),
    close: source.slice(innerEnd, extent.end),
    separator: form.separator,
    isTrailing: (items.at(-1)?.separatorAt ?? -1) >= 0,
  }
}
