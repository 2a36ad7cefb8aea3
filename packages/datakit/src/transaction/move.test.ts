import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { describe, expect, it } from 'vitest'
import { commit, filesOf } from '../../test/model-scene.ts'
import { Repository } from '../repository.ts'

function open(): Promise<Repository> {
  return Repository.open(memoryPlace(), { runtime: nodeRuntime })
}

describe('a move', () => {
  it.each([
    ['d', 'e', { 'e/x': '1', 'e/y/z': '2', 'e/y/w': '4', 'e/v': '5', f: '6' }],
    ['e', 'd', { 'd/x': '3', 'd/y/z': '2', 'd/y/w': '4', 'd/v': '5', f: '6' }],
    ['d/y', 'e', { 'd/x': '1', 'e/x': '3', 'e/y/w': '4', 'e/v': '5', 'e/z': '2', f: '6' }],
    ['e/y', 'e', { 'd/x': '1', 'd/y/z': '2', 'e/x': '3', 'e/w': '4', 'e/v': '5', f: '6' }],
    ['e', '', { 'd/x': '1', 'd/y/z': '2', x: '3', 'y/w': '4', v: '5', f: '6' }],
  ])('merges the directory "%s" into "%s", each file for itself', async (from, to, expected) => {
    const repository = await open()
    await commit(repository, {
      'd/x': '1',
      'd/y/z': '2',
      'e/x': '3',
      'e/y/w': '4',
      'e/v': '5',
      f: '6',
    })
    await repository
      .branch('main')
      .commit((transaction) => transaction.move(from, to, { merge: true }), { message: 'Merge' })
    const head = await repository.branch('main').oid()
    expect(head && (await filesOf(repository, head))).toEqual(expected)
  })

  it('moves nothing where two directories do not fit together', async () => {
    const repository = await open()
    await commit(repository, { 'd/a': '1', 'd/x': '2', 'e/a/b': '3', 'e/x/y': '4', f: '5' })
    const transaction = await repository.branch('main').transaction()
    const exists = { name: 'PathError', code: 'exists' }
    await expect(transaction.move('d', 'e', { merge: true })).rejects.toMatchObject(exists)
    await expect(transaction.move('e', 'd', { merge: true })).rejects.toMatchObject(exists)
    await expect(transaction.move('d', 'f', { merge: true })).rejects.toMatchObject(exists)
    await expect(transaction.move('f', 'd', { merge: true })).rejects.toMatchObject({
      code: 'is-a-directory',
    })
    expect(await transaction.isDirty()).toBe(false)
  })
})
