/**
 * Verification: packs whose index came from someone else are proved, in the background.
 *
 * A pack that was received along with its index is kept as not verified: the index only says where bytes are, and nothing
 * of it is copied or merged. Here the pack is read as if it came in for the first time: every object inflated and named,
 * everything that it names found, and the index compared with what was read, row by row. Then it is marked.
 *
 * @module
 */
import { GitError, MalformedError } from '@datakit/git/error'
import { Objects } from '@datakit/git/objects'
import type { PackLimits } from '@datakit/git/pack/pack-limits'
import { readPack } from '@datakit/git/pack/read-pack'
import type { PackId, PackInfo, Place } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import { compareIndex } from './compare-index.ts'
import { checkNamed } from './named.ts'
import { StoredPack } from './stored-pack.ts'

/** A pack that is not what its index says. */
export interface DamagedPack {
  readonly id: PackId
  readonly problem: string
}

/** What to verify, and how. */
export interface VerifyOptions {
  readonly signal?: AbortSignal | undefined
  /** Bytes of the largest pack that is looked at; all are when left out. */
  readonly maxSize?: number | undefined
  /** What a pack may come to at most; what `readPack` takes when left out, but 64 GB of bodies. One that is more is damaged. */
  readonly limits?: PackLimits | undefined
  /** The objects of the place, where somebody has them open and has just refreshed them; opened anew when left out. */
  readonly objects?: Objects | undefined
}

/**
 * Bytes of other packs and objects that are kept meanwhile, and of what deltas of the pack that is read are made of. With the
 * {@link StoredPack} and tables of 250 bytes an object, a pack of 11 MB and 100,000 objects takes 48 MB (81 with garbage); on top
 * comes three times its largest object.
 */
const CACHE = 8_000_000
const KEPT = 24_000_000
/** Bytes of all bodies of a pack: minutes of hashing. Ten thousand versions of a directory of a hundred thousand files are 46 GB. */
const INFLATED = 64e9

/**
 * Verifies every live pack that is not, oldest first, and marks it. Packs that fail stay as they are, and are told.
 * Packs that are replaced meanwhile are passed over.
 */
export async function verifyPacks(
  place: Place,
  runtime: Runtime,
  options: VerifyOptions = {},
): Promise<{ readonly verified: number; readonly damaged: readonly DamagedPack[] }> {
  const { maxSize = Infinity } = options
  const objects = options.objects ?? (await Objects.open(place, runtime, { bytes: CACHE }))
  const damaged: DamagedPack[] = []
  let verified = 0
  for (const pack of objects.state.packs) {
    if (pack.verified || pack.size > maxSize) continue
    options.signal?.throwIfAborted()
    try {
      await verifyPack(objects, pack, options)
    } catch (error) {
      if (!(error instanceof GitError)) throw error
      const isGone = !(await objects.refresh()).packs.some(({ id }) => id === pack.id)
      if (!isGone) damaged.push({ id: pack.id, problem: error.message })
      continue
    }
    await place.markVerified([pack.id])
    await objects.refresh()
    verified++
  }
  return { verified, damaged }
}

async function verifyPack(
  objects: Objects,
  pack: PackInfo,
  { signal, limits }: VerifyOptions,
): Promise<void> {
  const { place, runtime } = objects
  const index = await objects.indexOf(pack)
  const stored = new StoredPack(place, pack)
  const { table, size } = await readPack(stored.pieces(), {
    runtime,
    writer: stored.writer,
    resolveBase: async (oid) => ((await objects.has(oid)) ? objects.read(oid) : undefined),
    limits: { inflated: INFLATED, ...limits },
    cache: KEPT,
    signal,
  })
  try {
    if (size !== pack.size) throw damage(pack, `it has ${size} bytes, not ${pack.size}`)
    if (table.count !== pack.objects)
      throw damage(pack, `it holds ${table.count} objects, not ${pack.objects}`)
    const difference = await compareIndex(objects, { table, index }, signal)
    if (difference !== undefined) throw damage(pack, difference)
    await checkNamed(objects, table, signal)
  } finally {
    table.release()
  }
}

function damage({ id }: PackInfo, problem: string): MalformedError {
  return new MalformedError(`pack ${id}`, problem)
}
