import { nodeRuntime } from '@datakit/git/runtime/node'
import { r2Depot } from '@datakit/storage/r2'
import { expect, it } from 'vitest'
import { overR2 } from '../../../../worker/test/r2-modes.ts'
import { CARRIED, carryRemotes } from '../../test/carry-remotes.ts'

overR2(({ bucket, isThrottled }) => {
  it('fetches, merges and pushes in a bucket, from a store that is not whole', async () => {
    const place = await r2Depot(bucket).open(`remotes-${isThrottled}`)
    expect(await carryRemotes(nodeRuntime, place)).toEqual(CARRIED)
  })
})
