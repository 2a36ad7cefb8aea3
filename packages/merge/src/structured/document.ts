/**
 * Documents: what JSON, YAML and TOML have in common, so that one merge serves them all.
 *
 * A document is a tree of values, and each value knows how it is written. A reader of a format gives the tree; how a container
 * is written around its items (its layout) is found only where it is asked for, since most of a document did not change. All
 * parts of a layout are source text, and put together in order they are the source text again, to the byte.
 *
 * @module
 */

/** What a value is, however it is written. */
export type Value = ScalarValue | ContainerValue

/** A string, a number, a date: anything without items. */
export interface ScalarValue {
  readonly kind: 'scalar'
  /** Type and value as text: the same exactly for equal values. Strings, and nothing else, are in quotes. */
  readonly value: string
}

/** Items by key, whose order means nothing, or in a list, whose order does. */
export interface ContainerValue {
  readonly kind: 'map' | 'list'
  /** What makes the value besides its items, such as a tag; `''` for nothing. */
  readonly meta: string
  readonly items: readonly ItemValue[]
}

/** An item of a container. */
export interface ItemValue {
  /** Its key; `''` in a list. */
  readonly key: string
  readonly node: Value
}

/** A value as it is written. */
export type DocumentNode = ScalarNode | ContainerNode

/** A scalar as it is written. */
export interface ScalarNode extends ScalarValue {
  readonly text: string
}

/** A container as it is written. */
export interface ContainerNode extends ContainerValue {
  readonly text: string
  readonly items: readonly ItemNode[]
  /** The way of writing: containers of one style can be put together from each other's parts. {@link STREAM} is the file itself. */
  readonly style: string

  /** Whether all that follows in the text is in it, up to the next one: such items come last. */
  readonly isSection: boolean
  /** Takes the text apart. */
  layout(): Layout
}

/** An item whose value is known as it is written. */
export interface ItemNode extends ItemValue {
  readonly node: DocumentNode
}

/** The parts of a container's text, in order: `open`, `head`, the parts of its items, `tail`, `close`. */
export interface Layout {
  /** A bracket, or what stands in its place. */
  readonly open: string
  /** What stays in front of the items, whichever is the first: a comment on the container itself, the space behind a bracket. */
  readonly head: string
  /** Whether the first item begins on the line of `open`: the blanks in its `before` are then left out. */
  readonly isTight: boolean
  readonly parts: readonly Part[]
  readonly tail: string
  readonly close: string
  /** What stands between items; `''` in formats where a line end does. */
  readonly separator: string
  /** Whether a separator stands behind the last item, too. */
  readonly isTrailing: boolean
}

/** An item as it is written, with its comments. */
export interface Part {
  readonly key: string
  /** Line ends, blanks and comments in front of it. */
  readonly before: string
  /** Its key, and all up to the value. */
  readonly label: string
  readonly node: DocumentNode
  /** What stands between the value and the separator. */
  readonly after: string
  /** What stands behind the separator on the same line. */
  readonly post: string
}

/** A text that was read. */
export interface Document {
  readonly root: ContainerNode
  /** The comments, in order, as they are written. */
  readonly comments: readonly string[]
}

/** Thrown by readers: the text cannot be merged by key. `message` says why, and where. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError'
}

/** A format: how its documents are read. */
export interface Format {
  /** What it is called in reasons. */
  readonly name: string
  /**
   * Reads a document. `root` holds what is in the file: one document, or a stream of them.
   *
   * @throws {UnreadableError} when it is malformed, or not to be merged by key: a key that is there twice, more than
   * {@link MAX_DEPTH} levels.
   */
  read(text: string): Document
  /** The comments in a piece of a document's text. */
  commentsIn(text: string): readonly string[]
  /** A proof of the format's own, besides the one that the result has the merged value; a reason when it fails. */
  prove?(versions: Versions<Document>, merged: Document): string | undefined
}

/** Brackets that a reader of another's making is given. */
const MAX_BRACKETS = 1000

/** One thing in three versions; `base` is `undefined` where there is none. */
export interface Versions<T> {
  readonly base: T | undefined
  readonly ours: T
  readonly theirs: T
}

/** The style of what holds the documents of a file. */
export const STREAM = 'stream'

/**
 * Tokens of a document that is read by a library, which takes 2 to 5 µs for each, four times a merge, on the thread of the caller:
 * about a second. Some 400 kB of usual YAML, 600 kB of TOML.
 */
export const MAX_TOKENS = 150_000

/** Thrown instead of reading on: to read the other versions as well would take as long again. */
export class TooLongError extends UnreadableError {
  constructor(format: string) {
    super(
      `Cannot merge by key: a version has more than ${MAX_TOKENS.toLocaleString('en')} tokens of ${format}, which would take too long; choose a version as a whole, or have the file merged by line ("merge=text" in .gitattributes)`,
    )
  }
}

/** Levels that a document may have: all that reads and merges is recursive, and stacks are small in Workers. */
export const MAX_DEPTH = 200

/**
 * Refuses text with brackets so deep in each other that reading it would be slow, before anything is read. Roughly counted:
 * brackets in strings and comments count, too.
 *
 * @throws {UnreadableError} when there are more than {@link MAX_BRACKETS}
 */
export function checkBrackets(text: string): void {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x5b || code === 0x7b) depth++
    else if ((code === 0x5d || code === 0x7d) && depth > 0) depth--
    if (depth > MAX_BRACKETS) throw new UnreadableError(`too many levels (${lineAt(text, at)})`)
  }
}

/** The text of a container with this layout. */
export function formatLayout(layout: Layout): string {
  const pieces = [layout.open, layout.head]
  const last = layout.parts.length - 1
  for (const [i, part] of layout.parts.entries()) {
    pieces.push(i === 0 && layout.isTight ? part.before.trimStart() : part.before)
    pieces.push(part.label, part.node.text, part.after)
    if (i < last || layout.isTrailing) pieces.push(layout.separator)
    pieces.push(part.post)
  }
  pieces.push(layout.tail, layout.close)
  return pieces.join('')
}

/** The same line and column as editors count them, from 1, for a reason. */
export function lineAt(text: string, offset: number): string {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/)
  return `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`
}
