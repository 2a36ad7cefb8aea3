/**
 * Tail: a merged index of several packs, which a new pack carries behind its own.
 *
 * With tails a cold start looks up objects in few places, however many packs there are: a tail takes in the one before
 * it, until it is {@link ENOUGH} bytes long; then it stays as it is, and the next pack begins another. Every tail that no
 * later one includes is a catalog of the state. A pack whose own index is large is left out and opened by itself, and so
 * is an unverified one, since the copy of an object that a merged index names should be the one to prefer. A large pack, and one
 * that maintenance puts in the place of others, takes in more, up to {@link LARGE}: it is written rarely, and nobody waits for it.
 *
 * Spec: docs/storage-format.md, "R2"
 *
 * @module
 */
import { MissingError } from '@datakit/git/error'
import { mergeIndexes, type MergePart } from '@datakit/git/pack/merge-indexes'
import { openPackIndex, openPackIndexBytes } from '@datakit/git/pack/pack-index'
import type { PackId, PackInfo } from '@datakit/git/place'
import { ENOUGH, LARGE, type CatalogRow } from './catalogs.ts'
import { packKey } from './keys.ts'
import type { Root } from './root.ts'
import type { Store } from './store.ts'

/** How many others a tail takes in at a time, so that no single pack pays for many that have none. */
const AT_ONCE = 16

/** A merged index and what it covers. */
export interface Tail {
  readonly bytes: Uint8Array
  readonly covers: readonly PackId[]
}

/** A pack that is about to be kept. */
export interface NewPack {
  readonly id: PackId
  readonly index: Uint8Array
  readonly verified: boolean
  /** Packs that leave when it comes, and that a catalog must not cover then. */
  readonly replaces: readonly PackId[]
}

/** The tail for a pack that may be added to what `root` names; `undefined` when it should have none. */
export async function makeTail(store: Store, root: Root, pack: NewPack): Promise<Tail | undefined> {
  const { index, replaces } = pack
  const limit = replaces.length > 0 || index.length > ENOUGH ? LARGE : ENOUGH
  if (!pack.verified || index.length > limit) return undefined
  const { open, single } = othersFor(root, new Set(replaces), limit)
  if (open.length + single.length === 0) return undefined
  const others = [
    ...open.map((row) => openTail(store, row)),
    ...single.map((info) => openOne(store, info)),
  ]
  const found = await unlessGone(Promise.all(others))
  if (!found) return undefined
  const parts: MergePart[] = [...found, { index: await openPackIndexBytes(index), pack: pack.id }]
  const bytes = await mergeIndexes(parts)
  const covers = new Set(
    parts.flatMap((part) => (part.pack === undefined ? part.index.packs : [part.pack])),
  )
  return { bytes, covers: [...covers] }
}

/** The catalogs that a tail takes in, and the packs that none of those that stay covers. */
function othersFor(
  { catalogs, packs }: Root,
  gone: ReadonlySet<PackId>,
  limit: number,
): { readonly open: readonly CatalogRow[]; readonly single: readonly PackInfo[] } {
  const staying = catalogs.filter(({ covers }) => !covers.some((id) => gone.has(id)))
  const covered = new Set(staying.flatMap(({ covers }) => covers))
  const uncovered = packs.filter(
    ({ id, verified, indexSize }) =>
      verified && indexSize <= limit && !covered.has(id) && !gone.has(id),
  )
  let bytes = 0
  const single = uncovered.slice(0, AT_ONCE).filter(({ indexSize }) => {
    bytes += indexSize
    return bytes <= 2 * limit
  })
  return { open: staying.filter(({ size }) => size < limit).slice(-AT_ONCE), single }
}

async function openTail(store: Store, { key, start, size }: CatalogRow): Promise<MergePart> {
  const index = await openPackIndex((from, to) => store.read(key, start + from, start + to), size)
  return { index, pack: undefined }
}

async function openOne(store: Store, { id, size, indexSize }: PackInfo): Promise<MergePart> {
  const key = packKey(id) ?? id
  const index = await openPackIndex(
    (from, to) => store.read(key, size + from, size + to),
    indexSize,
  )
  return { index, pack: id }
}

/** What is promised, or `undefined` when a pack was swept meanwhile: then the root that named it is not the last one. */
async function unlessGone<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof MissingError) return undefined
    throw error
  }
}
