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
  restOfLine: /^(?:[ \t]|\/\*(?:(?!\*\/)[^\r\n])*\*\/)*(?:\/\/[^\r\n]*)?(?=\r?\n|$)/,
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

/**
 * Takes the gap in front of the first item apart. `usual` is what stands in front of items that are not the first; it is
 * put in front of one that begins on the line of the opening.
 */
export function splitFirst(
  gap: string,
  style: CommentStyle,
  usual: string,
): { head: string; before: string; isTight: boolean } {
  const line = style.restOfLine.exec(gap)?.[0] ?? ''
  const rest = gap.slice(line.length)
  if (!STARTS_LINE.test(rest)) {
    const head = LEADING_BLANKS.exec(gap)?.[0] ?? ''
    return { head, before: usual + gap.slice(head.length), isTight: true }
  }
  const cut = endOfDetached(rest)
  return { head: line + rest.slice(0, cut), before: rest.slice(cut), isTight: false }
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
