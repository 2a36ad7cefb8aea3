import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { describe, expect, it } from 'vitest'
import { forceBranch, heads, write } from '../../test/clients.ts'
import { Repository } from '../repository.ts'

/** A repository with two commits on `main`. */
async function twoCommits(): Promise<{ repository: Repository; first: Oid; second: Oid }> {
  const repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
  const first = await write(repository, 'a', '1')
  return { repository, first, second: await write(repository, 'b', '2') }
}

async function files(repository: Repository): Promise<string[]> {
  const head = await repository.branch('main').head()
  const found: string[] = []
  if (head) for await (const { path } of head.walk()) found.push(path)
  return found
}

describe('a transaction whose branch changes meanwhile', () => {
  it('makes a deleted branch again, with what the transaction began with', async () => {
    const { repository, second } = await twoCommits()
    const transaction = await repository.branch('main').transaction()
    await transaction.write('c', '3')
    await repository.branch('main').delete()
    expect(await transaction.commit({ message: 'Third' })).toMatchObject({ how: 'fast-forward' })
    expect(await files(repository)).toEqual(['a', 'b', 'c'])
    const head = await repository.branch('main').head()
    expect(head?.commit().parents).toEqual([second])
  })

  it('brings back the commits that it began with when the branch was moved back', async () => {
    const { repository, first, second } = await twoCommits()
    const transaction = await repository.branch('main').transaction()
    await transaction.write('c', '3')
    await forceBranch(repository, 'main', first)
    expect(await transaction.commit({ message: 'Third' })).toMatchObject({ how: 'fast-forward' })
    expect(await files(repository)).toEqual(['a', 'b', 'c'])
    expect(await repository.isAncestor(second, (await heads(repository))['main'] as Oid)).toBe(true)
  })

  it('merges with a branch that was rewritten, and keeps both histories', async () => {
    const { repository, first, second } = await twoCommits()
    const transaction = await repository.branch('main').transaction()
    await transaction.write('c', '3')
    await forceBranch(repository, 'main', first)
    const rewritten = await write(repository, 'd', '4')
    expect(await transaction.commit({ message: 'Third' })).toMatchObject({ how: 'merge' })
    expect(await files(repository)).toEqual(['a', 'b', 'c', 'd'])
    const head = await repository.branch('main').head()
    const [parent, own] = head?.commit().parents ?? []
    expect(parent).toBe(rewritten)
    expect(await repository.isAncestor(second, own as Oid)).toBe(true)
  })

  it('is a conflict with a rewritten branch that has nothing in common at the same path', async () => {
    const { repository } = await twoCommits()
    const transaction = await repository.branch('main').transaction()
    await transaction.write('a', '3')
    await repository.branch('main').delete()
    const other = await write(repository, 'a', 'new')
    expect(await transaction.commit({ message: 'Third' })).toMatchObject({
      state: 'conflict',
      theirs: other,
      base: undefined,
      conflicts: [{ path: 'a', kind: 'add/add' }],
    })
    expect(await heads(repository)).toEqual({ main: other })
  })
})
