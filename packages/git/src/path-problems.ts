/**
 * Names that no file may have, in words.
 *
 * @module
 */
import { problemOfName, type NameProblem } from './path.ts'

const reasons: Record<NameProblem, string> = {
  emptyName: 'a step is empty',
  fullPathname: 'a name holds a slash',
  hasDot: '"." cannot be a name',
  hasDotdot: '".." cannot be a name',
  hasDotgit: 'a step is ".git", or would be on some file system',
  nulInName: 'a name holds a zero byte',
}

/** The problem in words for a person, to follow a colon. */
export function describeNameProblem(problem: NameProblem): string {
  return reasons[problem]
}

/** The steps of a path. @throws RangeError when a step cannot be a name */
export function splitPath(path: string): string[] {
  checkPath(path)
  return path.split('/')
}

/** @throws RangeError when the path is empty, begins or ends with a slash, or a step cannot be a name */
export function checkPath(path: string): void {
  for (const step of path.split('/')) {
    const problem = problemOfName(step)
    if (problem !== undefined) throw new RangeError(`Not a path: "${path}": ${reasons[problem]}`)
  }
}
