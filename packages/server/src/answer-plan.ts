/**
 * Answer plan: a name for how the pack of an answer is made, so that a client can ask for the rest of one that was cut off.
 *
 * The same objects, copied from the same places for a receiver that has the same, make the same bytes. The name is a digest of
 * all that decides over them; whoever finds it again has the bytes again, without keeping any. What a digest cannot see, such as
 * another version of the program that compresses otherwise, the trailer of the pack tells the client.
 *
 * @module
 */
import { toHex, utf8 } from '@datakit/git/bytes'
import type { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import type { ResumedAnswer } from '@datakit/git/protocol/sync'
import { reachedOf } from '@datakit/git/transport/negotiate'
import type { Readable } from '@datakit/git/transport/reach'
import type { Selection, SelectRequest } from '@datakit/git/transport/select'
import { ProblemError } from './problem.ts'

/** Answers that copy fewer bytes have no name: sending them anew costs less than to find out about it. */
const LARGE = 4 * 1024 * 1024
/** To be changed with the way in which packs are made. */
const MAKING = 'pack 1'

/** Names the pack of a selection; `undefined` for a small one. */
export async function planOf(
  objects: Objects,
  selection: Selection,
  { wants, haves, filter, paths, held }: SelectRequest,
): Promise<string | undefined> {
  const { packs } = objects.state
  const ranks = new Map(packs.map(({ id }, rank) => [id, rank]))
  const rows = new Float64Array(2 * selection.count)
  let [bytes, last, next] = [0, -1, 0]
  for (const node of selection.nodes) {
    const { index, ordinal, pack } = selection.graph.stored(node)
    const rank = ranks.get(pack?.id ?? '') ?? -1
    bytes += index.length(ordinal)
    last = Math.max(last, rank)
    rows[next++] = rank
    rows[next++] = index.offset(ordinal)
  }
  if (bytes < LARGE) return undefined
  const here: Oid[] = []
  for (const oid of haves) if (await objects.has(oid)) here.push(oid)
  // Packs that come later are no matter: an object is copied from the first one that has it.
  const stored = packs.slice(0, last + 1).map(({ id, verified }) => [id, verified])
  // What was left out decides over the bases of deltas, too.
  const left = [filter?.blobLimit, paths, held?.filter?.blobLimit, held?.paths]
  const facts = [MAKING, stored, wants, here, selection.whole?.id, left]
  const places = new Uint8Array(rows.buffer)
  return toHex(objects.runtime.sha1(utf8(JSON.stringify(facts)), places))
}

/**
 * Makes sure that the client may still have what it was sent the front of: a ref points at it or leads to it.
 *
 * @throws ProblemError `plan-gone`
 */
export async function checkResumed(
  objects: Objects,
  { wants }: ResumedAnswer,
  readable: Readable,
): Promise<void> {
  const reached = await reachedOf(objects, wants, readable)
  if (!wants.every((oid) => reached.has(oid))) throw planGone()
}

/** What was cut off cannot be had again byte for byte. */
export function planGone(): ProblemError {
  return new ProblemError(
    'plan-gone',
    'The repository was changed or compacted meanwhile, so that the answer that was cut off cannot be gone on with. Send the request itself again',
  )
}
