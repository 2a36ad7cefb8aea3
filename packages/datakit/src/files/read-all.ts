/**
 * Reading many files at once.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Store } from '../store.ts'
import { withPath } from './fetch-ahead.ts'
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
    throw withPath(error, new Map([...files].map(([oid, [file]]) => [oid, file?.path ?? ''])))
  }
}
