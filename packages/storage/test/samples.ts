/**
 * Samples: what the contract of places is tried with. Portable, like the contract.
 *
 * @module
 */
import { concat, utf8 } from '@datakit/git/bytes'
import { nameObject, type GitObject } from '@datakit/git/object'
import { parseOid, type Oid } from '@datakit/git/oid'
import { applyDelta } from '@datakit/git/pack/delta'
import { readEntryHeader } from '@datakit/git/pack/entry'
import { openPackIndex } from '@datakit/git/pack/pack-index'
import { encodePack, type PackObject } from '@datakit/git/pack/write-pack'
import type {
  PackId,
  PackInfo,
  Place,
  RefUpdate,
  StagedPack,
  State,
  UpdateOutcome,
  UpdateRequest,
} from '@datakit/git/place'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { randomId } from '../src/update.ts'

/** A place and what a test may do to it from outside. */
export interface PlaceUnderTest {
  readonly place: Place
  /** The same repository once more, opened anew; closed by `destroy`. */
  reopen(): Promise<Place>
  /** Ends everything that was opened and deletes the repository. */
  destroy(): Promise<void>
}

/** Makes a place whose repository does not exist yet. */
export type MakePlace = () => Promise<PlaceUnderTest>

/** The oid that spells a number; no object has it. */
export function oid(number: number): Oid {
  return parseOid(number.toString(16).padStart(40, '0'))
}

/** A request with an id of its own and a plain log. */
export function request(
  refs: readonly RefUpdate[],
  more: Partial<UpdateRequest> = {},
): UpdateRequest {
  const log = { who: 'Ada <ada@example.org>', why: 'commit: edit' }
  return { id: randomId(), refs, log, ...more }
}

/** A wish to move a ref. */
export function move(name: string, from: Oid | undefined, to: Oid | undefined): RefUpdate {
  return { name, from, to }
}

/** Updates until the place says done or lost: waits while it is busy, asks again when the answer was lost. */
export async function settle(
  place: Place,
  wish: UpdateRequest,
): Promise<Extract<UpdateOutcome, { state: 'done' | 'lost' }>> {
  for (;;) {
    const outcome = await place.update(wish)
    if (outcome.state === 'done' || outcome.state === 'lost') return outcome
    const delay = outcome.state === 'busy' ? outcome.retryAfter : 10
    await new Promise((resolve) => setTimeout(resolve, delay))
  }
}

/** Updates and expects that it is done. */
export async function done(place: Place, wish: UpdateRequest): Promise<string> {
  const outcome = await settle(place, wish)
  if (outcome.state === 'done') return outcome.version
  throw new Error(`Expected an update that is done, found ${JSON.stringify(outcome)}`)
}

/** Lets everything else that waits have a turn; a loop over a place in memory would let nobody. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve))
}

/** Everything that the iterable gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** A blob for a pack. */
export function blob(text: string): PackObject & { readonly oid: Oid } {
  const object: GitObject = { type: 'blob', body: utf8(text) }
  return { ...object, oid: nameObject(portableRuntime, object) }
}

/** A blob whose body does not compress, so that its pack has about so many bytes. */
export function noise(size: number, seed: number): PackObject & { readonly oid: Oid } {
  const body = new Uint8Array(size)
  let x = seed * 2654435761 + 1
  for (let i = 0; i < size; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    body[i] = x >>> 24
  }
  return { type: 'blob', body, oid: nameObject(portableRuntime, { type: 'blob', body }) }
}

/** A blob that differs from `body` in three bytes, which follow from `number`. */
export function patched(body: Uint8Array, number = 1): PackObject & { readonly oid: Oid } {
  const other = body.slice()
  other.set([number, number + 1, number + 2], body.length >> 1)
  return {
    type: 'blob',
    body: other,
    oid: nameObject(portableRuntime, { type: 'blob', body: other }),
  }
}

/** Writes a pack of `objects` in pieces and ends it: a stage. */
export async function stage(
  place: Place,
  objects: readonly PackObject[],
  needs: readonly PackId[] = [],
): Promise<StagedPack> {
  const { bytes, table } = await encodePack(portableRuntime, objects)
  const writer = await place.writePack()
  const half = Math.ceil(bytes.length / 2)
  for (let i = 0; i < bytes.length; i += half) await writer.write(bytes.subarray(i, i + half))
  return writer.finish({ table, needs, verified: true })
}

/** The body of an object by way of the indexes and packs of a state; `undefined` when no pack has it. */
export async function find(
  place: Place,
  state: State,
  wanted: Oid,
): Promise<GitObject | undefined> {
  for (const pack of state.packs) {
    const object = await findInPack({ place, state, pack }, wanted)
    if (object) return object
  }
  return undefined
}

interface Where {
  readonly place: Place
  readonly state: State
  readonly pack: PackInfo
}

async function findInPack(where: Where, wanted: Oid): Promise<GitObject | undefined> {
  const { place, state, pack } = where
  const read = (start: number, end: number) => place.readIndex(pack.id, start, end)
  const index = await openPackIndex(read, pack.indexSize)
  const ordinal = index.find(wanted)
  if (ordinal < 0) return undefined
  const start = index.offset(ordinal)
  const entry = await place.readPack(pack.id, start, start + index.length(ordinal))
  const header = readEntryHeader(entry, 0)
  if (!header) throw new Error(`The entry of ${wanted} in ${pack.id} is cut short`)
  const body = portableRuntime.inflate(entry, header.length, entry.length, header.size)
  const base = index.linkOid(index.base(ordinal))
  const object =
    base === undefined
      ? { type: index.type(ordinal), body }
      : await resolve(await find(place, state, base), body)
  if (nameObject(portableRuntime, object) !== wanted) throw new Error(`${wanted} is not itself`)
  return object
}

async function resolve(base: GitObject | undefined, delta: Uint8Array): Promise<GitObject> {
  if (!base) throw new Error('The base of a delta is in no pack')
  return { type: base.type, body: applyDelta(base.body, delta) }
}

/** A whole pack, read in pieces of `step` bytes. */
export async function readWhole(place: Place, pack: PackInfo, step: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for (let i = 0; i < pack.size; i += step) {
    pieces.push(await place.readPack(pack.id, i, Math.min(pack.size, i + step)))
  }
  return concat(pieces)
}
