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

/**
 * Deletes what was condemned at least `grace` milliseconds before `now` (in milliseconds since 1970), and what was left
 * over. Returns how much.
 */
export async function sweepFiles(files: GitFiles, grace: number, now: number): Promise<number> {
  const condemned = new Set(Object.keys(files.ownState().condemned))
  let deleted = await files.stage.sweep(now)
  deleted += await files.loose.sweep(now - grace, condemned)
  const due = Object.values(files.ownState().condemned).some((at) => at <= now - grace)
  if (due) deleted += await sweepCondemned(files, now - grace, now)
  await sweepIndexes(files, now)
  await sweepTemporary(`${files.directory}/datakit`, now)
  return deleted
}

async function sweepCondemned(files: GitFiles, before: number, now: number): Promise<number> {
  let deleted = 0
  await changeOwnState(files, async (own) => {
    const condemned = { ...own.condemned }
    for (const [id, at] of Object.entries(own.condemned)) {
      if (id.startsWith('loose-') || at > before) continue
      const others = new Set(Object.keys(condemned).filter((other) => other !== id))
      const fate = await sweepPack(files, id, { others, now })
      if (fate === 'deleted') deleted++
      if (fate !== 'waits') delete condemned[id]
    }
    return { ...own, condemned }
  })
  return deleted
}

/** Deletes a condemned pack unless it lives on; `waits` where Git may be about to make it visible. */
async function sweepPack(
  files: GitFiles,
  id: PackId,
  { others, now }: { readonly others: ReadonlySet<PackId>; readonly now: number },
): Promise<'deleted' | 'lives' | 'waits'> {
  const path = `${files.directory}/objects/pack/${id}`
  if (existsSync(`${path}.keep`)) return 'lives'
  const pack = files.packs.find(id)
  if (pack !== undefined) {
    if (pack.borrowed || !(await isContained(files, id, others))) return 'lives'
  } else {
    if (!existsSync(`${path}.pack`)) return 'lives'
    // Its `.idx` went first, and then we were cut; or the same pack comes in once more, whose `.idx` is last.
    if (!isOld(`${path}.pack`, now)) return 'waits'
  }
  await deletePack(files, path)
  return 'deleted'
}

/** Removes a pack of the repository itself, its `.idx` first, so that nobody takes it for there half way. */
async function deletePack(files: GitFiles, path: string): Promise<void> {
  for (const ending of ['idx', 'rev', 'bitmap', 'mtimes', 'pack', 'promisor'])
    await rm(`${path}.${ending}`, { force: true })
  await files.open.forget(`${path}.pack`)
}

async function sweepIndexes(files: GitFiles, now: number): Promise<void> {
  for (const kind of ['index', 'promised']) {
    const directory = `${files.directory}/datakit/${kind}`
    for (const id of namesIn(directory)) {
      if (files.packs.find(id) === undefined && isOld(`${directory}/${id}`, now))
        await rm(`${directory}/${id}`, { force: true })
    }
  }
}

async function sweepTemporary(directory: string, now: number): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = `${entry.parentPath}/${entry.name}`
    if (entry.isFile() && entry.name.endsWith('.tmp') && isOld(path, now))
      await rm(path, { force: true })
  }
}

function isOld(path: string, now: number): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && Math.max(stat.mtimeMs, stat.ctimeMs) < now - TEMPORARY
}
