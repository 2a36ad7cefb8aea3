import { env } from 'cloudflare:workers'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { r2Depot } from '@datakit/storage/r2'
import { expect, it } from 'vitest'
import { CARRIED, carryRemotes } from '../../test/carry-remotes.ts'

it('fetches, merges and pushes in a bucket, from a store that is not whole', async () => {
  const { BUCKET } = env as unknown as { BUCKET: Parameters<typeof r2Depot>[0] }
  const place = await r2Depot(BUCKET).open('remotes')
  expect(await carryRemotes(nodeRuntime, place)).toEqual(CARRIED)
})
