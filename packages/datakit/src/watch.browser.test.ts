/** Watching in IndexedDB: two handles tell each other by a `BroadcastChannel`, as two tabs do. */
import { portableRuntime } from '@datakit/git/runtime/portable'
import { deletePlaces, openPlace } from '../../storage/test/indexeddb-places.ts'
import { watchContract } from '../test/watch-contract.ts'
import { Repository } from './repository.ts'

watchContract('IndexedDB', async () => {
  const place = await openPlace()
  const otherPlace = await openPlace(place.name)
  return {
    repository: await Repository.open(place, { runtime: portableRuntime }),
    other: await Repository.open(otherPlace, { runtime: portableRuntime }),
    destroy: deletePlaces,
  }
})
