import { deleteDB } from 'idb'
import { placeContract } from '../../test/contract.ts'
import { openIndexedDbPlace } from './place.ts'
import type { Place } from '@datakit/git/place'
import { randomId } from '../update.ts'

placeContract('indexeddb', async () => {
  const name = `contract-${randomId()}`
  const places: Place[] = []
  const open = async () => {
    const place = await openIndexedDbPlace(name)
    places.push(place)
    return place
  }
  return {
    place: await open(),
    reopen: open,
    async destroy() {
      for (const place of places) await place.close()
      await deleteDB(name)
    },
  }
})
