/**
 * Kept pack: a pack on its way from a place's stage into its state.
 *
 * Its deltas may stand on objects of other packs, which the update that adds it has to name. While it waits, upkeep may
 * merge those packs away: the objects are elsewhere then, and the pack is added with what holds them by now.
 *
 * @module
 */
import { RefusedError, UnavailableError } from '../error.ts'
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import type { PackId, StagedPack, UpdateRequest } from '../place.ts'
import { attemptId } from './repeat.ts'
import { checkRepository } from './same-repository.ts'
import { settleUpdate } from './settle.ts'
import type { UnfinishedPack } from './stage.ts'
import { shortenChains } from './thin-bases.ts'

/** How often a pack is added anew that was lost to changes elsewhere. */
const MAX_ATTEMPTS = 32

/** A pack that a place holds back. */
export interface KeptPack {
  readonly staged: StagedPack
  /** Objects outside of it that its deltas stand on. */
  readonly bases: readonly Oid[]
}

/**
 * Keeps the pack, invisible to everyone. The writer is done with, whatever happens.
 *
 * @param promisor whether it is from a remote that has what it names and is not here
 */
export async function keepPack(
  objects: Objects,
  read: UnfinishedPack,
  promisor = false,
): Promise<KeptPack> {
  let pack = read
  try {
    pack = await shortenChains(objects, read)
    const { table, outside: bases } = pack
    const needs = await packsOf(objects, bases)
    return { staged: await pack.writer.finish({ table, needs, verified: true, promisor }), bases }
  } catch (error) {
    await pack.writer.abort()
    throw error
  }
}

/**
 * The pack as the next attempt adds it, after one that was lost to `gone`: with the packs that hold its bases in the state
 * that `objects` have now.
 *
 * @throws RefusedError `stage-expired` when it is the pack itself that is gone
 */
export async function renew(
  objects: Objects,
  { staged, bases }: KeptPack,
  gone: readonly PackId[],
): Promise<KeptPack> {
  if (gone.includes(staged.id))
    throw new RefusedError('stage-expired', 'The pack was not taken in time: push again')
  return { staged: { ...staged, needs: await packsOf(objects, bases) }, bases }
}

/** What is said along with a pack that is made visible. */
export interface PackNotice extends Pick<
  UpdateRequest,
  'id' | 'repository' | 'log' | 'shallow' | 'promised'
> {
  readonly signal?: AbortSignal | undefined
}

/**
 * Makes a pack visible; no ref moves. `objects` see it afterwards.
 *
 * @throws RefusedError `stage-expired`, `repository-changed`
 * @throws UnavailableError when the place does not take it
 */
export async function publishPack(
  objects: Objects,
  pack: KeptPack,
  { id, signal, ...notice }: PackNotice,
): Promise<void> {
  let kept = pack
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const request = { ...notice, id: attemptId(objects, id, attempt), isFirst: true, refs: [] }
    const update = { ...request, addPacks: [kept.staged] }
    const outcome = await settleUpdate(objects.place, update, signal)
    const state = await objects.refresh({ signal })
    if (outcome.state === 'done') return
    checkRepository(notice.repository, state)
    kept = await renew(objects, kept, outcome.packs)
  }
  throw new UnavailableError('The packs of the repository change too fast for one to be added')
}

/** A pack for each of the objects that holds it. */
async function packsOf(objects: Objects, oids: readonly Oid[]): Promise<PackId[]> {
  const packs = new Set<PackId>()
  for (const oid of oids) {
    const copies = await objects.locate(oid)
    if (copies.some(({ pack }) => packs.has(pack.id))) continue
    for (const { pack } of copies.slice(0, 1)) packs.add(pack.id)
  }
  return [...packs]
}
