/**
 * Reading a tree by path: one look-up, one directory; `walk.ts` reads everything below.
 *
 * @module
 */
import { decodeTree, findEntry, isGitlinkMode, isTreeMode, type TreeEntry } from '@datakit/git/tree'
import type { Oid } from '@datakit/git/oid'
import type { Side } from '../merge/conflict.ts'
import { later } from '../loading.ts'
import { readBody, readTreeBody, type ObjectSource, type StatSource } from './object-source.ts'
import { splitPath } from './path.ts'

/** What a path can lead to. */
export type Kind = 'file' | 'executable' | 'link' | 'directory' | 'submodule'

/** What is at a path. */
export interface Stat extends Side {
  readonly kind: Kind
  /** Bytes of a file, or of a link's target; `undefined` for directories and submodules. */
  readonly size: number | undefined
}

/** One name in a directory. */
export interface Entry extends Side {
  readonly name: string
  readonly kind: Kind
}

/** What a mode stands for. Modes that Git wrote long ago (100664) count as what Git takes them for. */
export function kindOf(mode: number): Kind {
  switch (mode & 0o170000) {
    case 0o040000:
      return 'directory'
    case 0o120000:
      return 'link'
    case 0o160000:
      return 'submodule'
    default:
      return (mode & 0o100) === 0 ? 'file' : 'executable'
  }
}

/** Whether it is a file or a link. */
export function isFile({ mode }: Side): boolean {
  return !isTreeMode(mode) && !isGitlinkMode(mode)
}

/** What is at `path` below the tree `root`; `undefined` when nothing is, also when a step on the way is a file. */
export async function findPath(
  source: ObjectSource,
  root: Oid,
  path: string,
): Promise<Side | undefined> {
  let found: Side = { mode: 0o040000, oid: root }
  for (const step of splitPath(path)) {
    if (!isTreeMode(found.mode)) return undefined
    const entry = findEntry(await readTreeBody(source, found.oid, path), step)
    if (entry === undefined) return undefined
    found = { mode: entry.mode, oid: entry.oid }
  }
  return found
}

/** The bytes of the file at `path`; `undefined` when nothing is there. @throws PathError `is-a-directory` */
export async function readFile(
  source: ObjectSource,
  root: Oid,
  path: string,
): Promise<Uint8Array | undefined> {
  const found = await findPath(source, root, path)
  return found === undefined ? undefined : readSide(source, found, path)
}

/** The bytes of what was found at `path`. @throws PathError `is-a-directory` when it is no file and no link */
export async function readSide(
  source: ObjectSource,
  side: Side,
  path: string,
): Promise<Uint8Array> {
  if (isFile(side)) return readBody(source, side.oid, 'blob', path)
  throw (await later()).notFile(path, side)
}

/** What is known of what was found. */
export async function statSide(source: StatSource, side: Side): Promise<Stat> {
  const { mode, oid } = side
  const size = isFile(side) ? (await source.stat(oid)).size : undefined
  return { mode, oid, kind: kindOf(mode), size }
}

/** The entries of the directory at `path`. @throws PathError `not-a-directory` */
export async function listPath(source: ObjectSource, root: Oid, path: string): Promise<Entry[]> {
  const found = await findPath(source, root, path)
  if (found === undefined) return []
  if (!isTreeMode(found.mode)) throw (await later()).notListed(path, found)
  return decodeTree(await readTreeBody(source, found.oid, path)).map(toEntry)
}

function toEntry({ name, mode, oid }: TreeEntry): Entry {
  return { name, mode, oid, kind: kindOf(mode) }
}
