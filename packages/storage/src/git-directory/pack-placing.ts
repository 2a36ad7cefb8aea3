/**
 * Pack placing: how staged packs of an update become visible to everyone, Git included.
 *
 * The update first *holds* its packs: hard links in its journal, made under its locks, so that from its point of no
 * return on nothing that happens to the stage, or to a pack that was visible already, can take them away. Then they are
 * *placed* below `objects/pack`, each under a `.keep`, without which `git gc` would remove them before a ref reaches
 * them, and *released* once the refs have moved.
 *
 * @module
 */
import { mkdir } from 'node:fs/promises'

import { MissingError, UnavailableError } from '@datakit/git/error'
import type { PackId } from '@datakit/git/place'

import { errorCode, ifThere, linkUnlessThere, readIfThere, removeIfThere } from './durable.ts'
import type { GitFiles } from './git-files.ts'
import type { Journal } from './journal.ts'

/**
 * Holds a pack in a journal: from the stage, or as it is visible.
 *
 * @throws UnavailableError when it is neither staged nor visible
 */
export async function holdPack(files: GitFiles, journal: Journal, id: PackId): Promise<void> {
  const staged = files.stage.find(id)
  if (staged !== undefined) {
    const isHeld = await hold(journal, id, `${staged}/pack/${id}`)
    // What is ours can be made again: its name need not have survived a power cut.
    for (const kind of isHeld ? ['index', 'promised'] : [])
      await ifThere(linkUnlessThere(`${staged}/${kind}`, journal.path(`${id}.${kind}`)))
    if (isHeld) return
  }
  const visible = files.packs.find(id)
  if (visible === undefined)
    throw new UnavailableError(`Cannot add the pack "${id}": it is not staged any more`)
  // A borrowed pack is not ours to keep, and may be of another file system.
  if (!visible.borrowed) await holdVisible(journal, id, visible.path)
}

/**
 * Makes a held pack visible under a `.keep`, which is a link to the file `keep` of the journal, so that it is never there
 * without what it says. What is visible already stays as it is.
 *
 * @throws MissingError when the pack is not held and not visible
 */
export async function placePack(files: GitFiles, journal: Journal, id: PackId): Promise<void> {
  const { directory } = files
  const target = `${directory}/objects/pack/${id}`
  await mkdir(`${directory}/objects/pack`, { recursive: true })
  // Where somebody keeps the pack already, that is all that is wanted.
  await linkUnlessThere(journal.path('keep'), `${target}.keep`)
  // Git takes a pack for there as soon as its index is, and for one that must be whole if nothing says otherwise then.
  for (const ending of ['promisor', 'pack', 'idx'])
    await ifThere(linkUnlessThere(journal.path(`${id}.${ending}`), `${target}.${ending}`))
  if (files.packs.find(id) === undefined) throw new MissingError('a pack', id)
  for (const kind of ['index', 'promised'])
    await ifThere(
      linkUnlessThere(journal.path(`${id}.${kind}`), `${directory}/datakit/${kind}/${id}`),
    )
}

/** Lets `git gc` have a pack again, if the `.keep` is the one that says `why`. */
export async function releasePack(gitDirectory: string, id: PackId, why: string): Promise<void> {
  const keep = `${gitDirectory}/objects/pack/${id}.keep`
  const found = await readIfThere(keep)
  if (found !== undefined && Buffer.from(found).toString() === why) await removeIfThere(keep)
}

/** Links the files of a pack; `false` when one of them is not there. */
async function hold(journal: Journal, id: PackId, path: string): Promise<boolean> {
  await ifThere(linkUnlessThere(`${path}.promisor`, journal.path(`${id}.promisor`)))
  for (const ending of ['pack', 'idx']) {
    const linked = await ifThere(
      linkUnlessThere(`${path}.${ending}`, journal.path(`${id}.${ending}`)),
    )
    if (linked === undefined) return false
  }
  return true
}

async function holdVisible(journal: Journal, id: PackId, path: string): Promise<void> {
  try {
    if (await hold(journal, id, path)) return
  } catch (error) {
    // Linux lets nobody link to a file of another user that he may not write; such a pack has to stay by itself.
    if (errorCode(error) === 'EPERM') return
    throw error
  }
  throw new UnavailableError(`Cannot add the pack "${id}": it was removed meanwhile`)
}
