/** `datakit fsck` and `datakit repair`, as an operator runs them: on a folder of repositories, and on a Worker. */
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { startWorker } from '../../tools/worker.ts'
import { runDatakit } from '../support/programs.ts'
import { startTestServer, temporaryFolder, THROTTLED_WORKER } from '../support/servers.ts'
import { git, objectsOf } from '../support/stock-git.ts'

const folder = temporaryFolder('fsck')
afterAll(() => folder.remove())

/** A working tree with some commits. */
async function makeWork(name: string): Promise<string> {
  const work = join(folder.path, name)
  await git(folder.path, 'init', '--quiet', '--initial-branch=main', work)
  for (let i = 0; i < 5; i++) {
    writeFileSync(join(work, `file-${i}`), `${i}\n`.repeat(200))
    await git(work, 'add', '.')
    await git(work, 'commit', '--quiet', `--message=change ${i}`)
  }
  return work
}

function spoilPack(repository: string): void {
  const packs = join(repository, 'objects/pack')
  const path = join(packs, readdirSync(packs).find((name) => name.endsWith('.pack')) ?? '')
  const bytes = readFileSync(path)
  const middle = bytes.length >> 1
  bytes[middle] = (bytes[middle] ?? 0) ^ 0xff
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
}

it('checks a folder of repositories, and mends the one that is damaged from a clone', async () => {
  const work = await makeWork('work')
  const root = join(folder.path, 'root')
  for (const name of ['good', 'bad']) {
    await git(folder.path, 'clone', '--quiet', '--bare', work, join(root, `${name}.git`))
    await git(join(root, `${name}.git`), 'repack', '-adq')
  }
  expect(await runDatakit(folder.path, 'fsck', root)).toMatchObject({ code: 0, err: '' })
  const bad = join(root, 'bad.git')
  // Our index, made when it was served, tells what the pack held.
  expect((await runDatakit(bad, 'log', '--offline')).code).toBe(0)
  spoilPack(bad)
  const found = await runDatakit(folder.path, 'fsck', root)
  expect(found.code).toBe(1)
  expect(found.out).toContain('bad: error: pack:')
  expect(found.out).toMatch(/^good: \d+ objects in 1 packs, 0 of them unreachable; 1 refs$/m)
  const alone = await runDatakit(folder.path, 'repair', bad)
  expect(alone).toMatchObject({ code: 1 })
  expect(alone.out).toContain('datakit repair --from COPY')
  const mended = await runDatakit(folder.path, 'repair', bad, '--from', work)
  expect(mended.out).toContain('was written anew')
  expect(mended.code).toBe(0)
  expect(await objectsOf(bad)).toBe(await objectsOf(work))
})

it('says things as JSON, and what is wrong with the arguments', async () => {
  const work = await makeWork('json')
  const { out, code } = await runDatakit(folder.path, 'fsck', work, '--json')
  const lines = out.trim().split('\n')
  expect(code).toBe(0)
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ kind: 'counts', counts: { refs: 1 } })
  expect(await runDatakit(folder.path, 'fsck', '/nowhere')).toMatchObject({ code: 3 })
  expect(await runDatakit(folder.path, 'repair')).toMatchObject({ code: 2 })
})

it('has a Worker check its bucket, and mend it from a clone', async () => {
  const worker = await startWorker({
    port: 0,
    data: join(folder.path, 'bucket'),
    entry: THROTTLED_WORKER,
  })
  const url = `${worker.url}/config.git`
  const work = await makeWork('worker-work')
  await git(work, 'push', '--quiet', url, 'main')
  expect(await runDatakit(folder.path, 'fsck', url)).toMatchObject({ code: 0 })
  const bucket = await worker.bucket()
  const { objects } = await bucket.list({ prefix: 'p/' })
  await bucket.delete(objects.map(({ key }) => key))
  const found = await runDatakit(folder.path, 'fsck', url)
  expect(found).toMatchObject({ code: 1 })
  expect(found.out).toContain('error: pack-gone:')
  const mended = await runDatakit(folder.path, 'repair', url, '--from', work)
  expect(mended.code, mended.out + mended.err).toBe(0)
  const clone = join(folder.path, 'worker-clone')
  await git(folder.path, 'clone', '--quiet', url, clone)
  expect(await objectsOf(clone)).toBe(await objectsOf(work))
  const refused = await fetch(`${url}/fsck`)
  expect(refused.status).toBe(405)
  await worker.stop()
})

it('is not there in the server of a folder, which says what to run', async () => {
  const server = await startTestServer('node')
  const answer = await runDatakit(folder.path, 'fsck', `${server.url}/config.git`)
  expect(answer.code).toBe(1)
  expect(answer.err).toContain('datakit fsck')
  await server.stop()
})
