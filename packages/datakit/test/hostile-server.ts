/**
 * Answers to sync that a server of ours would never give: any objects under any names, any refs, any header.
 *
 * @module
 */
import { ByteReader, streamOf } from '@datakit/git/byte-reader'
import { concat, utf8 } from '@datakit/git/bytes'
import { nameObject, type ObjectType } from '@datakit/git/object'
import { encodeOid, type Oid } from '@datakit/git/oid'
import { encodePack, type PackObject } from '@datakit/git/pack/write-pack'
import { encodeSyncResponse, readSyncResponse, SYNC_TYPE } from '@datakit/git/protocol/sync'
import { nodeRuntime as runtime } from '@datakit/git/runtime/node'
import type { Repository } from '../src/repository.ts'
import { readReached } from './simulation/ledger.ts'

/** An object under its own name. */
export function objectOf(type: ObjectType, body: Uint8Array): PackObject {
  return { oid: nameObject(runtime, { type, body }), type, body }
}

/** A blob of text. */
export function blobOf(content: string): PackObject {
  return objectOf('blob', utf8(content))
}

/** A tree of entries in this order, whatever they are. */
export function treeOf(
  entries: readonly (readonly [mode: string, name: string, object: PackObject])[],
): PackObject {
  const rows = entries.flatMap(([mode, name, { oid }]) => [
    utf8(`${mode} ${name}\0`),
    encodeOid(oid),
  ])
  return objectOf('tree', concat(rows))
}

/** A commit of Ada's. */
export function commitOf(tree: Oid, parents: readonly Oid[] = []): PackObject {
  const who = 'Ada <ada@example.org> 1700000000 +0000'
  const lines = [`tree ${tree}`, ...parents.map((oid) => `parent ${oid}`)]
  return objectOf('commit', utf8(`${lines.join('\n')}\nauthor ${who}\ncommitter ${who}\n\nx\n`))
}

/** What a lie says; what is left out is as in an honest answer. */
export interface Lie {
  /** Fields of the header. */
  readonly header?: Readonly<Record<string, unknown>> | undefined
  /** What the pack holds; nothing is sent when left out. */
  readonly objects?: readonly PackObject[] | undefined
  /** The pack and its index as they are, in the place of objects. */
  readonly sections?: readonly Uint8Array[] | undefined
}

/** The answer with another header, and with these objects in the place of all that it brings. */
export async function lieInPlaceOf(answer: Response, lie: Lie): Promise<Response> {
  const { header, objects } = lie
  const reader = new ByteReader(streamOf(new Uint8Array(await answer.arrayBuffer())), 'an answer')
  const honest = await readSyncResponse(reader)
  const { bytes, table } = await encodePack(runtime, objects ?? [])
  const made = objects === undefined ? [] : [bytes, table.encodeIndex()]
  const sections = lie.sections ?? made
  const [pack = 0, index = 0] = sections.map(({ length }) => length)
  // The lie may have any shape, which is what it is for.
  const told = { ...honest, pack, index, ...header } as typeof honest
  const headers = { 'content-type': SYNC_TYPE }
  return new Response(concat([encodeSyncResponse(told), ...sections]), { headers })
}

/** Every object that the refs of a repository lead to. */
export async function objectsOf({ store }: Repository): Promise<PackObject[]> {
  const oids: Oid[] = []
  for await (const { oid } of (await store.state()).refs()) oids.push(oid)
  const objects: PackObject[] = []
  for (const oid of await readReached(store.objects, oids))
    objects.push({ oid, ...(await store.objects.read(oid)) })
  return objects
}
