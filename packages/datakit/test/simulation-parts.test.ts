/**
 * Runs of `simulation.test.ts` in which clients have parts of the repository: `SEED=1 CASES=1000` for others than the default ones.
 *
 * Choices change in the middle, online and offline; files are read wherever they are; branches are edited and merged that were not
 * asked for, and the server throws away what it has left out before. Beside what holds in every run:
 *
 * | what must hold | seen to fail when |
 * | --- | --- |
 * | what is written down to be here is here, after every update | the server does not look at `held` |
 * | what a ref leads to is here or promised, and what was promised the server had | `findLeft` finds nothing |
 * | what is read is right | `readText` reads another path |
 * | a branch that cannot be merged or sent does not stop the others | `mergeDiverged` throws *not here* |
 *
 * @module
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { gitDirectoryDepot } from '@datakit/storage/git-directory'
import { memoryDepot } from '@datakit/storage/memory'
import { git } from '../../../test/support/stock-git.ts'
import { chooseSeed } from './random-history.ts'
import {
  simulate,
  SimulationError,
  type SimulationOptions,
  type SimulationReport,
} from './simulation/simulation.ts'
import { URL_OF_SERVER } from './simulation/world.ts'

const cases = Number(process.env['CASES'] ?? 12)
const seed = chooseSeed()

const inMemory: Omit<SimulationOptions, 'seed'> = {
  runtime: nodeRuntime,
  openDepot: async (_, clock) => memoryDepot({ clock }),
  turn: () => new Promise((resolve) => void setImmediate(resolve)),
  hasParts: true,
}

async function run(options: SimulationOptions): Promise<SimulationReport> {
  try {
    return await simulate(options)
  } catch (error) {
    if (error instanceof SimulationError) console.log(error.story.join('\n'))
    throw error
  }
}

describe('a simulation with parts', () => {
  beforeAll(() => run({ ...inMemory, seed: 0 }))

  // When what another tab had fetched meanwhile was lost, a merge needed what the server had let go of, and an answer by name was cut.
  it.each([29, 56, 266])('keeps every promise in run %i, which has failed before', async (seed) => {
    expect((await run({ ...inMemory, seed })).acknowledged).toBeGreaterThan(0)
  })

  it(`keeps every promise in ${cases} runs`, { timeout: 1000 * cases + 60_000 }, async () => {
    console.log(`SEED=${seed} CASES=${cases}`)
    let [steps, acknowledged] = [0, 0]
    for (let i = 0; i < cases; i++) {
      const report = await run({ ...inMemory, seed: seed + i })
      steps += report.steps
      acknowledged += report.acknowledged
    }
    console.log(`${steps} steps, ${acknowledged} commits`)
    expect(acknowledged).toBeGreaterThan(cases)
  })
})

describe('a simulation with parts over Git directories', () => {
  const folder = mkdtempSync(join(tmpdir(), 'datakit-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('keeps every promise, and stock git finds nothing', { timeout: 600_000 }, async () => {
    for (let i = 0; i < Math.ceil(cases / 12); i++) {
      const machines = join(folder, `${seed + i}`)
      const openDepot: SimulationOptions['openDepot'] = async (machine, clock) => {
        const directory = join(machines, machine, 'config.git')
        mkdirSync(directory, { recursive: true })
        await git(directory, 'init', '-q', '--bare', '-b', 'main')
        if (machine !== 'server') await git(directory, 'remote', 'add', 'origin', URL_OF_SERVER)
        return gitDirectoryDepot(join(machines, machine), { runtime: nodeRuntime, clock })
      }
      await run({ ...inMemory, seed: seed + i, openDepot })
      for (const machine of readdirSync(machines))
        await git(join(machines, machine, 'config.git'), 'fsck', '--strict', '--full')
      expect.assertions(0)
    }
  })
})
