/**
 * Line ends: CRLF or LF throughout, as one side changed them.
 *
 * @module
 */
import type { Versions } from './document.ts'
import { mergeText } from './merge-text.ts'

/** The versions with the merged line end, where each has but one kind; else as they are. */
export function unifyLineEnds(texts: Versions<string>): Versions<string> {
  const ends = {
    base: texts.base === undefined ? undefined : lineEndOf(texts.base),
    ours: lineEndOf(texts.ours),
    theirs: lineEndOf(texts.theirs),
  }
  if ([ends.base ?? '', ends.ours, ends.theirs].includes('mixed')) return texts
  // The name of a line end is text that both sides may have changed, too.
  const both = mergeText(ends) ?? 'LF'
  const end = ends.ours === '' ? ends.theirs : ends.theirs === '' ? ends.ours : both
  if (end === '' || [ends.base ?? end, ends.ours, ends.theirs].every((each) => each === end))
    return texts
  const convert = (text: string): string =>
    text.replaceAll(/\r?\n/g, end === 'CRLF' ? '\r\n' : '\n')
  return {
    base: texts.base === undefined ? undefined : convert(texts.base),
    ours: convert(texts.ours),
    theirs: convert(texts.theirs),
  }
}

/** `CRLF`, `LF`, `mixed`, or `''` where there is no line end. */
function lineEndOf(text: string): 'CRLF' | 'LF' | 'mixed' | '' {
  let [ends, pairs] = [0, 0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
    ends++
    if (text[at - 1] === '\r') pairs++
  }
  if (ends === 0) return ''
  if (pairs === 0) return 'LF'
  return pairs === ends ? 'CRLF' : 'mixed'
}
