/**
 * Creating: a new bare repository, whole or not at all.
 *
 * It is made under another name, its first update included, and then renamed to where it belongs.
 *
 * Spec: https://git-scm.com/docs/gitrepository-layout
 *
 * @module
 */
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

import type { UpdateOutcome, UpdateRequest } from '@datakit/git/place'

import {
  errorCode,
  makeDirectories,
  randomName,
  syncDirectory,
  syncTree,
  writeSynced,
} from './durable.ts'
import { GitFiles } from './git-files.ts'
import { makeUpdate, type UpdateOptions } from './make-update.ts'
import { prepareOwnState } from './own-state.ts'

/** Partial clones, which need objects by oid in every version of the protocol, are served, by stock Git's server too. */
const CONFIG = `[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
[uploadpack]
\tallowFilter = true
\tallowReachableSHA1InWant = true
\tallowRefInWant = true
[transfer]
\tadvertiseObjectInfo = true
`

/** Where a repository is to be, and where it may be made. */
export interface Site {
  readonly directory: string
  /** A directory of the same file system. */
  readonly scratch: string
}

/** Writes an empty bare repository. `HEAD` leads to a branch that is not there yet. Names survive only {@link syncTree}. */
export async function writeSkeleton(directory: string): Promise<void> {
  for (const path of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags', 'info', 'hooks']) {
    await mkdir(`${directory}/${path}`, { recursive: true })
  }
  await writeSynced(`${directory}/HEAD`, 'ref: refs/heads/main\n')
  await writeSynced(`${directory}/config`, CONFIG)
  await writeSynced(`${directory}/description`, 'Made by datakit\n')
  await prepareOwnState(directory)
}

/**
 * Makes a repository by its first update; `exists` when somebody else has made it meanwhile, and the update is to be
 * asked of that.
 */
export async function createByUpdate(
  site: Site,
  request: UpdateRequest,
  options: UpdateOptions,
): Promise<UpdateOutcome | 'exists'> {
  const temporary = `${site.scratch}/new-${randomName()}.git`
  try {
    await writeSkeleton(temporary)
    const files = new GitFiles(temporary, `${site.scratch}/stage`)
    // There is none but this one, which is about to be.
    const asked = request.repository === '' ? { ...request, repository: undefined } : request
    const outcome = await makeUpdate(files, asked, { ...options, keepsStage: true })
    if (outcome.state !== 'done') return outcome
    await syncTree(temporary)
    if (!(await moveInto(temporary, site.directory))) return 'exists'
    for (const { id } of request.addPacks ?? []) await files.stage.remove(id)
    return outcome
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

async function moveInto(temporary: string, directory: string): Promise<boolean> {
  const parent = dirname(directory)
  await makeDirectories(parent)
  try {
    await rename(temporary, directory)
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errorCode(error) ?? '')) return false
    throw error
  }
  await syncDirectory(parent)
  return true
}
