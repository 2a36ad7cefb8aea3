import { portableRuntime } from '@datakit/git/runtime/portable'
import { openIndexedDbPlace } from '@datakit/storage/indexeddb'
import { memoryDepot } from '@datakit/storage/memory'
import { expect, it } from 'vitest'
import { CARRIED, carryPart } from '../../test/carry-part.ts'

// Seen to fail when IndexedDB keeps no promises.
it('syncs a part into IndexedDB, works in it, and fetches the rest', async () => {
  const name = `part-${Date.now()}`
  const place = await openIndexedDbPlace(name)
  expect(await carryPart(portableRuntime, { place, depot: memoryDepot() })).toEqual(CARRIED)
  await place.close()
  indexedDB.deleteDatabase(name)
})
