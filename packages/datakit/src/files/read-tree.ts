/**
 * Trees as rows of entries.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { decodeTree, type TreeEntry } from '@datakit/git/tree'
import { readTreeBody, type ObjectSource } from './object-source.ts'

/** The entries of the tree of that name, in Git's order. */
export async function readTree(source: ObjectSource, oid: Oid | undefined): Promise<TreeEntry[]> {
  return decodeTree(await readTreeBody(source, oid))
}
