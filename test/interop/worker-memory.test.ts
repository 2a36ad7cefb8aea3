/**
 * Memory of the Worker while a hundred thousand objects come and go: a Worker has 128 MB, a local workerd any.
 *
 * Seen to fail before packs were passed on in one buffer: a clone took 180 MB.
 */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import { IsolateMemory } from '../support/isolate-memory.ts'
import { freePort, startTestServer, temporaryFolder } from '../support/servers.ts'
import { git, objectsOf } from '../support/stock-git.ts'

/** What the Worker may hold, in bytes. */
const LIMIT = 100e6

it('stays below 100 MB while 100,000 objects of 100 MB are pushed, cloned and cloned again', async () => {
  const folder = temporaryFolder('memory')
  const source = join(folder.path, 'source.git')
  await makeCorpus(source, {
    files: 95_000,
    commits: 500,
    layout: 'directories',
    seed: 5,
    noise: 1130,
  })
  const inspectorPort = await freePort()
  const worker = await startTestServer('worker', { inspectorPort, throttled: false })
  const memory = await IsolateMemory.open(inspectorPort)
  const url = `${worker.url}/large.git`
  const clone = (name: string) => git(folder.path, 'clone', '--quiet', '--bare', url, name)
  try {
    const seen = {
      push: await memory.during(() => git(source, 'push', '--quiet', url, 'main')),
      clone: await memory.during(() => clone('first')),
      again: await memory.during(() => clone('again')),
    }
    console.log(
      Object.entries(seen)
        .map(([work, { peak, samples }]) => `${work}: ${Math.round(peak / 1e6)} MB (${samples})`)
        .join(', '),
    )
    expect(await objectsOf(join(folder.path, 'again'))).toBe(await objectsOf(source))
    for (const { peak } of Object.values(seen)) expect(peak).toBeLessThan(LIMIT)
  } finally {
    memory.close()
    await worker.stop()
    folder.remove()
  }
}, 900_000)
