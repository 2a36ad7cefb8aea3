/**
 * Sweeping: deleting what no update can ask for any more.
 *
 * A condemned pack goes only if, at this moment, other packs hold every object of it; otherwise it becomes live again:
 * stock Git may have removed those that did.
 *
 * @module
 */
import { existsSync, statSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'

import type { PackId } from '@datakit/git/place'

import type { GitFiles } from './git-files.ts'
import { changeOwnState } from './make-update.ts'
import { namesIn } from './object-directories.ts'
import { isContained } from './pack-cover.ts'

/** How old a temporary file of ours is when nobody writes it any more, in milliseconds. */
const TEMPORARY = 60 * 60 * 1000

/** Deletes what was condemned at least `grace` milliseconds ago, and what was left over. Returns how much. */
export async function sweepFiles(files: GitFiles, grace: number): Promise<number> {
  const now = Date.now()
  const condemned = new Set(Object.keys(files.ownState().condemned))
  let deleted = (await files.stage.sweep()) + (await files.loose.sweep(grace, condemned))
  const due = Object.values(files.ownState().condemned).some((at) => at <= now - grace)
  if (due) deleted += await sweepCondemned(files, now - grace)
  await sweepIndexes(files)
  await sweepTemporary(`${files.directory}/datakit`)
  return deleted
}

async function sweepCondemned(files: GitFiles, before: number): Promise<number> {
  let deleted = 0
  await changeOwnState(files, async (own) => {
    const condemned = { ...own.condemned }
    for (const [id, at] of Object.entries(own.condemned)) {
      if (id.startsWith('loose-') || at > before) continue
      const others = new Set(Object.keys(condemned).filter((other) => other !== id))
      if ((await isContained(files, id, others)) && (await deletePack(files, id))) deleted++
      delete condemned[id]
    }
    return { ...own, condemned }
  })
  return deleted
}

/** Removes a pack of the repository itself, its `.idx` first, so that nobody takes it for there half way. */
async function deletePack(files: GitFiles, id: PackId): Promise<boolean> {
  const pack = files.packs.find(id)
  if (pack === undefined || pack.borrowed || existsSync(`${pack.path}.keep`)) return false
  for (const ending of ['idx', 'rev', 'bitmap', 'mtimes', 'pack'])
    await rm(`${pack.path}.${ending}`, { force: true })
  await files.open.forget(`${pack.path}.pack`)
  return true
}

async function sweepIndexes(files: GitFiles): Promise<void> {
  const directory = `${files.directory}/datakit/index`
  for (const id of namesIn(directory)) {
    if (files.packs.find(id) === undefined && isOld(`${directory}/${id}`))
      await rm(`${directory}/${id}`, { force: true })
  }
}

async function sweepTemporary(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = `${entry.parentPath}/${entry.name}`
    if (entry.isFile() && entry.name.endsWith('.tmp') && isOld(path))
      await rm(path, { force: true })
  }
}

function isOld(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && Math.max(stat.mtimeMs, stat.ctimeMs) < Date.now() - TEMPORARY
}
