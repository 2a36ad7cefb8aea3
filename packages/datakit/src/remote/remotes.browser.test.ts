import { portableRuntime } from '@datakit/git/runtime/portable'
import { openIndexedDbPlace } from '@datakit/storage/indexeddb'
import { expect, it } from 'vitest'
import { CARRIED, carryRemotes } from '../../test/carry-remotes.ts'

it('fetches, merges and pushes in IndexedDB, from a store that is not whole', async () => {
  const name = `remotes-${Date.now()}`
  const place = await openIndexedDbPlace(name)
  expect(await carryRemotes(portableRuntime, place)).toEqual(CARRIED)
  await place.close()
  indexedDB.deleteDatabase(name)
})
