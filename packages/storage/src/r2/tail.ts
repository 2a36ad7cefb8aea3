/**
 * Tail: the merged index of the packs since the last catalog, which each new pack carries behind its own index.
 *
 * With it a cold start reads the root, the catalog and the tail of the newest pack, however many packs there are.
 *
 * Spec: docs/storage-format.md, "R2"
 *
 * @module
 */
import type { PackId } from '@datakit/git/place'
import type { Root } from './root.ts'
import type { Store } from './store.ts'

/** A merged index and what it covers. */
export interface Tail {
  readonly bytes: Uint8Array
  readonly covers: readonly PackId[]
}

/** The tail for a pack that is about to be added to what `root` names; `undefined` when it would be too large. */
export async function makeTail(
  _store: Store,
  _root: Root,
  _pack: { readonly id: PackId; readonly index: Uint8Array },
): Promise<Tail | undefined> {
  return undefined
}
