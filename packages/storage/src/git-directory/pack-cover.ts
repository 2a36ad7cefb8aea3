/**
 * Pack cover: whether a pack can go because other packs hold all that it holds.
 *
 * Stock Git may rely on any object of any pack, be it in no ref's reach, so no pack leaves a Git directory without that.
 * A pack that is not verified proves nothing: its index may have come over the wire. What a promisor's pack holds must be in
 * promisors' packs: Git takes what is named there and nowhere else for promised.
 *
 * @module
 */
import { GitError, RefusedError } from '@datakit/git/error'
import { encodeOid, readOid, type Oid } from '@datakit/git/oid'
import type { PackId, PackInfo, UpdateRequest } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { openPackIndexBytes } from '@datakit/git/pack/pack-index'
import { openStockIdx, type StockIdx } from '@datakit/git/pack/idx'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

import { isAbsent, readIfThere } from './durable.ts'
import type { GitFiles, Moment } from './git-files.ts'
import { openIdx } from './pack-files.ts'

/**
 * Checks that every pack that a request removes is held by others that stay or come with it.
 *
 * @throws RefusedError `not-contained` when an object would be lost, or the pack is a borrowed one
 */
export async function checkContained(
  files: GitFiles,
  request: UpdateRequest,
  moment: Moment,
): Promise<void> {
  const adds = request.addPacks ?? []
  const added = new Set(adds.map(({ id }) => id))
  const removed = (request.removePacks ?? []).filter((id) => !added.has(id))
  if (removed.length === 0) return
  const gone = new Set(removed)
  const stay = moment.packs.filter(({ id }) => !gone.has(id))
  const proof = [...stay, ...adds].filter(({ verified }) => verified)
  const keepers = await openAll(
    files,
    proof.map(({ id }) => id),
  )
  for (const id of removed) {
    if (files.packs.find(id)?.borrowed === true)
      throw refused(id, 'it is borrowed from another repository')
    const missing = await findUncovered(files, id, keepersOf(files, id, keepers))
    if (missing !== undefined) throw refused(id, `no other pack holds ${missing}`)
  }
}

/** Whether verified packs other than itself and those in `except` hold every object of a pack. */
export async function isContained(
  files: GitFiles,
  id: PackId,
  except: ReadonlySet<PackId>,
): Promise<boolean> {
  const unverified = new Set(files.ownState().unverified)
  const others = files.packs.list().map((pack) => pack.id)
  const keepers = await openAll(
    files,
    others.filter((other) => other !== id && !except.has(other) && !unverified.has(other)),
  )
  return (await findUncovered(files, id, keepersOf(files, id, keepers))) === undefined
}

/**
 * Those of `packs`, verified ones and loose objects, that together hold every object of a pack; `undefined` when one is in
 * none of them, or what the pack holds cannot be read.
 */
export async function coverOf(
  files: GitFiles,
  id: PackId,
  packs: readonly PackInfo[],
): Promise<ReadonlySet<PackId> | undefined> {
  try {
    const ids = packs.filter(({ verified }) => verified).map((pack) => pack.id)
    const keepers = keepersOf(files, id, [
      ...(await openAll(files, ids)),
      ...(await looseKeepers(files, ids)),
    ])
    const used = new Set<PackId>()
    return (await findUncovered(files, id, keepers, used)) === undefined ? used : undefined
  } catch (error) {
    // Who reads comes upon what is broken by himself.
    if (error instanceof GitError || isAbsent(error)) return undefined
    throw error
  }
}

/** Whether stock Git has put all that a pack held, which is gone, into others of these. */
export async function isReplaced(
  files: GitFiles,
  id: PackId,
  packs: readonly PackInfo[],
): Promise<boolean> {
  const cover = await coverOf(files, id, packs)
  return cover !== undefined && cover.size > 0
}

/** Those that may keep the objects of a pack. */
function keepersOf(files: GitFiles, id: PackId, keepers: readonly Keeper[]): readonly Keeper[] {
  const isPromisor = files.packs.find(id)?.promisor === true
  return isPromisor ? keepers.filter(({ promisor }) => promisor) : keepers
}

async function findUncovered(
  files: GitFiles,
  id: PackId,
  keepers: readonly Keeper[],
  used = new Set<PackId>(),
): Promise<Oid | undefined> {
  for (const oid of await oidsOf(files, id)) {
    const bytes = encodeOid(oid)
    const keeper = keepers.find(({ idx }) => idx.find(bytes) >= 0)
    if (keeper === undefined) return oid
    used.add(keeper.id)
  }
  return undefined
}

async function oidsOf(files: GitFiles, id: PackId): Promise<Iterable<Oid>> {
  const loose = await files.loose.find(id)
  if (loose !== undefined) return loose.oids
  const pack = files.packs.find(id)
  if (pack === undefined) return await oidsOfGone(files, id)
  const idx = await openIdx(pack)
  return Array.from({ length: idx.count }, (_, i) => idx.oid(i))
}

/** What a pack held that is gone, as far as our index of it is still there: of one that nobody has read, nothing. */
async function oidsOfGone(files: GitFiles, id: PackId): Promise<Oid[]> {
  const bytes = await readIfThere(await files.indexPathOf(id))
  if (bytes === undefined) return []
  const index = await openPackIndexBytes(bytes)
  return Array.from({ length: index.count }, (_, i) => index.oid(i))
}

interface Keeper {
  readonly id: PackId
  readonly idx: Pick<StockIdx, 'find'>
  readonly promisor: boolean
}

/** Git's indexes of packs that are visible or staged. Copies of loose objects keep nothing. */
async function openAll(files: GitFiles, ids: readonly PackId[]): Promise<Keeper[]> {
  const keepers: Keeper[] = []
  for (const id of ids) {
    const pack = files.packs.find(id)
    const staged = files.stage.find(id)
    const promisor = staged !== undefined && existsSync(`${staged}/pack/${id}.promisor`)
    if (pack !== undefined)
      keepers.push({ id, idx: await openIdx(pack), promisor: promisor || pack.promisor })
    else if (staged !== undefined) {
      const bytes = await readFile(`${staged}/pack/${id}.idx`)
      keepers.push({ id, idx: openStockIdx(bytes, nodeRuntime), promisor })
    }
  }
  return keepers
}

async function looseKeepers(files: GitFiles, ids: readonly PackId[]): Promise<Keeper[]> {
  const copies = await Promise.all(ids.map((id) => files.loose.find(id)))
  return copies.flatMap((copy) => {
    if (copy === undefined) return []
    const find = (oid: Uint8Array): number => (copy.oids.has(readOid(oid)) ? 0 : -1)
    return [{ id: copy.id, idx: { find }, promisor: false }]
  })
}

function refused(id: PackId, why: string): RefusedError {
  return new RefusedError('not-contained', `Cannot remove the pack "${id}": ${why}`)
}
