/** The contract of places, over Git directories. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { placeContract } from '../../test/contract.ts'
import { gitDirectoryDepot } from './depot.ts'

placeContract('git directory', async () => {
  const root = await mkdtemp(join(tmpdir(), 'datakit-'))
  const depots = [gitDirectoryDepot(root)]
  const open = async () => {
    const depot = gitDirectoryDepot(root)
    depots.push(depot)
    return await depot.open('folder/repository')
  }
  return {
    place: await open(),
    reopen: open,
    destroy: async () => {
      for (const depot of depots) await depot.close()
      await rm(root, { recursive: true, force: true })
    },
  }
})
