import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { r2Depot } from '@datakit/storage/r2'
import { expect, it } from 'vitest'
import { overR2 } from '../../../../worker/test/r2-modes.ts'
import { CARRIED, carryPart } from '../../test/carry-part.ts'

overR2(({ bucket, isThrottled }) => {
  it('answers from a bucket whoever wants a part', async () => {
    const depot = r2Depot(bucket)
    const between = { place: memoryPlace(), depot, name: `served-${isThrottled}` }
    expect(await carryPart(nodeRuntime, between)).toEqual(CARRIED)
  })

  it('keeps a part in a bucket', async () => {
    const depot = r2Depot(bucket)
    const place = await depot.open(`part-${isThrottled}`)
    const between = { place, depot, name: `other-${isThrottled}` }
    expect(await carryPart(nodeRuntime, between)).toEqual(CARRIED)
  })
})
