/**
 * Recognising: whether a directory is a Git repository, and whether it is one that can be served.
 *
 * Spec: https://git-scm.com/docs/gitrepository-layout, https://git-scm.com/docs/repository-version
 *
 * @module
 */
import { lstatSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'

import { UnsupportedError } from '@datakit/git/error'

import { readConfig, type Config } from './config.ts'

/** Extensions that change nothing for us. */
const HARMLESS = new Set([
  'noop',
  'partialclone',
  'preciousobjects',
  'worktreeconfig',
  'relativeworktrees',
])

/** Whether a directory looks like a Git directory, as Git itself decides: `HEAD`, `objects` and `refs` are there. */
export function isGitDirectory(path: string): boolean {
  const isThere = (name: string) =>
    statSync(`${path}/${name}`, { throwIfNoEntry: false }) !== undefined
  return isThere('HEAD') && isThere('objects') && isThere('refs')
}

/** Whether something is at the path that a new repository cannot take the place of. */
export function isObstructed(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return false
  if (!stat.isDirectory()) return !isGitDirectory(path)
  // One that another process has just made is complete when it is seen.
  return readdirSync(path).length > 0 && !isGitDirectory(path)
}

/**
 * Reads the configuration of a Git directory and checks that everything that it asks for is offered here.
 *
 * @throws UnsupportedError with its name and what of it is not: reftable, SHA-256, a linked worktree, an extension or a
 *   version that nobody knew when this was written. Clients of a server read it, so it does not say where the directory is
 */
export function checkServable(gitDirectory: string): Config {
  const config = readConfig(gitDirectory)
  const problem = findProblem(gitDirectory, config)
  if (problem === undefined) return config
  throw new UnsupportedError(`Cannot open "${shortName(gitDirectory)}": ${problem}`)
}

/** The last step of the path, or two for the one inside of a working tree. */
function shortName(gitDirectory: string): string {
  const name = basename(gitDirectory)
  return name === '.git' ? `${basename(dirname(gitDirectory))}/.git` : name
}

/** What a repository asks for that is not offered here, if it has that format, its own when left out. */
export function findProblem(
  gitDirectory: string,
  config: Config,
  version = config.int('core.repositoryformatversion') ?? 0,
): string | undefined {
  if (statSync(`${gitDirectory}/commondir`, { throwIfNoEntry: false }) !== undefined) {
    return 'it is a linked worktree; open the repository that it belongs to'
  }
  if (version > 1) return `its repository format is ${version}, and 0 and 1 are known`
  for (const { key } of config.all()) {
    const problem = key.startsWith('extensions.')
      ? problemOfExtension(key, config, version)
      : undefined
    if (problem !== undefined) return problem
  }
  return undefined
}

function problemOfExtension(key: string, config: Config, version: number): string | undefined {
  const name = key.slice('extensions.'.length)
  const value = config.get(key) ?? ''
  if (name === 'objectformat') {
    return value === 'sha1'
      ? undefined
      : `its objects are named by ${value}, and only SHA-1 is offered`
  }
  if (name === 'refstorage') {
    return value === 'files'
      ? undefined
      : `its refs are kept as ${value}, and only files are offered`
  }
  // Git looks at further extensions only from version 1 on.
  if (HARMLESS.has(name) || version === 0) return undefined
  return `it needs the extension "${name}", which is not offered`
}
