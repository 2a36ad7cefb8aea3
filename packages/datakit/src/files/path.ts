/**
 * Paths as the model takes them: steps joined by `/`, no slash at either end; the empty path is the root directory.
 *
 * Reading takes every path that a tree can hold. Writing takes only those that are safe wherever the repository is
 * cloned to, which is Git's own rule (`@datakit/git/path`).
 *
 * @module
 */
import { problemOfName, type NameProblem } from '@datakit/git/path'
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

/** The steps of a path to write to: at least one; and what Git has against one of them. @throws PathError `bad-path` */
export function checkedSteps(path: string): {
  readonly steps: string[]
  readonly problem: NameProblem | undefined
} {
  const steps = path === '' ? [path] : splitPath(path)
  const bad = steps.find((step) => problemOfName(step) !== undefined)
  return { steps, problem: bad === undefined ? undefined : problemOfName(bad) }
}

/** The path of `name` in the directory `parent`. */
export function joinPath(parent: string, name: string): string {
  return parent === '' ? name : `${parent}/${name}`
}
