/**
 * Reading packs in tests: a writer in memory, sources in pieces, and what Git says of a repository's objects.
 *
 * @module
 */
import type { GitObject } from '../src/object.ts'
import type { Oid } from '../src/oid.ts'
import {
  readPack,
  type PackedObject,
  type ReadPack,
  type ReadPackOptions,
} from '../src/pack/read-pack.ts'
import { nodeRuntime } from '../src/runtime/node.ts'
import type { RealRepository } from './real-git.ts'
import { pieces } from './support/hostile.ts'

/** Keeps what is written. */
export class MemoryWriter {
  #parts: Uint8Array[] = []

  get bytes(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.#parts))
  }

  async write(piece: Uint8Array): Promise<void> {
    // A copy: the caller may reuse the bytes.
    this.#parts.push(piece.slice())
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    this.#parts = [this.bytes]
    return this.bytes.subarray(start, end)
  }
}

/** A pack that was read in a test, and what came of it. */
export interface ReadResult extends ReadPack {
  readonly written: Uint8Array
  readonly objects: ReadonlyMap<Oid, PackedObject>
}

/** Reads a pack in pieces of `size` bytes. */
export async function readWhole(
  bytes: Uint8Array,
  { size = 4096, ...options }: Partial<ReadPackOptions> & { readonly size?: number } = {},
): Promise<ReadResult> {
  const writer = new MemoryWriter()
  const objects = new Map<Oid, PackedObject>()
  const read = await readPack(pieces(bytes, size), {
    runtime: nodeRuntime,
    writer,
    onObject: ({ oid, type, body }) => void objects.set(oid, { oid, type, body: body.slice() }),
    ...options,
  })
  return { ...read, written: writer.bytes, objects }
}

/** Type and length of objects as Git knows them: `oid type size` lines, sorted. */
export function catFile(git: RealRepository, oids: Iterable<string>): string[] {
  const format = '--batch-check=%(objectname) %(objecttype) %(objectsize)'
  return git
    .run(['cat-file', format], `${[...oids].join('\n')}\n`)
    .split('\n')
    .sort()
}

/** The same lines of a table. */
export function tableLines({ table }: Pick<ReadPack, 'table'>): string[] {
  return Array.from(
    { length: table.count },
    (_, i) => `${table.oid(i)} ${table.type(i)} ${table.size(i)}`,
  ).sort()
}

/** Reads bases for thin packs out of a repository of Git's. */
export function basesOf(git: RealRepository): (oid: Oid) => Promise<GitObject | undefined> {
  return async (oid) => {
    const { status, stdout } = git.try(['cat-file', '-t', oid])
    if (status !== 0) return undefined
    const type = stdout.trim() as GitObject['type']
    return { type, body: git.bytes(['cat-file', type, oid]) }
  }
}
