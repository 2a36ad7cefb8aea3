/**
 * One pack of what lies about in a Git directory: its packs behind each other, and loose objects behind those.
 *
 * Entries of a pack are copied as they are: the distances to the bases of deltas stay the same when all of them move.
 *
 * Spec: https://git-scm.com/docs/pack-format
 *
 * @module
 */
import type { GitObject } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { encodeEntryHeader } from '@datakit/git/pack/entry'
import { encodePackHeader } from '@datakit/git/pack/write-pack'
import type { Runtime } from '@datakit/git/runtime'
import type { GitFiles, PackFile } from './git-files.ts'

/** What goes into a pack. */
export interface Contents {
  /** Packs of the directory, whole. */
  readonly packs: readonly PackFile[]
  /** Other objects, none twice. */
  readonly oids: readonly Oid[]
}

/** The pack, piece by piece; nothing but one pack or one object is in memory. */
export async function* streamPack(
  runtime: Runtime,
  { packs, oids }: Contents,
  from: { readonly files: GitFiles; read(oid: Oid): Promise<GitObject> },
): AsyncGenerator<Uint8Array, void, undefined> {
  const hasher = runtime.hasher()
  const hashed = (piece: Uint8Array) => {
    hasher.update(piece)
    return piece
  }
  const count = packs.reduce((sum, pack) => sum + pack.count, oids.length)
  yield hashed(encodePackHeader(count))
  for (const pack of packs) yield hashed(await from.files.packEntries(pack))
  for (const oid of oids) {
    const { type, body } = await from.read(oid)
    yield hashed(encodeEntryHeader(type, body.length))
    yield hashed(await runtime.deflate(body, body.length <= runtime.storesUpTo ? 0 : undefined))
  }
  yield hasher.digest()
}
