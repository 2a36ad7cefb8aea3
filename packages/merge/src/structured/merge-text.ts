/**
 * Text between values: line ends, blanks, comments and keys as they are written.
 *
 * A side that left it alone, or changed no more than blanks, gives way to the other.
 *
 * @module
 */
import type { Versions } from './document.ts'

/** The merged text; `undefined` if both sides changed more than blanks, each in its own way. */
export function mergeText({ base, ours, theirs }: Versions<string>): string | undefined {
  if (ours === theirs || theirs === base) return ours
  if (ours === base) return theirs
  const [inOurs, inTheirs] = [substanceOf(ours), substanceOf(theirs)]
  if (inOurs === inTheirs) return pick(ours, theirs)
  const inBase = base === undefined ? undefined : substanceOf(base)
  if (inOurs === inBase) return theirs
  return inTheirs === inBase ? ours : undefined
}

/** What is left of a text without its blanks and line ends. */
export function substanceOf(text: string): string {
  return text.replaceAll(/\s+/g, '')
}

/** One of two, whichever side it is on: the shorter one, or the one that sorts first. */
export function pick(a: string, b: string): string {
  if (a.length !== b.length) return a.length < b.length ? a : b
  return a < b ? a : b
}
