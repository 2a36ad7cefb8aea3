/**
 * Outcomes of commits, in every place.
 *
 * @module
 */
import { utf8 } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import { expect } from 'vitest'
import type { CommitOutcome } from '../src/transaction/land.ts'
import type { Repository } from '../src/repository.ts'
import type { Transaction } from '../src/transaction/transaction.ts'
import { collect, commit, edit, filesOf, type Edits, type Scene, type Test } from './model-scene.ts'

/** How commits end. */
export function outcomeContract(test: Test): void {
  const started = async (
    { repository, other }: Scene,
    theirs: Edits,
  ): Promise<{ transaction: Transaction; head: Oid }> => {
    await commit(repository, { 'd/a': '1', b: '1', c: '1' })
    const transaction = await repository.branch('main').transaction()
    return { transaction, head: await commit(other, theirs) }
  }

  test('are a fast-forward or nothing, where no merge is wanted', async (scene) => {
    const { transaction, head } = await started(scene, { b: '2' })
    await edit(transaction, { c: '2' })
    const options = { message: 'Mine', fastForwardOnly: true }
    expect(await transaction.commit(options)).toEqual({ state: 'not-fast-forward', head })
    expect([await scene.repository.branch('main').oid(), transaction.isOpen]).toEqual([head, true])
    await transaction.merge(head)
    expect(await transaction.commit(options)).toMatchObject({ how: 'fast-forward' })
    expect((await scene.repository.branch('main').head())?.commit().parents).toEqual([head])
  })

  test('are a merge of the lines that both changed, or of keys, or a conflict that can be shown', async (scene) => {
    const { repository, other } = scene
    await commit(repository, { lines: 'a\nb\nc\n', 'keys.json': '{ "a": 1, "b": 1 }\n' })
    const transaction = await repository.branch('main').transaction()
    await commit(other, { lines: 'A\nb\nc\n', 'keys.json': '{ "a": 2, "b": 1 }\n' })
    await edit(transaction, { lines: 'a\nb\nC\n', 'keys.json': '{ "a": 1, "b": 2 }\n' })
    expect(await transaction.commit({ message: 'Mine' })).toMatchObject({ how: 'merge' })
    const head = await repository.branch('main').head()
    expect(await head?.readText('lines')).toBe('A\nb\nC\n')
    expect(await head?.readText('keys.json')).toBe('{ "a": 2, "b": 2 }\n')
    const again = await repository.branch('main').transaction()
    const theirs = await commit(other, { lines: 'theirs\n' })
    await edit(again, { lines: 'mine\n' })
    expect(await again.commit({ message: 'Mine' })).toMatchObject({ state: 'conflict' })
    await again.merge(theirs)
    const explained = await again.explain('lines')
    const marked = '<<<<<<<\nmine\n=======\ntheirs\n>>>>>>>\n'
    expect(explained?.state === 'conflict' && explained.marked).toEqual(utf8(marked))
  })

  test('give up after as many tries as are wanted', async ({ repository, other }) => {
    await commit(repository, { a: '1' })
    const { place } = repository.store
    const update = place.update.bind(place)
    let tries = 0
    // Somebody is always a moment earlier.
    place.update = async (request) => {
      tries++
      await commit(other, { b: `${tries}` })
      return update(request)
    }
    const commits = [0, 2].map((retries) => async () => {
      tries = 0
      const attempt = commit(repository, { a: '2' }, 'main', { retries })
      await expect(attempt).rejects.toMatchObject({ name: 'UnavailableError' })
      expect(tries).toBe(retries + 1)
    })
    for (const check of commits) await check()
    place.update = update
    expect(await filesOf(repository, await commit(repository, { c: '1' }))).toMatchObject({
      a: '1',
    })
  })

  const reading: readonly (readonly [
    string,
    (transaction: Transaction) => Promise<unknown>,
    Edits,
  ])[] = [
    ['a file', (transaction) => transaction.read('b'), { b: '2' }],
    ['what a file is', (transaction) => transaction.stat('b'), { b: undefined }],
    ['a listing', (transaction) => transaction.list('d'), { 'd/new': '1' }],
    ['that nothing is there', (transaction) => transaction.read('d/new'), { 'd/new': '1' }],
    ['that nothing could be removed', (transaction) => transaction.remove('x/y'), { 'x/y': '1' }],
    ['the root', (transaction) => transaction.list(), { z: '1' }],
    ['what a commit has else', (transaction) => differences(transaction), { z: '1' }],
    [
      'that no mode could be set',
      (transaction) => refused(transaction.setMode('x', 0o100755)),
      { x: '1' },
    ],
    [
      'that nothing could be moved',
      (transaction) => refused(transaction.move('x', 'y')),
      { x: '1' },
    ],
    ['that there was room', (transaction) => transaction.move('d', 'e'), { 'e/x': '1' }],
    [
      'that a file was in the way',
      (transaction) => refused(transaction.write('b/x', '1')),
      { b: undefined },
    ],
    ['that a write changed nothing', (transaction) => transaction.write('b', '1'), { b: '2' }],
  ]
  for (const [what, read, theirs] of reading) {
    test(`are a conflict when ${what} was read and has changed since`, async (scene) => {
      const { transaction, head } = await started(scene, theirs)
      await read(transaction)
      await edit(transaction, { c: '2' })
      const outcome = await transaction.commit({ message: 'Mine', serializable: true })
      expect(outcome).toMatchObject({
        state: 'conflict',
        theirs: head,
        conflicts: [{ kind: 'read' }],
      })
      expect(await scene.repository.branch('main').oid()).toBe(head)
      // Who has seen what is new may go on.
      await transaction.merge(head)
      const settled = await transaction.commit({ message: 'Mine', serializable: true })
      expect(settled).toMatchObject({ state: 'committed', how: 'fast-forward' })
    })
  }

  test('are none when what was read is the same, and reads do not count unless asked', async (scene) => {
    const { transaction } = await started(scene, { b: '2' })
    for (const path of ['c', 'd/a', 'none']) await transaction.read(path)
    await transaction.list('d')
    await edit(transaction, { c: '2' })
    const serializable = await transaction.commit({ message: 'Mine', serializable: true })
    expect(serializable).toMatchObject({ state: 'committed', how: 'merge' })
    const next = await scene.repository.branch('main').transaction()
    await next.read('b')
    await commit(scene.other, { b: '3' })
    await edit(next, { c: '3' })
    expect(await next.commit({ message: 'Mine' })).toMatchObject({ how: 'merge' })
  })

  test('show write skew, which a serializable commit refuses', async ({ repository, other }) => {
    for (const serializable of [false, true]) {
      await commit(repository, { 'on-call/ada': '1', 'on-call/grace': '1' })
      const leave = async (of: Repository, who: string): Promise<() => Promise<CommitOutcome>> => {
        const transaction = await of.branch('main').transaction()
        if ((await transaction.list('on-call')).length > 1)
          await transaction.remove(`on-call/${who}`)
        return () => transaction.commit({ message: `${who} leaves`, serializable })
      }
      const both = [await leave(repository, 'ada'), await leave(other, 'grace')]
      const states: string[] = []
      for (const end of both) states.push((await end()).state)
      expect(states).toEqual(['committed', serializable ? 'conflict' : 'committed'])
      const left = (await (await repository.branch('main').head())?.list('on-call')) ?? []
      expect(left).toHaveLength(serializable ? 1 : 0)
    }
  })
}

/** What differs from the commit that the transaction began with. */
async function differences(transaction: Transaction): Promise<unknown> {
  const [began] = transaction.parents
  return collect(transaction.diff(began))
}

/** What cannot be done, and is seen not to be. */
async function refused(attempt: Promise<unknown>): Promise<void> {
  await expect(attempt).rejects.toMatchObject({ name: 'PathError' })
}
