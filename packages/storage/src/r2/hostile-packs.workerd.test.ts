/** Packs that must not come in, over R2: not a key is left of them. */
import { env } from 'cloudflare:workers'
import { describe } from 'vitest'

import { refusesHostilePacks } from '../../../git/test/hostile-packs.ts'
import { randomId } from '../update.ts'
import { listAll, type Bucket } from './bucket.ts'
import { r2Depot } from './depot.ts'

const bucket: Bucket = (env as unknown as { BUCKET: R2Bucket }).BUCKET

describe('R2', () => {
  refusesHostilePacks(async () => {
    const place = await r2Depot(bucket, {}).open(`hostile/${randomId()}`)
    return {
      place,
      contents: async () => {
        const keys: string[] = []
        for await (const { key } of listAll(bucket, '')) keys.push(key)
        return keys.toSorted()
      },
    }
  })
})
