import { env } from 'cloudflare:workers'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { r2Depot } from '@datakit/storage/r2'
import { expect, it } from 'vitest'
import { carryBundles } from '../../test/carry-bundles.ts'

it('carries bundles from and to a bucket', async () => {
  const { BUCKET } = env as unknown as { BUCKET: Parameters<typeof r2Depot>[0] }
  const depot = r2Depot(BUCKET)
  const [from, to] = [await depot.open('from'), await depot.open('to')]
  const { source, copy } = await carryBundles(nodeRuntime, from, to)
  expect(copy).toEqual(source)
})
