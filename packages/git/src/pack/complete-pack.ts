/**
 * Completing a thin pack: whole copies of the bases that it lacks are put behind its last object.
 *
 * @module
 */
import { concat } from '../bytes.ts'
import { MissingError } from '../error.ts'
import type { GitObject } from '../object.ts'
import { encodeOid, type Oid } from '../oid.ts'
import type { Runtime } from '../runtime.ts'
import { crc32 } from './crc32.ts'
import { encodeEntryHeader } from './entry.ts'
import { readLinks } from './links.ts'
import type { PackTable } from './pack-table.ts'
import { encodePackHeader } from './write-pack.ts'

/** A pack in a file, or in something else that is written in any order. */
export interface PackFile {
  /** Bytes of the pack, trailer included. */
  readonly size: number
  read(start: number, end: number): Promise<Uint8Array>
  write(offset: number, bytes: Uint8Array): Promise<void>
}

/** What became of the pack. */
export interface CompletedPack {
  readonly size: number
  readonly trailer: Uint8Array<ArrayBuffer>
  /** The objects that were put in. */
  readonly added: readonly Oid[]
}

const STEP = 1024 * 1024

/** Bases that deltas of the table name and the table does not hold. */
export function missingBases(table: PackTable): Oid[] {
  const missing = new Set<Oid>()
  const order = table.order()
  for (let row = 0; row < table.count; row++) {
    const base = table.baseBytes(row)
    if (base === undefined || order.find(base) >= 0) continue
    const oid = table.base(row)
    if (oid !== undefined) missing.add(oid)
  }
  return [...missing]
}

/**
 * Makes a pack self-contained: appends the bases that it lacks, corrects its number of objects and its trailer, and adds
 * the bases to `table`. A pack that lacks nothing is left as it is.
 *
 * @throws MissingError when `resolveBase` has no such base; the file is spoilt then
 */
export async function completePack(
  file: PackFile,
  table: PackTable,
  {
    runtime,
    resolveBase,
  }: { runtime: Runtime; resolveBase: (oid: Oid) => Promise<GitObject | undefined> },
): Promise<CompletedPack> {
  const missing = missingBases(table)
  let end = file.size - 20
  if (missing.length === 0) {
    const trailer = Uint8Array.from(await file.read(end, file.size))
    return { size: file.size, trailer, added: missing }
  }
  for (const oid of missing) {
    const object = await resolveBase(oid)
    if (object === undefined) throw new MissingError('the base of a delta', oid)
    end += await append(file, table, { oid, object, offset: end, runtime })
  }
  await file.write(0, encodePackHeader(table.count))
  const trailer = await hashFile(file, end, runtime)
  await file.write(end, trailer)
  return { size: end + 20, trailer, added: missing }
}

async function append(
  file: PackFile,
  table: PackTable,
  {
    oid,
    object,
    offset,
    runtime,
  }: { oid: Oid; object: GitObject; offset: number; runtime: Runtime },
): Promise<number> {
  const { type, body } = object
  const entry = concat([encodeEntryHeader(type, body.length), await runtime.deflate(body)])
  await file.write(offset, entry)
  const links = readLinks(type, body)
  const row = { oid: encodeOid(oid), type, size: body.length, base: undefined, links }
  table.addRaw({ ...row, offset, length: entry.length, crc: crc32(entry) })
  return entry.length
}

async function hashFile(
  file: PackFile,
  end: number,
  runtime: Runtime,
): Promise<Uint8Array<ArrayBuffer>> {
  const hasher = runtime.hasher()
  for (let at = 0; at < end; at += STEP)
    hasher.update(await file.read(at, Math.min(end, at + STEP)))
  return hasher.digest()
}
