/** What becomes of refs that a sync moved to a pack which its proof found to be hostile. */
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { verifyPacks } from '@datakit/storage/verify'
import { expect, it } from 'vitest'
import {
  countingRuntime,
  hostileProofs,
  keepLyingPack,
} from '../../../storage/test/hostile-proof.ts'
import { Repository } from '../repository.ts'
import { takeBack } from './take-back.ts'

const REFS = ['refs/heads/main', 'refs/remotes/origin/main']
/** Bytes that may be inflated to find out what leads to it. */
const MOST = 40_000_000

it.each(hostileProofs.filter(({ isWhole }) => isWhole !== true))(
  'goes back from $what, at little cost',
  async (hostile) => {
    const place = memoryPlace()
    await keepLyingPack(place, hostile)
    const { runtime, inflated } = countingRuntime(nodeRuntime)
    const repository = await Repository.open(place, { runtime })
    const { limits } = hostile
    expect((await verifyPacks(place, nodeRuntime, { limits })).damaged).toHaveLength(1)
    const taken = await takeBack(repository)
    expect(taken.map(({ ref, to }) => [ref, to])).toEqual(REFS.map((ref) => [ref, undefined]))
    expect(inflated()).toBeLessThan(MOST)
    expect(await repository.branch('main').oid()).toBeUndefined()
  },
)

it.each(hostileProofs.filter(({ isWhole }) => isWhole === true))(
  'stays at what is there, though nobody can prove $what',
  async (hostile) => {
    const place = memoryPlace()
    await keepLyingPack(place, hostile)
    const repository = await Repository.open(place, { runtime: nodeRuntime })
    expect(await takeBack(repository)).toEqual([])
    expect(await repository.branch('main').oid()).toBeDefined()
  },
)
