/**
 * State: a root as callers see it.
 *
 * What is not in the root (old refs, receipts, promises) is read when it is asked for, from objects that never change.
 *
 * @module
 */
import type { CatalogInfo, State } from '@datakit/git/place'
import { findOutcome } from './losses.ts'
import type { CatalogRow } from './catalogs.ts'
import { versionOf, type Root } from './root.ts'
import type { Store } from './store.ts'
import { findPromise, findRef, scanRefs } from './tables.ts'

/** The state that a root is. */
export function stateOf(store: Store, root: Root): State {
  return {
    version: versionOf(root.repository, root.epoch),
    repository: root.repository,
    exists: root.repository !== '',
    head: root.head,
    packs: root.packs,
    catalogs: root.catalogs.map((row) => catalogOf(store, row)),
    shallow: root.shallow,
    async ref(name) {
      return (await findRef(store, root, name))?.oid
    },
    refs(prefix = '') {
      return scanRefs(store, root, prefix)
    },
    promised(oid) {
      return findPromise(store, root, oid)
    },
    receipt(id) {
      return findOutcome(store, root, id)
    },
  }
}

function catalogOf(store: Store, { key, start, size, covers }: CatalogRow): CatalogInfo {
  return {
    covers,
    size,
    read: (from, to) => store.read(key, start + from, start + to),
  }
}
