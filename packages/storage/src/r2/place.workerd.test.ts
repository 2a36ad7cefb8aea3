/** The contract of places over R2, by itself and with a coordinator. */
import { placeContract, type PlaceUnderTest } from '../../test/contract.ts'
import { overR2, overThrottledR2, plainBucket } from '../../../../worker/test/r2-modes.ts'
import { randomId } from '../update.ts'
import { deleteAll, listAll, type Bucket } from './bucket.ts'
import { r2Coordinator, type CoordinatedUpdate } from './coordinator.ts'
import { r2Depot, type R2Options } from './depot.ts'

async function makePlace(over: Bucket, options: R2Options): Promise<PlaceUnderTest> {
  const name = `contract/${randomId()}`
  // Another depot remembers nothing of the first, as another isolate would.
  const open = () => r2Depot(over, options).open(name)
  return {
    place: await open(),
    reopen: open,
    async destroy() {
      const keys: string[] = []
      for await (const { key } of listAll(plainBucket, '')) keys.push(key)
      await deleteAll(plainBucket, keys)
    },
  }
}

overR2(({ bucket }) => placeContract('alone', () => makePlace(bucket, {})))

overThrottledR2(({ bucket }) => {
  placeContract('with a coordinator', () => {
    const gathers = r2Coordinator(bucket)
    // Values travel to a Durable Object and back as copies.
    const coordinator = {
      update: async (update: CoordinatedUpdate) =>
        structuredClone(await gathers.update(structuredClone(update))),
    }
    return makePlace(bucket, { coordinator: () => coordinator })
  })
})
