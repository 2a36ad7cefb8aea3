/**
 * A file in pieces, and a directory in pages.
 *
 * @module
 */
import { streamObject } from '@datakit/git/object-stream'
import type { Oid } from '@datakit/git/oid'
import { findEntry, TreeCursor, isTreeMode } from '@datakit/git/tree'
import type { Store } from '../store.ts'
import type { Page, PageOptions } from './files.ts'
import { fetchAhead, withPath } from './fetch-ahead.ts'
import { readTreeBody } from './object-source.ts'
import { notFile, notListed } from './path-problems.ts'
import { findPath, isFile, kindOf, type Entry } from './tree-reader.ts'

/** See {@link Files.stream}. */
export async function* streamFile(
  store: Store,
  tree: Oid,
  path: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const found = await findPath(store, tree, path)
  if (found === undefined) return
  if (!isFile(found)) throw notFile(path, found)
  const paths = new Map([[found.oid, path]])
  await fetchAhead(store.onDemand, paths)
  try {
    yield* streamObject(store.objects, found.oid, 'blob')
  } catch (error) {
    throw withPath(error, paths)
  }
}

/** See {@link Files.page}. */
export async function pageOf(
  store: Store,
  tree: Oid,
  { path, after, limit }: PageOptions & { readonly path: string },
): Promise<Page> {
  const found = await findPath(store, tree, path)
  if (found !== undefined && !isTreeMode(found.mode)) throw notListed(path, found)
  const body = await readTreeBody(store, found?.oid, path)
  const cursor = new TreeCursor(body)
  if (after !== undefined) {
    const last = findEntry(body, after)
    if (last === undefined) throw notThere(path, after)
    cursor.end = last.end
  }
  const entries: Entry[] = []
  while (entries.length < limit && cursor.next()) {
    const { name, mode, oid } = cursor.entry()
    entries.push({ name, mode, oid, kind: kindOf(mode) })
  }
  return { entries, next: cursor.end < body.length ? entries.at(-1)?.name : undefined }
}

/** What is said of a page behind a name that is not there. */
export function notThere(path: string, after: string): RangeError {
  return new RangeError(
    `Cannot list "${path}" behind "${after}": there is no such name in it; begin again, or with one that is there`,
  )
}
