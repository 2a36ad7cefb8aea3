/**
 * Repairing a Git directory: indexes are made anew from their packs, then packs are mended as in every place, then files of
 * loose objects that are damaged are set aside, once the object is somewhere else. Nothing of Git's is deleted, and no ref is touched.
 *
 * @module
 */
import { createReadStream } from 'node:fs'
import { chmod, copyFile, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'

import { toHex } from '@datakit/git/bytes'
import { GitError } from '@datakit/git/error'
import { Objects } from '@datakit/git/objects'
import { OID_BYTES } from '@datakit/git/oid'
import { encodeStockIdx } from '@datakit/git/pack/idx'
import { readPack } from '@datakit/git/pack/read-pack'
import type { PackInfo, Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'

import { mended, progressOf, type CheckEvent } from '../fsck/finding.ts'
import { isHere, repairPlace, type CopySource, type RepairOptions } from '../fsck/repair-place.ts'
import { randomId } from '../update.ts'
import { StoredPack } from '../stored-pack.ts'
import { checkGitDirectory, isThere, openView, type DirectoryHealth } from './check.ts'
import { openGitDirectory } from './depot.ts'
import { randomName, replaceFile } from './durable.ts'
import { namesIn } from './object-directories.ts'
import { encodeOwnState, newOwnState } from './own-state.ts'
import { isPackName } from './pack-files.ts'

const GRACE = 60 * 60 * 1000

/** Mends one Git directory. The caller checks again to see what is left. */
export async function* repairGitDirectory(
  directory: string,
  options: RepairOptions = {},
): AsyncGenerator<CheckEvent, void> {
  const first = yield* progressOf(checkGitDirectory(directory, options))
  if (!first.hasOwnState) yield* ownStateAnew(directory)
  yield* indexesAnew(directory, first)
  yield* trailersAnew(directory, first)
  const health = yield* progressOf(checkGitDirectory(directory, options))
  // Whoever opens it finishes or undoes what was cut off.
  const place = await openGitDirectory(directory)
  try {
    yield* repairPlace(place, nodeRuntime, { health, options })
    yield* setAside(directory, place, health)
    const { deleted } = await place.sweep({ grace: GRACE })
    if (deleted > 0)
      yield mended(directory, `${deleted} files of ours that nobody needs were deleted`)
  } finally {
    await place.close()
  }
}

/** Objects of another Git directory, as a copy to take from. */
export async function openCopy(
  directory: string,
): Promise<{ readonly copy: CopySource; close(): Promise<void> }> {
  const { place, close } = await openView(directory)
  const objects = await Objects.open(place, nodeRuntime)
  return {
    async copy(oid) {
      try {
        return await objects.read(oid)
      } catch (error) {
        if (error instanceof GitError && error.code !== 'unavailable') return undefined
        throw error
      }
    },
    close,
  }
}

/** Makes our state anew. Nothing is known then of which packs were proved, so all of them are to be. */
async function* ownStateAnew(directory: string): AsyncGenerator<CheckEvent, void> {
  const ours = `${directory}/datakit`
  await mkdir(`${ours}/damaged`, { recursive: true })
  const aside = `${ours}/damaged/state-${Date.now()}`
  await writeFile(aside, await readFile(`${ours}/state`))
  const names = namesIn(`${directory}/objects/pack`).filter((name) => isPackName(name, '.pack'))
  const unverified = names.map((name) => name.slice(0, -'.pack'.length))
  const state = { ...newOwnState(randomId()), unverified }
  await replaceFile(ours, `${ours}/state`, encodeOwnState(state))
  const message = `our state was made anew, with ${unverified.length} packs to be proved; clients of ours meet it as another repository. The old file is "${aside}"`
  yield mended('datakit/state', message)
}

async function* indexesAnew(
  directory: string,
  { packs, badIdx }: DirectoryHealth,
): AsyncGenerator<CheckEvent, void> {
  for (const { pack, bytes, index } of packs) {
    const path = `${directory}/datakit/index/${pack.id}`
    if (bytes !== 'sound' || index !== 'damaged' || !isThere(path)) continue
    await rm(path, { force: true })
    yield mended(
      pack.id,
      `our index of pack ${pack.id} was dropped, and is made when it is asked for`,
    )
  }
  const { files, place, close } = await openView(directory)
  try {
    for (const { pack } of packs.filter((one) => badIdx.includes(one.pack.id))) {
      const path = files.packs.find(pack.id)?.path
      if (path === undefined || files.packs.find(pack.id)?.borrowed === true) continue
      await replaceFile(`${directory}/objects/pack`, `${path}.idx`, await stockIdxOf(place, pack))
      await chmod(`${path}.idx`, 0o444)
      yield mended(pack.id, `Git's index of pack ${pack.id} was made anew from its bytes`)
    }
  } finally {
    await close()
  }
}

/** Puts the checksum right at the end of packs of which nothing else is damaged: their names say what it must be. */
async function* trailersAnew(
  directory: string,
  { packs }: DirectoryHealth,
): AsyncGenerator<CheckEvent, void> {
  for (const { pack, bytes, damaged } of packs) {
    const path = `${directory}/objects/pack/${pack.id}.pack`
    if (bytes !== 'damaged' || damaged.length > 0 || !isThere(path)) continue
    const trailer = await digestOf(path, pack.size - OID_BYTES)
    if (pack.id !== `pack-${toHex(trailer)}`) continue
    const temporary = `${directory}/objects/pack/tmp_pack_${randomName()}`
    await copyFile(path, temporary)
    await chmod(temporary, 0o644)
    const file = await open(temporary, 'r+')
    await file.write(trailer, 0, OID_BYTES, pack.size - OID_BYTES)
    await file.sync()
    await file.close()
    await chmod(temporary, 0o444)
    await rename(temporary, path)
    yield mended(pack.id, `the checksum at the end of pack ${pack.id} was put right`)
  }
}

/** SHA-1 of the first bytes of a file. */
async function digestOf(path: string, length: number): Promise<Uint8Array> {
  const hasher = nodeRuntime.hasher()
  const stream = createReadStream(path, { end: length - 1 })
  for await (const piece of stream) hasher.update(piece as Uint8Array)
  return hasher.digest()
}

async function stockIdxOf(place: Place, pack: PackInfo): Promise<Uint8Array> {
  const stored = new StoredPack(place, pack)
  const { table, trailer } = await readPack(stored.pieces(), {
    runtime: nodeRuntime,
    writer: stored.writer,
    allowsRepeats: true,
  })
  return encodeStockIdx(table, trailer, nodeRuntime)
}

/** Moves files of loose objects that are damaged out of Git's way, where the object is to be had elsewhere. */
async function* setAside(
  directory: string,
  place: Place,
  { badLoose }: DirectoryHealth,
): AsyncGenerator<CheckEvent, void> {
  if (badLoose.length === 0) return
  const objects = await Objects.open(place, nodeRuntime)
  await mkdir(`${directory}/datakit/damaged`, { recursive: true })
  for (const { oid, path } of badLoose) {
    if (!path.startsWith(`${directory}/objects/`) || !(await isHere(objects, oid))) continue
    await rename(path, `${directory}/datakit/damaged/${oid}`)
    yield mended(oid, `the damaged file of ${oid} was set aside: a sound copy is in a pack`)
  }
}
