/**
 * Watch filter: what a listener asks to be told of, as the query of `GET /NAME.git/watch` says it.
 *
 * @module
 */
import { PathError } from '@datakit/datakit/error'
import { splitPath } from '@datakit/datakit/path'
import { isRefName } from '@datakit/git/ref-name'
import { ProblemError } from './problem.ts'

/** The refs and paths that somebody listens to. */
export interface WatchFilter {
  /** Full names, ordered; `undefined` when patterns say which. */
  readonly names: readonly string[] | undefined
  /** Beginnings of names; one that is empty means every ref. */
  readonly prefixes: readonly string[]
  /** What is looked at in each ref; none means that the ref itself matters. Only along with names. */
  readonly paths: readonly string[]
}

/** Most refs of one listener, names and patterns together. */
const MAX_REFS = 32
/** Most paths of one listener. */
const MAX_PATHS = 16
/** Longest name or path, in characters. */
const MAX_LENGTH = 4096

/** @throws ProblemError `bad-request` with what is wrong */
export function parseWatchFilter(query: URLSearchParams): WatchFilter {
  const refs = distinct(query.getAll('ref'))
  const paths = distinct(query.getAll('path'))
  if (refs.length > MAX_REFS)
    throw wrong(`more than ${MAX_REFS} refs; a pattern names many at once`)
  if (paths.length > MAX_PATHS)
    throw wrong(`more than ${MAX_PATHS} paths; a directory has many in it`)
  for (const each of [...refs, ...paths])
    if (each.length > MAX_LENGTH) throw wrong(`longer than ${MAX_LENGTH} characters`)
  for (const path of paths) checkPath(path)
  const names = refs.filter((ref) => !ref.endsWith('/*'))
  for (const name of names) {
    if (!name.startsWith('refs/') || !isRefName(name))
      throw wrong(`"${name}" is not the full name of a ref, such as refs/heads/main`)
  }
  const prefixes = refs.filter((ref) => ref.endsWith('/*')).map((ref) => ref.slice(0, -1))
  if (refs.length === 0) prefixes.push('')
  if (prefixes.length === 0) return { names, prefixes, paths }
  if (paths.length > 0) throw wrong('a path wants the full names of the refs to look at')
  return { names: undefined, prefixes: [...prefixes, ...names], paths }
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)].sort()
}

function checkPath(path: string): void {
  try {
    splitPath(path)
  } catch (error) {
    if (!(error instanceof PathError)) throw error
    throw new ProblemError('bad-request', error.message, {}, { cause: error })
  }
}

function wrong(what: string): ProblemError {
  return new ProblemError('bad-request', `Cannot watch that: ${what}`)
}
