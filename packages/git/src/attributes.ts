/**
 * Attributes: what a repository says of its paths in files called `.gitattributes`.
 *
 * A line is a pattern and what it sets. Of several lines the last counts, and the file in the deepest directory; a macro stands
 * for several attributes and can be defined in the root alone. Lines that Git ignores with a warning are ignored.
 *
 * Spec: https://git-scm.com/docs/gitattributes
 *
 * @module
 */
import { concat, decodeName, encodeName } from './bytes.ts'
import { wildmatch } from './wildmatch.ts'

/** The name of the files. */
export const ATTRIBUTES_FILE = '.gitattributes'

/** What an attribute is: set, unset (by a minus), or a text of its own. */
export type AttributeValue = boolean | string

/** What one line says of an attribute; `undefined` takes back what other lines say. */
type Assignment = readonly [name: string, value: AttributeValue | undefined]

/** One line that says something. */
export interface AttributeRule {
  /** The attribute that the line defines as a macro; `undefined` for a line about paths. */
  readonly macro: string | undefined
  /** Whether the line is about the path, given from the root. */
  readonly matches: (path: string) => boolean
  readonly assignments: readonly Assignment[]
}

/** Git ignores lines of so many bytes and more. */
const MAX_LINE = 2048
const BUILT_IN: Assignment[] = ['diff', 'merge', 'text'].map((name) => [name, false])

/** Reads the file of a directory, whose path is `''` for the root. */
export function parseAttributes(body: Uint8Array, directory: string): AttributeRule[] {
  const rules: AttributeRule[] = []
  // Some editors put a byte order mark in front.
  const start = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0
  for (let at = start; at < body.length;) {
    const end = body.indexOf(10, at)
    const line = body.subarray(at, end < 0 ? body.length : end)
    at += line.length + 1
    const zero = line.indexOf(0)
    const said = zero < 0 ? line : line.subarray(0, zero)
    const rule = said.length < MAX_LINE ? parseLine(decodeName(said), directory) : undefined
    if (rule !== undefined) rules.push(rule)
  }
  return rules
}

/**
 * The attributes of a path that have a value, by name.
 *
 * @param files the rules of each directory on its way, the root first
 */
export function attributesOf(
  path: string,
  files: readonly (readonly AttributeRule[])[],
): ReadonlyMap<string, AttributeValue> {
  const macros = new Map([['binary', BUILT_IN]] as [string, readonly Assignment[]][])
  for (const { macro, assignments } of files[0] ?? [])
    if (macro !== undefined) macros.set(macro, assignments)
  const values = new Map<string, AttributeValue | undefined>()
  const assign = (assignments: readonly Assignment[]): void => {
    for (const [name, value] of assignments.toReversed()) {
      if (values.has(name)) continue
      values.set(name, value)
      if (value === true) assign(macros.get(name) ?? [])
    }
  }
  for (const rules of files.toReversed())
    for (const { macro, matches, assignments } of rules.toReversed())
      if (macro === undefined && matches(path)) assign(assignments)
  const found = new Map<string, AttributeValue>()
  for (const [name, value] of values) if (value !== undefined) found.set(name, value)
  return found
}

const MACRO = '[attr]'

function parseLine(text: string, directory: string): AttributeRule | undefined {
  const line = text.replace(/^[ \t\r]+/, '')
  if (line === '' || line.startsWith('#')) return undefined
  const quoted = unquote(line)
  const pattern = quoted?.value ?? (/^[^ \t\r\n]*/.exec(line)?.[0] || '')
  const rest = line.slice(quoted?.length ?? pattern.length)
  const assignments = parseAssignments(rest)
  if (assignments === undefined) return undefined
  if (pattern.length > MACRO.length && pattern.startsWith(MACRO)) {
    const macro = /^[ \t\r\n]*([^ \t\r\n]*)/.exec(pattern.slice(MACRO.length))?.[1] ?? ''
    if (!isAttributeName(macro)) return undefined
    return { macro, matches: () => false, assignments }
  }
  if (pattern.startsWith('!')) return undefined
  return { macro: undefined, matches: matcherOf(pattern, directory), assignments }
}

/** What follows the pattern; `undefined` when something in it cannot be an attribute. */
function parseAssignments(text: string): Assignment[] | undefined {
  const assignments: Assignment[] = []
  for (const word of text.split(/[ \t\r\n]+/)) {
    if (word === '') continue
    const [, sign, name = '', value] = /^([-!]?)([^=]*)(?:=([^]*))?$/.exec(word) ?? []
    if (!isAttributeName(name)) return undefined
    if (sign === '-') assignments.push([name, false])
    else if (sign === '!') assignments.push([name, undefined])
    else assignments.push([name, value ?? true])
  }
  return assignments
}

function isAttributeName(name: string): boolean {
  return /^[A-Za-z0-9_.][-A-Za-z0-9_.]*$/.test(name)
}

/**
 * A pattern without a slash is about names in this directory and below; one with a slash is about paths from here. One with
 * a slash at its end would be about a directory, which has no attributes.
 */
function matcherOf(pattern: string, directory: string): (path: string) => boolean {
  if (pattern.endsWith('/')) return () => false
  const prefix = directory === '' ? '' : `${directory}/`
  const isPath = pattern.includes('/')
  const matches = wildmatch(pattern.replace(/^\//, ''), { isPath })
  return (path) =>
    path.startsWith(prefix) &&
    matches(path.slice(isPath ? prefix.length : path.lastIndexOf('/') + 1))
}

const ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  '"': 34,
  '\\': 92,
}

/** A quoted text at the beginning of a line, and how long it is there; `undefined` when there is none, or it is broken. */
function unquote(line: string): { readonly value: string; readonly length: number } | undefined {
  const quoted = /^"((?:[^"\\]|\\(?:[abtnvfr"\\]|[0-3][0-7]{2}))*)"/.exec(line)
  if (quoted === null) return undefined
  const parts = (quoted[1]?.match(/\\[0-7]{3}|\\.|[^\\]+/g) ?? []).map((part) => {
    if (!part.startsWith('\\')) return encodeName(part)
    return Uint8Array.of(ESCAPES[part.slice(1)] ?? Number.parseInt(part.slice(1), 8))
  })
  return { value: decodeName(concat(parts)), length: quoted[0].length }
}
