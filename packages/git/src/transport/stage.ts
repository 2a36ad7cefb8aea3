/**
 * Stage: a pack from outside is read into a place, and every object checked. `kept-pack.ts` keeps it then.
 *
 * @module
 */
import { equal, utf8 } from '../bytes.ts'
import { isCollision } from '../collision.ts'
import { MalformedError, MissingError, RefusedError } from '../error.ts'
import { checkObject } from '../fsck.ts'
import { judgeAsUsual, type Judge } from './judge.ts'
import { objectHeader } from '../object.ts'
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import type { PackLimits } from '../pack/pack-limits.ts'
import { readPack, type PackedObject, type ReadPack } from '../pack/read-pack.ts'
import type { PackWriter } from '../place.ts'
import type { Children } from './children.ts'

/** What may come in, and how much memory it may take. */
export interface ReceiveLimits extends PackLimits {
  /** Bytes of bodies and deltas that are kept while a pack is read. */
  readonly cache?: number | undefined
}

/**
 * What is taken where nobody says otherwise; fits into a Worker of 128 MB: a table and the names of 300,000 objects take
 * 50 MB at most, bodies on the way 24 MB, and the largest object comes on top.
 */
export const RECEIVE_LIMITS = {
  bytes: 1_000_000_000,
  objects: 300_000,
  object: 25_000_000,
  inflated: 20_000_000_000,
  depth: 4095,
  cache: 24_000_000,
} as const satisfies ReceiveLimits

/** A pack that was read and is not kept yet. */
export interface UnfinishedPack extends ReadPack {
  readonly writer: PackWriter
}

/** What reading needs beside the bytes. */
export interface StageOptions {
  readonly limits?: ReceiveLimits | undefined
  /** Takes note of what the objects name. */
  readonly children: Children
  /** Decides about what is wrong with an object; as `judgeAsUsual` when left out. */
  readonly judge?: Judge | undefined
  /** Whether a delta may rest on an object that is not in the pack; on any that is here when left out. */
  readonly mayRestOn?: ((oid: Oid) => Promise<boolean>) | undefined
  /** Takes what there is to say of objects that are taken all the same. */
  readonly say?: ((piece: Uint8Array) => void) | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads a pack to its end and checks every object. The writer is the caller's then, to finish or to abort.
 *
 * @throws MalformedError, MissingError, RefusedError as `readPack`; RefusedError `fsck` when an object must not be taken
 *   and `collision` when it is not what we hold under its name; nothing is left behind then
 */
export async function readIntoPlace(
  objects: Objects,
  source: AsyncIterable<Uint8Array>,
  options: StageOptions,
): Promise<UnfinishedPack> {
  const { limits, children, onProgress, signal, mayRestOn = (oid) => objects.has(oid) } = options
  const writer = await objects.place.writePack()
  const isNew = objects.state.packs.length === 0
  const all = { ...RECEIVE_LIMITS, ...limits }
  let [done, total] = [0, 0]
  try {
    const pack = await readPack(source, {
      runtime: objects.runtime,
      writer,
      resolveBase: async (oid) => ((await mayRestOn(oid)) ? objects.read(oid) : undefined),
      onCount: (count) => (total = count),
      onObject: (object) => {
        judgeObject(object, options)
        if (children.see(object)) refuseCollision(object)
        onProgress?.(++done, total)
        return isNew ? undefined : compareWithOurs(objects, object)
      },
      limits: all,
      cache: all.cache,
      signal,
    })
    return { ...pack, writer }
  } catch (error) {
    await writer.abort()
    throw error
  }
}

function judgeObject(object: PackedObject, { judge = judgeAsUsual, say }: StageOptions): void {
  for (const problem of checkObject(object)) {
    const verdict = judge(problem, object.oid)
    const words = `${object.type} ${object.oid}: ${problem.id}: ${problem.message}`
    if (verdict === 'refuse') throw new RefusedError('fsck', words)
    if (verdict === 'tell') say?.(utf8(`warning: ${words}\n`))
  }
}

/** Of two objects with one name, whoever has the one would take it for the other. */
function refuseCollision({ oid, type, body }: PackedObject): void {
  if (!isCollision(objectHeader(type, body.length), body)) return
  throw new RefusedError(
    'collision',
    `${type} ${oid} was made to have the same SHA-1 as another object`,
  )
}

async function compareWithOurs(objects: Objects, { oid, type, body }: PackedObject): Promise<void> {
  if (!(await objects.has(oid))) return
  const ours = await objects.read(oid).catch((error: unknown) => {
    // Ours is damaged: a whole copy is what it takes.
    if (error instanceof MalformedError || error instanceof MissingError) return undefined
    throw error
  })
  if (ours === undefined) return
  if (ours.type === type && equal(ours.body, body)) return
  throw new RefusedError(
    'collision',
    `${type} ${oid} is not the object that is here under this name`,
  )
}
