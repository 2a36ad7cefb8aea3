/**
 * Pack cover: whether a pack can go because other packs hold all that it holds.
 *
 * Stock Git may rely on any object of any pack, be it in no ref's reach, so no pack leaves a Git directory without that.
 * A pack that is not verified proves nothing: its index may have come over the wire. What a promisor's pack holds must be in
 * promisors' packs: Git takes what is named there and nowhere else for promised.
 *
 * @module
 */
import { RefusedError } from '@datakit/git/error'
import { encodeOid, type Oid } from '@datakit/git/oid'
import type { PackId, UpdateRequest } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { openStockIdx, type StockIdx } from '@datakit/git/pack/idx'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

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

/** Those that may keep the objects of a pack. */
function keepersOf(files: GitFiles, id: PackId, keepers: readonly Keeper[]): readonly Keeper[] {
  const isPromisor = files.packs.find(id)?.promisor === true
  return isPromisor ? keepers.filter(({ promisor }) => promisor) : keepers
}

async function findUncovered(
  files: GitFiles,
  id: PackId,
  keepers: readonly Keeper[],
): Promise<Oid | undefined> {
  for (const oid of await oidsOf(files, id)) {
    const bytes = encodeOid(oid)
    if (!keepers.some(({ idx }) => idx.find(bytes) >= 0)) return oid
  }
  return undefined
}

async function oidsOf(files: GitFiles, id: PackId): Promise<Iterable<Oid>> {
  const loose = await files.loose.find(id)
  if (loose !== undefined) return loose.oids
  const pack = files.packs.find(id)
  if (pack === undefined) return []
  const idx = await openIdx(pack)
  return Array.from({ length: idx.count }, (_, i) => idx.oid(i))
}

interface Keeper {
  readonly idx: StockIdx
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
      keepers.push({ idx: await openIdx(pack), promisor: promisor || pack.promisor })
    else if (staged !== undefined) {
      const bytes = await readFile(`${staged}/pack/${id}.idx`)
      keepers.push({ idx: openStockIdx(bytes, nodeRuntime), promisor })
    }
  }
  return keepers
}

function refused(id: PackId, why: string): RefusedError {
  return new RefusedError('not-contained', `Cannot remove the pack "${id}": ${why}`)
}
