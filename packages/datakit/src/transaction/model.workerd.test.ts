/** The model over R2, as two isolates have it. */
import { randomId } from '@datakit/git/bytes'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { r2Depot } from '@datakit/storage/r2'
import { overR2 } from '../../../../worker/test/r2-modes.ts'
import { modelContract } from '../../test/model-contract.ts'
import { Repository } from '../repository.ts'

overR2(({ bucket, isThrottled }) => {
  modelContract('R2', async () => {
    const name = `model/${randomId()}`
    const identity = () => ({ name: 'Ada', address: 'ada@example.org' })
    // Another depot remembers nothing of the first, as another isolate would.
    const open = async () => {
      const place = await r2Depot(bucket, isThrottled ? {} : { writeInterval: 0 }).open(name)
      return Repository.open(place, { runtime: nodeRuntime, identity })
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
  })
})
