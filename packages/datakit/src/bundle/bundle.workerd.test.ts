import { nodeRuntime } from '@datakit/git/runtime/node'
import { r2Depot } from '@datakit/storage/r2'
import { expect, it } from 'vitest'
import { overR2 } from '../../../../worker/test/r2-modes.ts'
import { carryBundles } from '../../test/carry-bundles.ts'

overR2(({ bucket, isThrottled }) => {
  it('carries bundles from and to a bucket', async () => {
    const depot = r2Depot(bucket)
    const [from, to] = [
      await depot.open(`from-${isThrottled}`),
      await depot.open(`to-${isThrottled}`),
    ]
    const { source, copy } = await carryBundles(nodeRuntime, from, to)
    expect(copy).toEqual(source)
  })
})
