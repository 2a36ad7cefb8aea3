/** Watching in R2, where one isolate hears nothing of another and looks instead. */
import { randomId } from '@datakit/git/bytes'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { r2Depot } from '@datakit/storage/r2'
import { it } from 'vitest'
import { overR2 } from '../../../../worker/test/r2-modes.ts'
import { useRecord } from '../../test/record-scenario.ts'
import { watchContract, type Watched } from '../../test/watch-contract.ts'
import { Repository } from '../repository.ts'

overR2(({ bucket, isThrottled }) => {
  async function twoHandles(): Promise<Watched> {
    const name = `watch/${randomId()}`
    // Another depot remembers nothing of the first, as another isolate would.
    const open = async () => {
      const place = await r2Depot(bucket, isThrottled ? {} : { writeInterval: 0 }).open(name)
      return Repository.open(place, { runtime: nodeRuntime })
    }
    const [repository, other] = [await open(), await open()]
    return {
      repository,
      other,
      async destroy() {
        await repository.close()
        await other.close()
      },
    }
  }

  watchContract('R2', twoHandles)

  it('keeps configuration records', async () => {
    const { repository, other, destroy } = await twoHandles()
    await useRecord(repository, other)
    await destroy()
  })
})
