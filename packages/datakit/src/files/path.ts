/**
 * Paths as the model takes them: steps joined by `/`, no slash at either end; the empty path is the root directory.
 *
 * Reading takes every path that a tree can hold. Writing takes only those that are safe wherever the repository is
 * cloned to, which is Git's own rule (`@datakit/git/path`).
 *
 * @module
 */
import { PathError } from '../error.ts'

/** The steps of a path to look something up; none for the root. @throws PathError `bad-path` */
export function splitPath(path: string): string[] {
  if (path === '') return []
  // Whoever has no types may pass anything.
  if (typeof path === 'string' && !/(^|\/)\.{0,2}(\/|$)/.test(path)) return path.split('/')
  throw new PathError(
    'bad-path',
    path,
    'a step is empty, "." or ".."; write it as "config/limits.json"',
  )
}

/** Whether no file system takes the name for something else. Of other names `@datakit/git/path` knows what Git has against them. */
export function isPlainName(name: string): boolean {
  return /^\b[\w.-]+\b$/.test(name)
}

/** The path of `name` in the directory `parent`. */
export function joinPath(parent: string, name: string): string {
  return parent === '' ? name : `${parent}/${name}`
}
