/**
 * Losses: that an update was lost, kept beside the root, so that it stays lost whatever a late repetition would find.
 *
 * What is done has its receipt in the root, in the same put. What is lost has no put of the root, and should not need one:
 * R2 takes about one a second, and when many write at once, most of them lose. So a loss is an object of its own, under a
 * key that follows from the id of the update. The rules:
 *
 * - whoever puts a root has looked for a loss after reading the root that it replaces, and found none;
 * - whoever says `lost` has kept the loss first, then read the root, and found no receipt of another outcome but refs or a
 *   HEAD that are elsewhere. Where they are not (they came back, or only packs are gone), the receipt is put into the root.
 *
 * So one update has one answer. Let one attempt at it be put over a root R, and another one say `lost`. If that had read its
 * root before R was there, its loss was there before R, and the first has found it. If it read R, the two found the same
 * refs. If it read a later root, it found the receipt. And of two puts over R only one is stored.
 *
 * Spec: docs/storage-format.md, "R2"
 *
 * @module
 */
import { toHex, utf8 } from '@datakit/git/bytes'
import { UnavailableError } from '@datakit/git/error'
import { sha1 } from '@datakit/git/sha1'
import type { KeptReceipt } from '../update.ts'
import { Fields } from './fields.ts'
import { objectKey } from './keys.ts'
import { decodeReceipt, encodeReceipt, type Root } from './root.ts'
import { hasBody, retrying, type Store } from './store.ts'
import { findReceipt } from './tables.ts'

/** The update that was last found not to be lost, on a root: nobody looks twice. */
const unlost = new WeakMap<Root, string>()

/**
 * How an update ended, by the receipts of a root or else by its loss.
 *
 * @throws UnavailableError when the bucket cannot be read
 */
export async function findOutcome(
  store: Store,
  root: Root,
  id: string,
): Promise<KeptReceipt | undefined> {
  return (await findReceipt(store, root, id)) ?? (await findLoss(store, root, id))
}

/**
 * What is kept beside a root of an update that was lost; `undefined` where nothing was when the root had been read.
 *
 * @throws UnavailableError when the bucket cannot be read
 */
export async function findLoss(
  store: Store,
  root: Root,
  id: string,
): Promise<KeptReceipt | undefined> {
  if (root.repository === '' || unlost.get(root) === id) return undefined
  const loss = await readLoss(store, root.repository, id)
  if (!loss) unlost.set(root, id)
  return loss
}

/**
 * Keeps that an update was lost; one that is kept already stays as it is.
 *
 * @throws UnavailableError when the bucket does not take it: then the update is not lost yet
 */
export async function keepLoss(store: Store, root: Root, loss: KeptReceipt): Promise<void> {
  unlost.delete(root)
  const key = lossKey(root.repository, loss.id)
  const bytes = utf8(JSON.stringify(encodeReceipt(loss)))
  try {
    await store.bucket.put(key, bytes, { onlyIf: { etagDoesNotMatch: '*' } })
  } catch (cause) {
    if (await store.bucket.head(key).catch(() => null)) return
    throw new UnavailableError(`Cannot write "${key}": the bucket did not take it`, { cause })
  }
}

async function readLoss(
  { bucket }: Store,
  repository: string,
  id: string,
): Promise<KeptReceipt | undefined> {
  const bytes = await retrying(async () => {
    const object = await bucket.get(lossKey(repository, id))
    return object && hasBody(object) ? new Uint8Array(await object.arrayBuffer()) : undefined
  })
  const fields = new Fields('a receipt')
  return bytes && decodeReceipt(fields, repository, fields.decode(bytes))
}

/** Ids have any length, keys have not. */
function lossKey(repository: string, id: string): string {
  return objectKey('r', repository, toHex(sha1(utf8(id))))
}
