/** A program that is killed while it goes over to another version of its defaults: the next one finds all of a version, and goes on. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { cases, random } from '../../packages/git/test/seed.ts'
import { temporaryFolder } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'
import { openRecord, openRepository } from './upgrade-process.ts'

const KILLS = 6

const folder = temporaryFolder('upgrade')
const directory = join(folder.path, 'config.git')
const program = join(import.meta.dirname, 'upgrade-process.ts')
let child: ChildProcess | undefined

beforeAll(async () => {
  await git(folder.path, 'init', '--quiet', '--bare', '--initial-branch=main', directory)
  const repository = await openRepository(directory)
  const record = await openRecord(repository, 1)
  await record.set({ kept: 7 })
  await repository.close()
})
afterEach(() => {
  child?.kill('SIGKILL')
})
afterAll(() => folder.remove())

it(
  'leaves one version or the next, never a mixture, and each is one commit',
  { timeout: 180_000 },
  async () => {
    const rounds = cases(KILLS).numRuns
    const next = random()
    let version = 1
    for (let round = 0; round < rounds; round++) {
      const env = { ...process.env, NODE_COMPILE_CACHE: folder.path }
      const running = fork(program, [directory, String(version + 1)], {
        env,
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      })
      child = running
      let reached = version
      running.stdout?.on('data', (piece: Buffer) => {
        reached = Number(piece.toString().trim().split('\n').at(-1))
      })
      await once(running.stdout ?? running, 'data')
      await new Promise((resolve) => setTimeout(resolve, next() * 150))
      running.kill('SIGKILL')
      await once(running, 'exit')

      const repository = await openRepository(directory)
      const defaults = await repository.branch('defaults').head()
      const stored = Number(await defaults?.readText('schema-version'))
      expect(stored).toBeGreaterThanOrEqual(reached)
      expect(stored).toBeLessThanOrEqual(reached + 1)
      const read = async (path: string) => (await defaults?.readText(path))?.trim()
      const all = [await read('vm/memory'), await read('vm/cpus'), await read('proxy/http')]
      // Who opens a record writes its defaults, in one commit, and goes over to its version in another.
      const written = Number(all[0])
      expect([stored, stored + 1]).toContain(written)
      expect(all).toEqual([`${written}`, `${written}`, `http://proxy-${written}`])

      // The same once more does nothing; what holds is mirrored, also where the one before did not come to that.
      const record = await openRecord(repository, stored)
      expect(await record.upgrade(stored)).toBe(false)
      const state = await repository.branch('state').head()
      expect((await state?.readText('vm/memory'))?.trim()).toBe(`${stored}`)
      expect((await state?.readText('kept'))?.trim()).toBe('7')
      expect(record.get('kept')).toMatchObject({ value: 7, layer: 'user' })
      version = stored
      await repository.close()
    }
    await git(directory, 'fsck', '--strict')
    const subjects = (await git(directory, 'log', '--format=%s', 'defaults')).split('\n')
    const upgrades = subjects.filter((subject) => subject.startsWith('Upgrade'))
    expect(new Set(upgrades).size).toBe(upgrades.length)
    expect(upgrades).toHaveLength(version - 1)
    console.log(`${version} versions, ${rounds} kills`)
  },
)
