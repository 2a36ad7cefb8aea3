/**
 * Gaps: blanks, line ends and comments between two items, and which of the two they belong to.
 *
 * What stands on the line of an item belongs to it; what stands above an item belongs to the one below. In front of the first
 * item, a comment on the line of the opening and comments that an empty line follows belong to the container.
 *
 * @module
 */

/** Up to the end of a line: blanks and comments. One match at the beginning, or none if something else is on the line. */
export interface CommentStyle {
  readonly restOfLine: RegExp
}

/** `//` and `/* *\/`. */
export const SLASHES: CommentStyle = {
  // Only what is rare is in a group that repeats: such groups take stack.
  restOfLine:
    /^[ \t]*(?:\/\*[^*\r\n]*(?:\*(?!\/)[^*\r\n]*)*\*\/[ \t]*)*(?:\/\/[^\r\n]*)?(?=\r?\n|$)/,
}

/** `#`. */
export const HASHES: CommentStyle = { restOfLine: /^[ \t]*(?:#[^\r\n]*)?(?=\r?\n|$)/ }

const STARTS_LINE = /^\r?\n/
const LEADING_BLANKS = /^\s*/
// An empty line, without the line end that closes it.
const EMPTY_LINE = /\n[ \t]*(?=\r?\n)/g

/** Takes the gap behind an item apart: what is on its line, and the rest. */
export function splitAfter(gap: string, style: CommentStyle): { post: string; rest: string } {
  const post = style.restOfLine.exec(gap)?.[0] ?? ''
  // At the end of the text there is no line end to tell that the line is over.
  if (post.length === gap.length && post.trim() === '') return { post: '', rest: gap }
  return { post, rest: gap.slice(post.length) }
}

/** How the first item of a container is found in its gap. */
export interface FirstGap {
  readonly style: CommentStyle
  /** What stands in front of items that are not the first; it is put in front of one on the line of the opening. */
  readonly usual: string
  /** Whether the gap begins the file. */
  readonly startsFile: boolean
}

/** Takes the gap in front of the first item apart. */
export function splitFirst(
  gap: string,
  { style, usual, startsFile }: FirstGap,
): { head: string; before: string; isTight: boolean } {
  const blanks = leadingBlanks(gap)
  const line = startsFile ? blanks : (style.restOfLine.exec(gap)?.[0] ?? '')
  const rest = gap.slice(line.length)
  const cut = startsFile ? endOfHeader(rest) : endOfDetached(rest)
  if (cut > 0 || STARTS_LINE.test(rest))
    return { head: line + rest.slice(0, cut), before: rest.slice(cut), isTight: false }
  return { head: blanks, before: usual + gap.slice(blanks.length), isTight: true }
}

/** The blanks and line ends that `before` begins with. */
export function leadingBlanks(before: string): string {
  return LEADING_BLANKS.exec(before)?.[0] ?? ''
}

/** Where the comments end that an empty line parts from the item; 0 where there are none. */
function endOfDetached(gap: string): number {
  const empty = [...gap.matchAll(EMPTY_LINE)].at(-1)
  if (empty === undefined || gap.slice(0, empty.index).trim() === '') return 0
  return empty.index + empty[0].length
}

/** The same at the beginning of a file, where comments that no empty line follows belong to the file, too. */
function endOfHeader(comments: string): number {
  const detached = endOfDetached(comments)
  if (detached > 0) return detached
  return Math.max(0, comments.search(/\r?\n[^\n]*$/))
}
