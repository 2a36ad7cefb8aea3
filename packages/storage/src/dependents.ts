/**
 * Dependents: packs that hold deltas against objects of another pack.
 *
 * @module
 */
import type { PackId, PackInfo } from '@datakit/git/place'

/** Packs that need one for their deltas, and those that need them in turn. */
export function dependentsOf(packs: readonly PackInfo[], id: PackId): PackInfo[] {
  const ids = new Set([id])
  for (let before = 0; before < ids.size;) {
    before = ids.size
    for (const pack of packs) if (pack.needs.some((needed) => ids.has(needed))) ids.add(pack.id)
  }
  return packs.filter((pack) => pack.id !== id && ids.has(pack.id))
}
