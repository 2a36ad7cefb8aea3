/** The contract of places over R2: as it is, and with a bucket that refuses a second write to a key too soon. */
import { env } from 'cloudflare:workers'
import { placeContract, type PlaceUnderTest } from '../../test/contract.ts'
import { faultyBucket } from '../../test/faulty-bucket.ts'
import { randomId } from '../update.ts'
import { deleteAll, listAll, type Bucket } from './bucket.ts'
import { r2Coordinator, type CoordinatedUpdate } from './coordinator.ts'
import { r2Depot, type R2Options } from './depot.ts'

const bucket: Bucket = (env as unknown as { BUCKET: R2Bucket }).BUCKET

async function makePlace(over: Bucket, options: R2Options): Promise<PlaceUnderTest> {
  const name = `contract/${randomId()}`
  // Another depot remembers nothing of the first, as another isolate would.
  const open = () => r2Depot(over, options).open(name)
  return {
    place: await open(),
    reopen: open,
    async destroy() {
      const keys: string[] = []
      for await (const { key } of listAll(bucket, '')) keys.push(key)
      await deleteAll(bucket, keys)
    },
  }
}

placeContract('R2', () => makePlace(bucket, {}))

// R2's own second, made shorter, so that the three hundred updates of one test do not take five minutes.
const writeInterval = 20
// Local workerd runs no timer while reads follow on each other without a pause: the delay lets those who wait go on.
const delay = 1
placeContract('R2 that answers 429', () =>
  makePlace(faultyBucket(bucket, { writeInterval, delay }), { writeInterval, patience: 200 }),
)

placeContract('R2 that answers 429, with a coordinator', () => {
  const throttled = faultyBucket(bucket, { writeInterval, delay })
  const options = { writeInterval, patience: 200 }
  const gathers = r2Coordinator(throttled, options)
  // Values travel to a Durable Object and back as copies.
  const coordinator = {
    update: async (update: CoordinatedUpdate) =>
      structuredClone(await gathers.update(structuredClone(update))),
  }
  return makePlace(throttled, { ...options, coordinator: () => coordinator })
})
