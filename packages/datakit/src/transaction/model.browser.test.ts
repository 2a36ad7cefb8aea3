/** The model over IndexedDB, as two tabs have it. */
import { portableRuntime } from '@datakit/git/runtime/portable'
import { deletePlaces, openPlace } from '../../../storage/test/indexeddb-places.ts'
import { modelContract } from '../../test/model-contract.ts'
import { Repository } from '../repository.ts'

const options = {
  runtime: portableRuntime,
  identity: () => ({ name: 'Ada', address: 'ada@example.org' }),
}

modelContract('IndexedDB', async () => {
  const place = await openPlace()
  const otherPlace = await openPlace(place.name)
  return {
    repository: await Repository.open(place, options),
    other: await Repository.open(otherPlace, options),
    destroy: deletePlaces,
  }
})
