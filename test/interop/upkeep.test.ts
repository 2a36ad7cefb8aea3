/**
 * Upkeep of what is served: packs of many pushes are merged while clients go on, and stock Git finds everything in order.
 */
import { gitDirectoryDepot } from '@datakit/storage/git-directory'
import { r2Depot } from '@datakit/storage/r2'
import type { Depot } from '@datakit/git/place'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { startServer } from '../../packages/cli/src/server.ts'
import { startWorker } from '../../tools/worker.ts'
import { temporaryFolder, THROTTLED_WORKER } from '../support/servers.ts'
import { git, objectsOf } from '../support/stock-git.ts'

const folder = temporaryFolder('upkeep')
afterAll(() => folder.remove())

const PUSHES = 14
/** Most packs that a repository of small pushes has when it was kept up. */
const MOST = 9

/** A repository with one commit. */
async function makeWork(name: string): Promise<string> {
  const work = join(folder.path, name)
  await git(folder.path, 'init', '--quiet', '--initial-branch=main', work)
  await git(work, 'commit', '--quiet', '--allow-empty', '--message=first')
  return work
}

async function push(work: string, url: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    writeFileSync(join(work, `file-${i % 5}`), `${i}\n`)
    await git(work, 'add', '.')
    await git(work, 'commit', '--quiet', `--message=change ${i}`)
    await git(work, 'push', '--quiet', url, 'main')
  }
}

async function countPacks(depot: Depot, name: string): Promise<number> {
  const place = await depot.open(name)
  return (await place.read()).packs.length
}

async function expectSame(work: string, url: string, name: string): Promise<void> {
  const clone = join(folder.path, name)
  await git(folder.path, 'clone', '--quiet', url, clone)
  await git(clone, 'fsck', '--strict')
  expect(await objectsOf(clone)).toBe(await objectsOf(work))
}

it('merges what was pushed into a Git directory, unless its configuration says no', async () => {
  const root = join(folder.path, 'root')
  const server = await startServer({
    root,
    host: '127.0.0.1',
    port: 0,
    token: undefined,
    web: undefined,
  })
  const work = await makeWork('node-work')
  await git(folder.path, 'init', '--quiet', '--bare', join(root, 'by-hand.git'))
  await git(join(root, 'by-hand.git'), 'config', 'gc.auto', '0')
  await push(work, `${server.url}/config.git`, PUSHES)
  await push(work, `${server.url}/by-hand.git`, PUSHES)
  const depot = gitDirectoryDepot(root)
  await expect
    .poll(() => countPacks(depot, 'config'), { timeout: 30_000 })
    .toBeLessThanOrEqual(MOST)
  expect(await countPacks(depot, 'by-hand')).toBeGreaterThanOrEqual(PUSHES)
  await depot.close()
  await git(join(root, 'config.git'), 'fsck', '--strict')
  await expectSame(work, `${server.url}/by-hand.git`, 'node-clone')
  await server.stop()
})

it('merges what was pushed to the Worker', async () => {
  const worker = await startWorker({
    port: 0,
    data: join(folder.path, 'bucket'),
    entry: THROTTLED_WORKER,
  })
  const work = await makeWork('worker-work')
  const url = `${worker.url}/config.git`
  await push(work, url, PUSHES)
  const depot = r2Depot(await worker.bucket())
  await expect
    .poll(() => countPacks(depot, 'config'), { timeout: 30_000 })
    .toBeLessThanOrEqual(MOST)
  await expectSame(work, url, 'worker-clone')
  await depot.close()
  await worker.stop()
})
