/**
 * Git directories: bare repositories that stock `git` uses at the same time, one alone or a folder full of them.
 *
 * The repository `a/b` of a folder is, whichever is there, `a/b.git` (bare), `a/b/.git` (with a working tree) or `a/b`
 * (bare, without the ending); a new one is `a/b.git`. A name leads nowhere outside the folder but where whoever owns it
 * made a symbolic link to: its segments are checked, and nothing inside of a repository is a way. A link is followed to a
 * repository that is there; none is made behind one. `.datakit` in the folder is where new repositories are made.
 *
 * @module
 */
import { lstatSync, realpathSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'

import { GitError, RefusedError, UnsupportedError } from '@datakit/git/error'
import type { Depot } from '@datakit/git/place'
import { compareNames } from '@datakit/git/ref-name'

import { namesIn } from './object-directories.ts'
import { placeOf, Repository, type GitDirectoryOptions, type GitDirectoryPlace } from './place.ts'
import { checkServable, isGitDirectory } from './recognise.ts'

export type { GitDirectoryOptions, GitDirectoryPlace } from './place.ts'

/** What a folder of repositories can be told. */
export interface GitDirectoryDepotOptions extends GitDirectoryOptions {
  /** Whether the first update of a repository that does not exist creates it; `true` when left out. */
  readonly create?: boolean | undefined
}

/** A depot whose places are Git directories. */
export interface GitDirectoryDepot extends Depot {
  open(name: string): Promise<GitDirectoryPlace>
}

/** How many repositories keep their caches and open files. */
const REPOSITORIES = 32

/**
 * A repository in a Git directory: `repo.git`, or `.git` in a working tree. Closing the place closes it. With `create`, one
 * that is not there is made by its first update.
 *
 * @throws UnsupportedError when it cannot be used, with the reason; RefusedError `refused` when it is no Git directory
 */
export async function openGitDirectory(
  directory: string,
  options: GitDirectoryDepotOptions = {},
): Promise<GitDirectoryPlace> {
  const path = resolve(directory)
  if (!isGitDirectory(path) && options.create !== true)
    throw new RefusedError('refused', `Cannot open "${path}": it is no Git directory`)
  if (options.create !== true) return openAlone(new Repository(path, options), async () => {})
  const scratch = `${path}.new`
  return openAlone(new Repository(path, options, { directory: path, scratch }), () =>
    rm(scratch, { recursive: true, force: true }),
  )
}

async function openAlone(
  repository: Repository,
  tidy: () => Promise<void>,
): Promise<GitDirectoryPlace> {
  await repository.exists()
  return placeOf(repository, async () => {
    await repository.close()
    await tidy()
  })
}

/** The repositories in a folder. Its places share what they know until the depot is closed. */
export function gitDirectoryDepot(
  root: string,
  options: GitDirectoryDepotOptions = {},
): GitDirectoryDepot {
  const folder = resolve(root)
  const open = new Map<string, Repository>()
  return {
    async open(name) {
      const directory = locate(folder, name)
      const site =
        options.create === false ? undefined : { directory, scratch: `${folder}/.datakit` }
      const repository = open.get(directory) ?? new Repository(directory, options, site)
      // What cannot be served is refused here, by name and reason.
      await repository.exists()
      open.delete(directory)
      open.set(directory, repository)
      await closeOldest(open)
      return placeOf(repository, async () => {})
    },
    async *list() {
      const found = [...listFolder(folder, '')].sort((a, b) => compareNames(a.name, b.name))
      for (const { name, directory } of found) yield { name, refused: refusalOf(directory) }
    },
    async close() {
      await Promise.all([...open.values()].map((repository) => repository.close()))
      open.clear()
    },
  }
}

/** Lets go of the files of repositories that were not asked for lately; they are opened again when needed. */
async function closeOldest(open: Map<string, Repository>): Promise<void> {
  for (const [directory, repository] of open) {
    if (open.size <= REPOSITORIES) return
    open.delete(directory)
    await repository.files.open.close()
  }
}

/** The Git directory that a name stands for in a folder, there or not. @throws RefusedError `bad-name` */
export function locate(folder: string, name: string): string {
  const steps = name.split('/')
  for (const step of steps) {
    if (!isSegment(step)) throw badName(name, `"${step}" cannot be a part of it`)
  }
  const ways = steps.slice(0, -1).map((step, i) => {
    const path = [folder, ...steps.slice(0, i + 1)].join('/')
    if (isGitDirectory(path) || isGitDirectory(`${path}/.git`))
      throw badName(name, `"${step}" is a repository itself`)
    return { step, path }
  })
  const found = candidates(`${folder}/${name}`).find(isGitDirectory)
  if (found !== undefined) return found
  const link = ways.find(({ path }) => isLink(path))
  if (link === undefined) return `${folder}/${name}.git`
  throw badName(name, `nothing is made behind "${link.step}", which is a symbolic link`)
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true
}

function candidates(path: string): string[] {
  return [`${path}.git`, `${path}/.git`, path]
}

function isSegment(step: string): boolean {
  if (step === '' || step.startsWith('.') || /\.git$/i.test(step)) return false
  return !/[\0-\x1f\x7f\\:]/.test(step) && step.isWellFormed()
}

function badName(name: string, why: string): RefusedError {
  return new RefusedError('bad-name', `Cannot open the repository "${name}": ${why}`)
}

interface Listed {
  readonly name: string
  readonly directory: string
}

function* listFolder(folder: string, prefix: string): Generator<Listed> {
  for (const entry of namesIn(prefix === '' ? folder : `${folder}/${prefix}`)) {
    const path = prefix === '' ? entry : `${prefix}/${entry}`
    const name = path.replace(/\.git$/, '')
    if (!isSegment(entry.replace(/\.git$/, '')) || !isDirectory(`${folder}/${path}`)) continue
    const directory = [`${folder}/${path}`, `${folder}/${path}/.git`].find(isGitDirectory)
    // Of two that one name stands for, only the one is listed that it opens.
    if (directory !== undefined) {
      if (candidates(`${folder}/${name}`).find(isGitDirectory) === directory)
        yield { name, directory }
    } else if (!isLink(`${folder}/${path}`)) yield* listFolder(folder, path)
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function refusalOf(directory: string): string | undefined {
  try {
    checkServable(realpathSync(directory))
    return undefined
  } catch (error) {
    if (error instanceof UnsupportedError) return error.message
    // What is wrong with it names files of this machine; whoever lists repositories need not know them.
    if (error instanceof GitError) return 'Cannot open it: its configuration is broken'
    throw error
  }
}
