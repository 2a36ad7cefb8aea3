/** Packs that must not come in, over a Git directory: not a file is left of them, and Git finds nothing wrong. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe } from 'vitest'

import { refusesHostilePacks } from '../../../git/test/hostile-packs.ts'
import { gitDirectoryDepot } from './depot.ts'

describe('a Git directory', () => {
  const used: { readonly root: string; close(): Promise<void> }[] = []
  afterEach(async () => {
    for (const { root, close } of used.splice(0)) {
      await close()
      await rm(root, { recursive: true, force: true })
    }
  })

  refusesHostilePacks(async () => {
    const root = await mkdtemp(join(tmpdir(), 'datakit-hostile-'))
    const depot = gitDirectoryDepot(root)
    used.push({ root, close: () => depot.close() })
    return {
      place: await depot.open('repository'),
      contents: async () => {
        execFileSync('git', ['-C', join(root, 'repository.git'), 'fsck', '--strict'])
        const entries = await readdir(root, { recursive: true, withFileTypes: true })
        const files = entries.filter((entry) => entry.isFile())
        return files.map(({ parentPath, name }) => join(parentPath, name)).toSorted()
      },
    }
  })
})
