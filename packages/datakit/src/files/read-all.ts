/**
 * Reading many files at once.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Store } from '../store.ts'
import { NotHereError } from '@datakit/git/error'
import { isFile } from './tree-reader.ts'
import { walkTree, type WalkedFile, type WalkOptions } from './walk.ts'

/** A file and what is in it. */
export interface ReadFile extends WalkedFile {
  readonly body: Uint8Array
}

/** The files of a tree with their bytes, in the order in which they are stored; submodules are left out. */
export async function* readAllFiles(
  store: Store,
  tree: Oid,
  options: WalkOptions,
): AsyncGenerator<ReadFile, void, undefined> {
  const files = new Map<Oid, WalkedFile[]>()
  for await (const file of walkTree(store, tree, options)) {
    if (!isFile(file)) continue
    const same = files.get(file.oid)
    if (same === undefined) files.set(file.oid, [file])
    else same.push(file)
  }
  try {
    await store.onDemand?.ahead(files.keys(), options.signal)
    for await (const { oid, body } of store.objects.readMany(files.keys())) {
      options.signal?.throwIfAborted()
      for (const file of files.get(oid) ?? []) yield { ...file, body }
    }
  } catch (error) {
    throw withPath(error, files)
  }
}

function withPath(error: unknown, files: ReadonlyMap<string, readonly WalkedFile[]>): unknown {
  if (!(error instanceof NotHereError)) return error
  const { oid, remote, cause } = error
  const path = files.get(oid)?.[0]?.path
  return path === undefined ? error : new NotHereError(oid, remote, { cause, path })
}
