/**
 * Promised: objects that were left with a remote come in later, when somebody wants them.
 *
 * No ref moves: what leads to them is here already. Every object is checked as in a push; what they name in turn and is
 * not here stays with the same remote.
 *
 * @module
 */
import { MissingError } from '../error.ts'
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import { findRow } from '../pack/pack-table.ts'
import type { UpdateRequest } from '../place.ts'
import { Children, KINDS } from './children.ts'
import { keepPack, publishPack } from './kept-pack.ts'
import { readIntoPlace, type ReceiveLimits, type UnfinishedPack } from './stage.ts'

/** Objects that come from the remote that has them. */
export interface PromisedPack {
  /** Random, 32 hexadecimal digits. */
  readonly id: string
  /** What was asked for. */
  readonly oids: readonly Oid[]
  readonly pack: AsyncIterable<Uint8Array>
  /** Name of the remote. */
  readonly remote: string
  readonly limits?: ReceiveLimits | undefined
  readonly log: UpdateRequest['log']
  readonly signal?: AbortSignal | undefined
}

/**
 * Takes objects in. Gives those that were asked for and did not come; when none did, nothing is kept.
 *
 * @throws MissingError when a commit is missing that one of them names
 * @throws RefusedError, MalformedError as `readIntoPlace`
 */
export async function receivePromised(objects: Objects, request: PromisedPack): Promise<Oid[]> {
  const { id, remote, log, limits, signal } = request
  const children = new Children()
  const read = await readIntoPlace(objects, request.pack, { children, limits, signal })
  const missing = request.oids.filter((oid) => findRow(read.table, oid) < 0)
  if (missing.length === request.oids.length) {
    await read.writer.abort()
    return missing
  }
  let add: readonly Oid[]
  try {
    add = await findLeft(objects, children, read)
  } catch (error) {
    await read.writer.abort()
    throw error
  }
  const kept = await keepPack(objects, read, true)
  await publishPack(objects, kept, { id, promised: { add, remote }, log, signal })
  return missing
}

/** What the objects name that is neither here nor promised so far. */
async function findLeft(
  objects: Objects,
  children: Children,
  { table }: UnfinishedPack,
): Promise<Oid[]> {
  const outside = children.outside(table)
  const left: Oid[] = []
  for (let place = 0; place < outside.size; place++) {
    const oid = outside.oid(place)
    if (await objects.has(oid)) continue
    const kind = outside.value(place)
    if (kind !== KINDS.tree && kind !== KINDS.blob)
      throw new MissingError('what a promised object names', oid)
    if ((await objects.state.promised(oid)) === undefined) left.push(oid)
  }
  return left
}
