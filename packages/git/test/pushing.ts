/**
 * Pushing in tests: packs of objects that Git may never have made, and requests for a place.
 *
 * @module
 */
import { toHex, utf8 } from '../src/bytes.ts'
import { encodeCommit } from '../src/commit.ts'
import { nameObject, type GitObject } from '../src/object.ts'
import { Objects } from '../src/objects.ts'
import type { Oid } from '../src/oid.ts'
import { encodePack } from '../src/pack/write-pack.ts'
import type { Place, RefUpdate } from '../src/place.ts'
import { nodeRuntime as runtime } from '../src/runtime/node.ts'
import {
  receiveUpdate,
  type ReceiveOutcome,
  type ReceiveRequest,
} from '../src/transport/receive.ts'
import { encodeTree } from '../src/tree.ts'
import type { RealRepository } from './real-git.ts'

export const log = { who: 'Ada <ada@example.org>', why: 'test' }
export const main = 'refs/heads/main'

export function newId(): string {
  return toHex(crypto.getRandomValues(new Uint8Array(16)))
}

export async function* pieces(bytes: Uint8Array, length = 1000): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += length) yield bytes.subarray(i, i + length)
}

/** A pack as a client of Git sends it: what `wants` reach and `haves` do not. */
export function thinPack(
  repository: RealRepository,
  wants: readonly string[],
  haves: readonly string[] = [],
): Uint8Array {
  const revisions = [...wants, ...haves.map((have) => `^${have}`)].join('\n')
  return repository.bytes(['pack-objects', '--revs', '--thin', '--stdout', '-q'], `${revisions}\n`)
}

export async function receive(
  place: Place,
  wish: Partial<ReceiveRequest>,
): Promise<ReceiveOutcome> {
  const objects = await Objects.open(place, runtime)
  return receiveUpdate(objects, { id: newId(), updates: [], log, ...wish })
}

export async function move(place: Place, name: string, to: Oid | undefined): Promise<RefUpdate> {
  return { name, from: await (await place.read()).ref(name), to }
}

export function state(outcome: ReceiveOutcome): string[] {
  return outcome.refs.map((ref) => (ref.state === 'refused' ? `refused: ${ref.reason}` : ref.state))
}

/** Packs objects that Git may never have made. */
export async function packOf(objects: readonly GitObject[]): Promise<Uint8Array> {
  const rows = objects.map((object) => ({
    ...object,
    oid: nameObject(runtime, object),
    links: undefined,
  }))
  return (await encodePack(runtime, rows)).bytes
}

export const ada = { name: 'Ada', address: 'ada@example.org', seconds: 1_700_000_000, offset: 0 }

export function commitOf(tree: Oid, parents: readonly Oid[] = []): GitObject {
  const body = encodeCommit({
    tree,
    parents,
    author: ada,
    committer: ada,
    headers: [],
    message: 'x\n',
  })
  return { type: 'commit', body }
}

export function treeOf(rows: readonly (readonly [string, number, Oid])[]): GitObject {
  return { type: 'tree', body: encodeTree(rows.map(([name, mode, oid]) => ({ name, mode, oid }))) }
}

export const name = (object: GitObject): Oid => nameObject(runtime, object)
export const emptyTree: GitObject = { type: 'tree', body: new Uint8Array(0) }
export const blob: GitObject = { type: 'blob', body: utf8('hello\n') }
