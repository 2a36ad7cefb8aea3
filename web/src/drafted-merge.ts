/**
 * Merging a file in conflict whose own side is a draft: its commit was never made, so the driver is asked here.
 *
 * @module
 */
import type { Conflict, KeyDecision } from '@datakit/datakit/conflict'
import type { MergeOutcome } from '@datakit/merge/driver'
import { defaultDriver, loadDriver } from '@datakit/merge/drivers'
import type { Oid } from '@datakit/git/oid'

/** What the driver that the file's name chooses makes of it; `undefined` where a side is not there. */
export async function mergeDrafted(
  { path, base, ours, theirs }: Conflict,
  readBlob: (oid: Oid) => Promise<Uint8Array>,
  keys: readonly KeyDecision[],
): Promise<MergeOutcome | undefined> {
  if (ours === undefined || theirs === undefined) return undefined
  const kept = new Map(keys.map(({ key, keep }) => [JSON.stringify(key), keep]))
  const driver = await loadDriver(defaultDriver(path))
  return driver?.({
    path,
    base: base && (await readBlob(base.oid)),
    ours: await readBlob(ours.oid),
    theirs: await readBlob(theirs.oid),
    decide: ({ key }) => kept.get(JSON.stringify(key)),
  })
}
