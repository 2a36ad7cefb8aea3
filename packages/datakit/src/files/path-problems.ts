/**
 * Path problems: why a path cannot be used for what was asked, and what can be done instead.
 *
 * @module
 */
import { problemOfName } from '@datakit/git/path'
import { describeNameProblem } from '@datakit/git/path-problems'
import type { Side } from '../merge/conflict.ts'
import { PathError } from '../error.ts'
import { splitPath } from './path.ts'
import { kindOf } from './tree-reader.ts'

/** The steps of a path to write to: at least one. @throws PathError `bad-path` */
export function splitWritablePath(path: string): string[] {
  const steps = path === '' ? [path] : splitPath(path)
  for (const step of steps) {
    const problem = problemOfName(step)
    if (problem !== undefined) throw new PathError('bad-path', path, describeNameProblem(problem))
  }
  return steps
}

/** What was to be read as a file is none. */
export function notFile(path: string, { mode }: Pick<Side, 'mode'>): PathError {
  const kind = kindOf(mode)
  const way = kind === 'directory' ? 'list it, or name a file in it' : 'its files are elsewhere'
  return new PathError('is-a-directory', path, `it is a ${kind}; ${way}`)
}

/** What was to be listed is no directory. */
export function notListed(path: string, { mode }: Pick<Side, 'mode'>): PathError {
  return new PathError(
    'not-a-directory',
    path,
    `it is a ${kindOf(mode)}; read it, or list a directory`,
  )
}

/** A step on the way to `path`, `way`, is no directory. */
export function notDirectory(path: string, way: string, mode: number): PathError {
  const problem = `"${way}" is a ${kindOf(mode)}; remove it first, or take another path`
  return new PathError('not-a-directory', path, problem)
}

/** A directory is where a file should go. */
export function directoryThere(path: string): PathError {
  const problem = 'a directory with files in it is there; remove it first'
  return new PathError('is-a-directory', path, problem)
}

/** Nothing is at a path that is to be changed. */
export function nothingThere(path: string): PathError {
  return new PathError('not-found', path, 'nothing is there; list what is, or write it first')
}

/** A path that is to be settled is in no conflict. */
export function notInConflict(path: string): PathError {
  return new PathError('not-found', path, 'it is not in conflict; `conflicts` names those that are')
}
