/**
 * Reading many files at once.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Store } from '../store.ts'
import { isFile, walkTree, type WalkedFile, type WalkOptions } from './tree-reader.ts'

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
  for await (const { oid, body } of store.objects.readMany(files.keys())) {
    options.signal?.throwIfAborted()
    for (const file of files.get(oid) ?? []) yield { ...file, body }
  }
}
