/** Watching in IndexedDB: two handles tell each other by a `BroadcastChannel`, as two tabs do. */
import { portableRuntime } from '@datakit/git/runtime/portable'
import { deletePlaces, openPlace } from '../../../storage/test/indexeddb-places.ts'
import { it } from 'vitest'
import { useRecord } from '../../test/record-scenario.ts'
import { watchContract, type Watched } from '../../test/watch-contract.ts'
import { Repository } from '../repository.ts'

async function twoHandles(): Promise<Watched> {
  const place = await openPlace()
  const otherPlace = await openPlace(place.name)
  return {
    repository: await Repository.open(place, { runtime: portableRuntime }),
    other: await Repository.open(otherPlace, { runtime: portableRuntime }),
    destroy: deletePlaces,
  }
}

watchContract('IndexedDB', twoHandles)

it('keeps configuration records', async () => {
  const { repository, other, destroy } = await twoHandles()
  await useRecord(repository, other)
  await destroy()
})
