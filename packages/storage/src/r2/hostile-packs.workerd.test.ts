/** Packs that must not come in, over R2: not a key is left of them. */
import { refusesHostilePacks } from '../../../git/test/hostile-packs.ts'
import { overR2, plainBucket } from '../../../../worker/test/r2-modes.ts'
import { randomId } from '../update.ts'
import { listAll } from './bucket.ts'
import { r2Depot } from './depot.ts'

overR2(({ bucket }) => {
  refusesHostilePacks(async () => {
    const place = await r2Depot(bucket, {}).open(`hostile/${randomId()}`)
    return {
      place,
      contents: async () => {
        const keys: string[] = []
        for await (const { key } of listAll(plainBucket, '')) keys.push(key)
        return keys.toSorted()
      },
    }
  })
})
