/**
 * Sweep: deletes what nobody needs.
 *
 * Four kinds: what was condemned long enough ago; packs that were staged and never named; what was written along with a
 * root that was not accepted, or for a pack that never ended; and losses of updates that nobody repeats any more. The age of
 * the second and third is in their keys. Nothing that is younger than a stage lives is touched, and no update names anything that is older, so a sweep and an update
 * never disagree.
 *
 * @module
 */
import { deleteAll, listAll, type BucketObject } from './bucket.ts'
import { readCondemned, type Condemned } from './condemned.ts'
import { isLoss, OBJECT_KINDS, objectKey, objectPrefix, timeOfKey } from './keys.ts'
import { namedBy } from './names.ts'
import { readSegment } from './overflow.ts'
import type { Repository } from './repository.ts'
import type { Root } from './root.ts'
import type { Store } from './store.ts'
import { RECEIPT_LIFETIME, STAGE_LIFETIME } from '../update.ts'

/** How much older than a stage lives something must be, in milliseconds: clocks differ, and an update takes a while. */
export const SWEEP_MARGIN = 60 * 60 * 1000

/** Whether something that no root names is older than anybody may need it. */
export function isOld({ key, uploaded }: BucketObject, now: number): boolean {
  if (isLoss(key)) return uploaded.getTime() < now - RECEIPT_LIFETIME - SWEEP_MARGIN
  return (timeOfKey(key) ?? Infinity) < now - STAGE_LIFETIME - SWEEP_MARGIN
}

/** Deletes and tells how many objects it were. */
export async function sweep(repository: Repository, grace: number): Promise<number> {
  const { root } = await repository.load()
  if (root.repository === '') return 0
  const deleted = await deleteCondemned(repository, root, grace)
  return deleted + (await deleteOrphans(repository, root.repository))
}

async function deleteCondemned(repository: Repository, root: Root, grace: number): Promise<number> {
  const { store, settings } = repository
  const now = settings.clock()
  const isDue = ({ at }: Condemned) => at <= now - grace
  const due = new Set((await readCondemned(store, root)).filter(isDue).map(({ key }) => key))
  if (due.size === 0) return 0
  // First deleted, then forgotten: whoever wants to add a pack looks for it after reading the root.
  await deleteAll(store.bucket, [...due])
  await repository.swap(async (current) => {
    const all = await readCondemned(store, current)
    const left = all.filter(({ key }) => !due.has(key))
    if (left.length === all.length) return { answer: { state: 'done', version: '' } }
    const { repository: id, earlier } = current
    if (earlier) left.push({ key: objectKey('t', id, earlier.id), at: now })
    return {
      next: { ...current, epoch: current.epoch + 1, condemned: left, earlier: undefined },
    }
  })
  return due.size
}

async function deleteOrphans(repository: Repository, id: string): Promise<number> {
  const { store, settings } = repository
  const old: string[] = []
  for (const kind of OBJECT_KINDS) {
    for await (const object of listAll(store.bucket, objectPrefix(kind, id))) {
      if (isOld(object, settings.clock())) old.push(object.key)
    }
  }
  if (old.length === 0) return 0
  // Read after listing: what is old and not named now will never be named.
  const { root } = await repository.load()
  const named = await namedKeys(store, root)
  const orphans = old.filter((key) => !named.has(key))
  await deleteAll(store.bucket, orphans)
  return orphans.length
}

/** Every key that a root names, itself or by what it names. */
async function namedKeys(store: Store, root: Root): Promise<ReadonlySet<string>> {
  const { repository, log } = root
  const named = new Set(namedBy(root))
  for (const { key } of await readCondemned(store, root)) named.add(key)
  for (
    let id = log.older;
    id !== undefined;
    id = (await readSegment(store, repository, id)).older
  ) {
    named.add(objectKey('l', repository, id))
  }
  return named
}
