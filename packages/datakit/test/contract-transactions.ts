/**
 * Transactions, in every place.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { expect } from 'vitest'
import type { Transaction } from '../src/transaction/transaction.ts'
import { collect, commit, edit, filesOf, oidOf, type Test } from './model-scene.ts'

/** What transactions hold. */
export function transactionContract(test: Test): void {
  test('begin at any commit, with the branch as first parent', async ({ repository }) => {
    const first = await commit(repository, { a: '1', b: '1' })
    const second = await commit(repository, { a: '2' })
    const transaction = await repository.branch('main').transaction(first)
    expect(await transaction.readText('a')).toBe('1')
    await edit(transaction, { b: '2' })
    const merged = oidOf(await transaction.commit({ message: 'Late' }))
    const [head, own] = (await repository.snapshot(merged)).commit().parents
    expect(head).toBe(second)
    expect((await repository.snapshot(own ?? head ?? merged)).commit().parents).toEqual([first])
    expect(await filesOf(repository, merged)).toEqual({ a: '2', b: '2' })
  })

  test('take several commits in, one after the other', async ({ repository, other }) => {
    const base = await commit(repository, { a: '0', b: '0', c: '0' })
    for (const name of ['x', 'y']) await repository.branch(name).create(base)
    const x = await commit(other, { a: 'x', b: 'x' }, 'x')
    const y = await commit(other, { b: 'y', c: 'y' }, 'y')
    const transaction = await repository.branch('main').transaction()
    await edit(transaction, { c: 'main' })
    expect((await transaction.merge(x)).conflicts).toEqual([])
    const { conflicts, base: common } = await transaction.merge(y)
    expect(common).toBe(base)
    expect(conflicts.map(({ path, kind }) => `${path} ${kind}`)).toEqual(['b content', 'c content'])
    await expect(transaction.merge(x)).rejects.toMatchObject({ code: 'conflicts' })
    expect(await transaction.readText('b')).toBe('x')
    await transaction.resolve('b', 'theirs')
    await edit(transaction, { c: 'both' })
    expect((await transaction.merge(y)).conflicts).toEqual([])
    expect(transaction.parents).toEqual([base, x, y])
    const merged = oidOf(await transaction.commit({ message: 'All' }))
    expect((await repository.snapshot(merged)).commit().parents).toEqual([base, x, y])
    expect(await filesOf(other, merged)).toEqual({ a: 'x', b: 'y', c: 'both' })
    expect(await other.branch('main').oid()).toBe(merged)
  })

  test('put the branch first when its head came in by a merge', async ({ repository, other }) => {
    const base = await commit(repository, { a: '0' })
    const transaction = await repository.branch('main').transaction()
    await edit(transaction, { mine: '1' })
    const head = await commit(other, { a: '1' })
    await other.branch('topic').create(head)
    const topic = await commit(other, { b: '1' }, 'topic')
    await transaction.merge(topic)
    const outcome = await transaction.commit({ message: 'Topic' })
    expect(outcome).toMatchObject({ state: 'committed', how: 'fast-forward' })
    const merged = await repository.snapshot(oidOf(outcome))
    expect(merged.commit().parents).toEqual([head, topic])
    const line = await collect(repository.log(merged.oid, { firstParent: true }))
    expect(line.map(({ oid }) => oid)).toEqual([merged.oid, head, base])
  })

  test('name a parent without taking anything of it', async ({ repository }) => {
    const base = await commit(repository, { a: '1' })
    const other = await commit(repository, { b: '1' }, 'other')
    const transaction = await repository.branch('main').transaction()
    await transaction.addParent(other)
    expect(await transaction.isDirty()).toBe(true)
    const merged = oidOf(await transaction.commit({ message: 'Ours', skipEmpty: true }))
    expect((await repository.snapshot(merged)).commit().parents).toEqual([base, other])
    expect(await filesOf(repository, merged)).toEqual({ a: '1' })
    expect((await repository.branch('main').merge(other)).state).toBe('unchanged')
    const missing = '1'.repeat(40) as Oid
    const next = await repository.branch('main').transaction()
    await expect(next.addParent(missing)).rejects.toMatchObject({ code: 'missing' })
    expect(next.parents).toEqual([merged])
  })

  test('merge into nothing', async ({ repository }) => {
    const main = await commit(repository, { a: '1' })
    const transaction = await repository.branch('new').transaction()
    expect(await transaction.isDirty()).toBe(false)
    expect(await transaction.merge(main)).toEqual({ base: undefined, conflicts: [] })
    const merged = oidOf(await transaction.commit({ message: 'Begin' }))
    expect((await repository.snapshot(merged)).commit().parents).toEqual([main])
    expect(await filesOf(repository, merged)).toEqual({ a: '1' })
  })

  test('tell what differs, and whether anything does', async ({ repository }) => {
    const first = await commit(repository, { a: '1', 'd/b': '1', 'd/c': '1' })
    await commit(repository, { a: '2' })
    const transaction = await repository.branch('main').transaction()
    const changes = async (since?: Oid): Promise<string[]> =>
      (await collect(transaction.diff(since))).map(({ kind, path }) => `${kind} ${path}`)
    expect([await transaction.isDirty(), await changes()]).toEqual([false, []])
    await edit(transaction, { 'd/b': undefined, 'd/e': 'new', 'd/c': '2' })
    expect(await transaction.isDirty()).toBe(true)
    expect(await changes()).toEqual(['removed d/b', 'changed d/c', 'added d/e'])
    expect(await changes(first)).toEqual(['changed a', 'removed d/b', 'changed d/c', 'added d/e'])
    await edit(transaction, { 'd/b': '1', 'd/c': '1', 'd/e': undefined })
    expect([await transaction.isDirty(), await changes()]).toEqual([false, []])
  })

  test('take a commit back', async ({ repository }) => {
    await commit(repository, { a: '1', b: '1' })
    const wrong = await commit(repository, { a: '2', b: undefined, c: '1' })
    await commit(repository, { d: '1' })
    const transaction = await repository.branch('main').transaction()
    const { conflicts, message } = await transaction.revert(wrong)
    expect(conflicts).toEqual([])
    const reverted = oidOf(await transaction.commit({ message }))
    expect(await filesOf(repository, reverted)).toEqual({ a: '1', b: '1', d: '1' })
    expect((await repository.snapshot(reverted)).commit().message).toBe(
      `Revert "Edit a, b, c"\n\nThis reverts commit ${wrong}.\n`,
    )
  })

  test('keep modes and links through moves', async ({ repository, other }) => {
    const made = await repository.branch('main').commit(
      async (transaction) => {
        await transaction.write('d/run', '#!\n', { mode: 0o100755 })
        await transaction.write('d/link', 'run', { mode: 0o120000 })
        await transaction.write('e/file', '1')
        await transaction.move('d', 'e', { merge: true })
        await transaction.setMode('e/file', 0o100755)
        await transaction.write('e/run', '#! again\n')
      },
      { message: 'Make' },
    )
    const snapshot = await other.snapshot(oidOf(made))
    const found = (await snapshot.list('e')).map(({ name, kind }) => `${kind} ${name}`)
    expect(found).toEqual(['executable file', 'link link', 'executable run'])
    expect(await snapshot.stat('d')).toBe(undefined)
  })

  test('put one kind of thing in the place of another', async ({ repository, other }) => {
    const kinds = async (oid: Oid): Promise<string[]> =>
      (await (await other.snapshot(oid)).list()).map(({ name, kind }) => `${name} ${kind}`)
    const change = async (act: (transaction: Transaction) => Promise<unknown>): Promise<Oid> =>
      oidOf(
        await repository.branch('main').commit((t) => act(t).then(() => {}), { message: 'Change' }),
      )
    await commit(repository, { a: 'file', 'd/x': '1' })
    expect(await kinds(await change((t) => t.write('a', 'd', { mode: 0o120000 })))).toEqual([
      'a link',
      'd directory',
    ])
    // A link that is written to stays one.
    expect(await kinds(await change((t) => t.write('a', 'd/x')))).toEqual(['a link', 'd directory'])
    const swapped = await change(async (t) => {
      await t.remove('d')
      await t.move('a', 'd')
      await t.write('a/y', '2', { mode: 0o100755 })
    })
    expect(await kinds(swapped)).toEqual(['a directory', 'd link'])
    expect(await filesOf(other, swapped)).toEqual({ 'a/y': '2', d: 'd/x' })
    const replaced = await change((t) => t.move('a/y', 'd'))
    expect([await kinds(replaced), await filesOf(other, replaced)]).toEqual([
      ['d executable'],
      { d: '2' },
    ])
    expect(await kinds(await change((t) => t.remove('')))).toEqual([])
  })

  test('keep a large file', async ({ repository, other }) => {
    let state = 1
    // Nothing that compresses, so that it takes several pieces in every place.
    const large = Uint8Array.from({ length: 1_500_000 }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return state >>> 16
    })
    const outcome = await repository
      .branch('main')
      .commit((transaction) => transaction.write('large', large), { message: 'Large' })
    const snapshot = await other.snapshot(oidOf(outcome))
    const body = (await snapshot.read('large')) ?? new Uint8Array(0)
    expect(body.length).toBe(large.length)
    expect(body.every((byte, i) => byte === large[i])).toBe(true)
    expect((await snapshot.stat('large'))?.size).toBe(large.length)
    let at = 0
    for await (const piece of snapshot.stream('large')) {
      expect(piece.every((byte, i) => byte === large[at + i])).toBe(true)
      at += piece.length
    }
    expect(at).toBe(large.length)
  })

  test('lose nothing when everything is written at once', async ({ repository }) => {
    const files = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`new/${i % 4}/${i}`, `${i}`]),
    )
    const outcome = await repository.branch('main').commit(
      async (transaction) => {
        await Promise.all(Object.entries(files).map((file) => transaction.write(...file)))
      },
      { message: 'At once' },
    )
    expect(await filesOf(repository, oidOf(outcome))).toEqual(files)
  })
}
