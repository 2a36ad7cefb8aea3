/** The model over memory and over a Git directory. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { gitDirectoryDepot } from '@datakit/storage/git-directory'
import { memoryDepot } from '@datakit/storage/memory'
import { modelContract } from '../../test/model-contract.ts'
import { Repository } from '../repository.ts'

const options = {
  runtime: nodeRuntime,
  identity: () => ({ name: 'Ada', address: 'ada@example.org' }),
}

modelContract('memory', async () => {
  const depot = memoryDepot()
  const open = async () => Repository.open(await depot.open('config'), options)
  return { repository: await open(), other: await open(), async destroy() {} }
})

modelContract('a Git directory', async () => {
  const root = mkdtempSync(join(tmpdir(), 'datakit-'))
  const depots = [gitDirectoryDepot(root), gitDirectoryDepot(root)] as const
  const open = async (depot: (typeof depots)[number]) =>
    Repository.open(await depot.open('config'), options)
  const [repository, other] = [await open(depots[0]), await open(depots[1])]
  return {
    repository,
    other,
    async destroy() {
      await repository.close()
      await other.close()
      for (const depot of depots) await depot.close()
      rmSync(root, { recursive: true, force: true })
    },
  }
})
