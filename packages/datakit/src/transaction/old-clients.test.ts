/**
 * What the suites of the old clients of DataKit asked for, where no other test of this package says it; `docs/old-suites.md` has the
 * whole list.
 */
import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { beforeEach, describe, expect, it } from 'vitest'
import { Repository } from '../repository.ts'
import type { Transaction } from './transaction.ts'

let repository: Repository
beforeEach(async () => {
  repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
})

async function commit(
  branch: string,
  edit: (files: Transaction) => Promise<unknown>,
): Promise<Oid> {
  const outcome = await repository
    .branch(branch)
    .commit(async (files) => void (await edit(files)), { message: 'Change' })
  if (outcome.state !== 'committed') throw new Error(`The commit was ${outcome.state}`)
  return outcome.oid
}

describe('a file', () => {
  // The old clients cut files and filled them up with zeros where they were; here that is a write of what was read.
  it('is cut short, made longer by zeros and emptied, and keeps its mode', async () => {
    await commit('main', (files) => files.write('run', 'hello', { mode: 0o100755 }))
    const truncate = async (files: Transaction, size: number): Promise<void> => {
      const whole = new Uint8Array(size)
      whole.set(((await files.read('run')) ?? new Uint8Array(0)).subarray(0, size))
      await files.write('run', whole)
    }
    for (const [size, text] of [
      [4, 'hell'],
      [6, 'hell\0\0'],
      [0, ''],
    ] as const) {
      await commit('main', (files) => truncate(files, size))
      const head = await repository.branch('main').head()
      expect(await head?.readText('run')).toBe(text)
      expect(await head?.stat('run')).toMatchObject({ kind: 'executable', size })
    }
  })

  it('is made or replaced by one call, whatever was there but a directory', async () => {
    await commit('main', async (files) => {
      await files.write('a', '1')
      await files.write('a', '2')
      await files.write('link', 'a', { mode: 0o120000 })
      await files.write('link', 'b')
      await files.write('link', 'file', { mode: 0o100644 })
      await files.write('d/x', '1')
      await expect(files.write('d', '1')).rejects.toMatchObject({ code: 'is-a-directory' })
    })
    const head = await repository.branch('main').head()
    expect(await head?.readText('a')).toBe('2')
    expect(await head?.stat('link')).toMatchObject({ kind: 'file' })
    expect(await head?.readText('link')).toBe('file')
  })

  it('has directories on its way made, and takes them along when it goes', async () => {
    const transaction = await repository.branch('main').transaction()
    await transaction.write('one/two/three/file', '1')
    expect((await transaction.list('one/two')).map(({ name, kind }) => [name, kind])).toEqual([
      ['three', 'directory'],
    ])
    expect(await transaction.read('one/two/three/file')).toEqual(Uint8Array.of(0x31))
    await transaction.remove('one/two/three/file')
    expect(await transaction.stat('one')).toBe(undefined)
    expect(await transaction.remove('one')).toBe(false)
    transaction.abort()
    expect(await repository.branch('main').oid()).toBe(undefined)
  })
})

describe('modes in a merge', () => {
  // The old suite's own files: a stays, one side makes b executable and c a link, the other makes c plain.
  it('go with either side that changed them, and are in conflict where both did', async () => {
    await commit('main', async (files) => {
      await files.write('a', 'a', { mode: 0o100755 })
      await files.write('b', 'b', { mode: 0o120000 })
      await files.write('c', 'c', { mode: 0o100755 })
    })
    await repository.branch('main').fork('pr')
    const theirs = await commit('pr', async (files) => {
      await files.write('b', 'b', { mode: 0o100755 })
      await files.write('c', 'c', { mode: 0o120000 })
    })
    await commit('main', (files) => files.setMode('c', 0o100644))
    const transaction = await repository.branch('main').transaction()
    const { conflicts } = await transaction.merge(theirs)
    expect(conflicts).toMatchObject([{ path: 'c', kind: 'type' }])
    const kinds = async (): Promise<(string | undefined)[]> =>
      Promise.all(['a', 'b', 'c'].map(async (path) => (await transaction.stat(path))?.kind))
    expect(await kinds()).toEqual(['executable', 'executable', 'file'])
    await transaction.write('c', 'resolved')
    await transaction.setMode('c', 0o100755)
    await transaction.commit({ message: 'Merge' })
    const head = await repository.branch('main').head()
    expect(await head?.stat('c')).toMatchObject({ kind: 'executable' })
    expect(await head?.readText('c')).toBe('resolved')
  })
})

describe('parents', () => {
  it('are there, in the order in which they were named', async () => {
    const others: Oid[] = []
    for (const name of ['x', 'y', 'z'])
      others.push(await commit(name, (files) => files.write(name, '1')))
    const first = await commit('main', (files) => files.write('a', '1'))
    const none = '1'.repeat(40) as Oid
    const transaction = await repository.branch('main').transaction()
    for (const oid of others.toReversed()) await transaction.addParent(oid)
    await expect(transaction.addParent(none)).rejects.toMatchObject({ code: 'missing' })
    expect(transaction.parents).toEqual([first, ...others.toReversed()])
    await transaction.commit({ message: 'Many' })
    const head = await repository.branch('main').head()
    expect(head?.commit().parents).toEqual([first, ...others.toReversed()])
    // Nothing of them was taken: a merge of the strategy that Git calls "ours".
    expect((await head?.list())?.map(({ name }) => name)).toEqual(['a'])
  })
})
