/** `datakit fsck` and `datakit repair` that are cut off: they go on, and end where they would have ended. */
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { startWorker } from '../../tools/worker.ts'
import { runDatakit } from '../support/programs.ts'
import { temporaryFolder, THROTTLED_WORKER } from '../support/servers.ts'
import { git, objectsOf } from '../support/stock-git.ts'
import { makeRandomRepository } from '../support/random-repository.ts'
import { cases, random } from '../../packages/git/test/seed.ts'

const folder = temporaryFolder('fsck-cut')
afterAll(() => folder.remove())
const { seed } = cases(1)

/** A proxy that lets so many bytes of each answer through: a number for each connection, in turn, then everything. */
async function cutting(server: string, cuts: number[]): Promise<{ url: string; proxy: Server }> {
  const { hostname, port } = new URL(server)
  const proxy = createServer((client) => {
    let left = cuts.shift() ?? Infinity
    const upstream = connect(Number(port), hostname)
    const end = (): void => [client, upstream].forEach((socket) => socket.destroy())
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end)
    client.pipe(upstream)
    upstream.on('data', (piece: Buffer) => {
      client.write(piece.subarray(0, left), () => left <= 0 && end())
      left -= piece.length
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = proxy.address() as AddressInfo
  return { url: `http://127.0.0.1:${address.port}/config.git`, proxy }
}

it('go on over a bucket when answers of the Worker break off', async () => {
  const worker = await startWorker({
    port: 0,
    data: join(folder.path, 'bucket'),
    entry: THROTTLED_WORKER,
  })
  const work = join(folder.path, 'work.git')
  await makeRandomRepository(work, 6, random(seed))
  await git(work, 'push', '--quiet', '--mirror', `${worker.url}/config.git`)
  const whole = await runDatakit(folder.path, 'fsck', `${worker.url}/config.git`)
  // Before the head of an answer, within it, within the first line of the body, and in the middle of another.
  const cuts = [0, 40, 230, 300]
  const { url, proxy } = await cutting(worker.url, cuts)
  expect(await runDatakit(folder.path, 'fsck', url)).toEqual(whole)
  expect(cuts).toEqual([])
  const bucket = await worker.bucket()
  const { objects } = await bucket.list({ prefix: 'p/' })
  await bucket.delete(objects.map(({ key }) => key))
  cuts.push(0, 230)
  const mended = await runDatakit(folder.path, 'repair', url, '--from', work)
  expect(mended.code, mended.out + mended.err).toBe(0)
  expect(cuts).toEqual([])
  const clone = join(folder.path, 'clone.git')
  await git('.', 'clone', '--quiet', '--mirror', `${worker.url}/config.git`, clone)
  expect(await objectsOf(clone)).toBe(await objectsOf(work))
  proxy.close()
  await worker.stop()
})

/** Runs the tool, and kills it after so many milliseconds; whether it came to its end before. */
function runFor(milliseconds: number, ...args: readonly string[]): Promise<boolean> {
  const main = join(import.meta.dirname, '..', '..', 'packages', 'cli', 'src', 'main.ts')
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: 'ignore' })
    const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve(code !== null)
    })
  })
}

it('go on over a Git directory when they are killed again and again', async () => {
  const copy = join(folder.path, 'copy.git')
  const broken = join(folder.path, 'broken.git')
  await makeRandomRepository(copy, 40, random(seed + 1))
  await git('.', 'clone', '--quiet', '--mirror', copy, broken)
  const pack = await git(broken, 'rev-parse', '--git-path', 'objects/pack')
  rmSync(join(broken, pack), { recursive: true })
  expect((await runDatakit(folder.path, 'fsck', broken)).code).toBe(1)
  let kills = 0
  for (let after = 150; !(await runFor(after, 'repair', broken, '--from', copy)); after *= 1.7) {
    kills++
    await runFor(after, 'fsck', broken)
  }
  expect(kills).toBeGreaterThan(1)
  expect(await runDatakit(folder.path, 'fsck', broken)).toMatchObject({ code: 0 })
  await git(broken, 'fsck', '--strict')
  expect(await objectsOf(broken)).toBe(await objectsOf(copy))
})
