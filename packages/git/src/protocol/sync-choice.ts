/**
 * Sync choice: which part of a repository a client asks for, and of which part it has what it says that it has.
 *
 * A part is some of the branches, some of the paths, files up to some size, or all of these together. What is not in it is
 * left with the server: the client knows of it by name, and asks for it when it is wanted.
 *
 * Spec: docs/sync-protocol.md, "A part of a repository"
 *
 * @module
 */
import { MalformedError } from '../error.ts'
import { problemOfName } from '../path.ts'
import { wildmatch } from '../wildmatch.ts'

/** Of what a tree holds, the part that is not left out. Without any field that is all of it. */
export interface SyncScope {
  /** Files and directories, in any order; left out: all. `.gitattributes` in directories on the way to one count too. */
  readonly paths?: readonly string[] | undefined
  /** Files of so many bytes and more are left out, all of them at 0; left out: none for its size. */
  readonly blobLimit?: number | undefined
}

/** What a client asks for. */
export interface SyncChoice extends SyncScope {
  /**
   * Names of branches, and patterns as `git branch --list` takes them; what begins with `refs/` is of full names. Tags come
   * where they lead to a commit that does. Left out: all refs.
   */
  readonly branches?: readonly string[] | undefined
}

/** Most paths of a scope: each is looked up in every commit. */
export const MAX_PATHS = 1000
/** Most branches of a choice that are patterns: each is tried on every ref. */
export const MAX_PATTERNS = 100

/**
 * A choice out of the JSON of a message or a file; fields that nobody knows are left out.
 *
 * @throws MalformedError when it is none
 */
export function parseChoice(value: unknown): SyncChoice {
  const { branches } = fieldsOf(value)
  const names = branches === undefined || branches === null ? undefined : texts(branches)
  if (names?.some((name) => name === '') === true) throw malformed('a branch has no name')
  if (names !== undefined && names.filter(isPattern).length > MAX_PATTERNS)
    throw malformed(`more than ${MAX_PATTERNS} of its branches are patterns`)
  return { ...(names && { branches: [...new Set(names)].sort() }), ...parseScope(value) }
}

/** A scope out of the same. @throws MalformedError when it is none */
export function parseScope(value: unknown): SyncScope {
  const { paths, blobLimit } = fieldsOf(value)
  const scope: { paths?: string[]; blobLimit?: number } = {}
  if (paths !== undefined && paths !== null) scope.paths = parsePaths(texts(paths))
  if (blobLimit === undefined || blobLimit === null) return scope
  if (typeof blobLimit !== 'number' || !Number.isSafeInteger(blobLimit) || blobLimit < 0)
    throw malformed('"blobLimit" is no number of bytes')
  return { ...scope, blobLimit }
}

/** Whether a ref is chosen, by its full name alone: tags that come with what is chosen are not. */
export function refChooser(branches: readonly string[]): (name: string) => boolean {
  const full = branches.map((text) => (text.startsWith('refs/') ? text : `refs/heads/${text}`))
  const names = new Set(full)
  const patterns = full.filter(isPattern).map((text) => wildmatch(text, { isPath: false }))
  return (name) => names.has(name) || patterns.some((matches) => matches(name))
}

/** Whether the text stands for more than one name. */
function isPattern(text: string): boolean {
  return /[*?[\\]/.test(text)
}

/** Whether whoever has `held` has all of `asked` too. */
export function covers(held: SyncScope, asked: SyncScope): boolean {
  if ((held.blobLimit ?? Infinity) < (asked.blobLimit ?? Infinity)) return false
  const { paths } = held
  if (paths === undefined) return true
  return asked.paths?.every((path) => paths.some((each) => isWithin(path, each))) === true
}

/** Whether the two ask for the same, field for field, once they were parsed. */
export function isSameChoice(a: SyncChoice, b: SyncChoice): boolean {
  const key = ({ branches, paths, blobLimit }: SyncChoice): string =>
    JSON.stringify([branches, paths, blobLimit])
  return key(a) === key(b)
}

/** Whether nothing of a tree is left out. */
export function isWholeScope({ paths, blobLimit }: SyncScope): boolean {
  return paths === undefined && blobLimit === undefined
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`)
}

/** Sorted, each once, without those that lie below another. */
function parsePaths(paths: readonly string[]): string[] {
  if (paths.length === 0) throw malformed('"paths" is empty; leave it out for all')
  if (paths.length > MAX_PATHS) throw malformed(`it has more than ${MAX_PATHS} paths`)
  const bad = paths.find((path) => path.split('/').some((step) => problemOfName(step)))
  if (bad !== undefined) throw malformed(`"${bad}" is no path that Git keeps files under`)
  const others = new Set(paths)
  const isBelow = (path: string): boolean => {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1))
      if (others.has(path.slice(0, at))) return true
    return false
  }
  return [...others].filter((path) => !isBelow(path)).sort()
}

function texts(value: unknown): string[] {
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value
  throw malformed('"branches" or "paths" is no list of texts')
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  // The check makes it a record of unknown values, which is all that is claimed.
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>
  throw malformed('it is not an object')
}

function malformed(problem: string): MalformedError {
  return new MalformedError('a choice', problem)
}
