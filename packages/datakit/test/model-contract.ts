/**
 * What branches, transactions and snapshots do, whatever place keeps the repository.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { globFilter } from '../src/path-filter.ts'
import type { CommitOptions, CommitOutcome } from '../src/land.ts'
import type { Repository } from '../src/repository.ts'
import type { Transaction } from '../src/transaction.ts'

/** A repository that nobody has written to, in two handles that know nothing of each other. */
export interface ModelUnderTest {
  readonly repository: Repository
  readonly other: Repository
  destroy(): Promise<void>
}

/** What a test is given. */
interface Scene {
  readonly repository: Repository
  readonly other: Repository
}

type Test = (title: string, body: (scene: Scene) => Promise<void>) => void

/** Files by path; `undefined` removes. */
export type Edits = Readonly<Record<string, string | undefined>>

/** Runs every test of the model over one kind of place. */
export function modelContract(name: string, make: () => Promise<ModelUnderTest>): void {
  let model: ModelUnderTest
  const test: Test = (title, body) => it(title, () => body(model))
  describe(`${name}: the model`, () => {
    beforeEach(async () => {
      model = await make()
    })
    afterEach(() => model.destroy())
    describe('transactions', () => transactionContract(test))
    describe('outcomes', () => outcomeContract(test))
    describe('branches', () => branchContract(test))
    describe('reflogs', () => reflogContract(test))
    describe('snapshots', () => snapshotContract(test))
  })
}

/** Makes edits in a transaction. */
export async function edit(transaction: Transaction, edits: Edits): Promise<void> {
  for (const [path, content] of Object.entries(edits)) {
    if (content === undefined) await transaction.remove(path)
    else await transaction.write(path, content)
  }
}

/** Commits edits, and gives the commit. */
export async function commit(
  repository: Repository,
  edits: Edits,
  branch = 'main',
  options: Partial<CommitOptions> = {},
): Promise<Oid> {
  const message = `Edit ${Object.keys(edits).join(', ')}`
  const outcome = await repository
    .branch(branch)
    .commit((transaction) => edit(transaction, edits), { message, ...options })
  return oidOf(outcome)
}

/** The commit that an outcome is about. */
export function oidOf(outcome: CommitOutcome): Oid {
  if (outcome.state === 'committed' || outcome.state === 'unchanged') return outcome.oid
  throw new Error(`The commit was ${outcome.state}`)
}

/** The files of a commit with their contents. */
export async function filesOf(repository: Repository, oid: Oid): Promise<Record<string, string>> {
  const snapshot = await repository.snapshot(oid)
  const files: Record<string, string> = {}
  for await (const { path } of snapshot.walk()) files[path] = (await snapshot.readText(path)) ?? ''
  return files
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

function transactionContract(test: Test): void {
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

function outcomeContract(test: Test): void {
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

function branchContract(test: Test): void {
  const names = async ({ repository }: Scene, pattern?: string): Promise<string[]> =>
    (await repository.branches(pattern)).map(({ name }) => name)

  test('are made and taken away only as they were seen', async ({ repository, other }) => {
    const first = await commit(repository, { a: '1' })
    const second = await commit(repository, { a: '2' })
    const [topic, same] = [repository.branch('topic'), other.branch('topic')]
    expect([await topic.create(first), await same.create(second)]).toEqual([true, false])
    await expect(topic.create('1'.repeat(40) as Oid)).rejects.toMatchObject({ code: 'missing' })
    expect(await same.compareAndSet(second, first)).toBe(false)
    expect(await same.compareAndSet(first, second)).toBe(true)
    expect([await topic.oid(), await topic.delete(first), await topic.oid()]).toEqual([
      second,
      false,
      second,
    ])
    expect([await topic.delete(second), await topic.delete(), await topic.oid()]).toEqual([
      true,
      false,
      undefined,
    ])
    expect(await topic.compareAndSet(undefined, first)).toBe(true)
    await expect(topic.compareAndSet(first, '1'.repeat(40) as Oid)).rejects.toMatchObject({
      code: 'missing',
    })
    expect(await same.compareAndSet(first, undefined)).toBe(true)
  })

  test('are listed by pattern, as git branch --list does', async (scene) => {
    const oid = await commit(scene.repository, { a: '1' })
    for (const name of ['release/1.0', 'release/2.0/rc', 'topic', 'tropic'])
      await scene.repository.branch(name).create(oid)
    expect(await names(scene)).toEqual(['main', 'release/1.0', 'release/2.0/rc', 'topic', 'tropic'])
    expect(await names(scene, 'release/*')).toEqual(['release/1.0', 'release/2.0/rc'])
    expect(await names(scene, 't?opic')).toEqual(['tropic'])
    expect(await names(scene, 'release')).toEqual([])
  })

  test('fork at their heads', async ({ repository, other }) => {
    const none = repository.branch('none').fork('x')
    await expect(none).rejects.toMatchObject({ name: 'BranchError', code: 'gone', branch: 'none' })
    const oid = await commit(repository, { a: '1' })
    const fork = await other.branch('main').fork('feature/x')
    expect([fork.name, await fork.oid()]).toEqual(['feature/x', oid])
    await commit(repository, { a: '2' }, 'feature/x')
    expect(await repository.branch('main').oid()).toBe(oid)
    const again = repository.branch('main').fork('feature/x')
    await expect(again).rejects.toMatchObject({ code: 'exists', branch: 'feature/x' })
  })

  test('are renamed with HEAD, in one update', async (scene) => {
    const { repository, other } = scene
    const oid = await commit(repository, { a: '1' })
    await repository.branch('topic').create(oid)
    const taken = repository.branch('main').rename('topic')
    await expect(taken).rejects.toMatchObject({ code: 'exists', branch: 'topic' })
    const gone = repository.branch('none').rename('x')
    await expect(gone).rejects.toMatchObject({ code: 'gone', branch: 'none' })
    await expect(repository.branch('main').rename('a..b')).rejects.toThrow(RangeError)
    expect(await names(scene)).toEqual(['main', 'topic'])
    const before = (await repository.store.state()).version
    const states = new Set<string>()
    const trunk = await other.branch('main').rename('trunk')
    states.add((await repository.store.state()).version)
    expect(states.has(before)).toBe(false)
    expect([trunk.name, await trunk.oid()]).toEqual(['trunk', oid])
    expect([await names(scene), await repository.head()]).toEqual([
      ['topic', 'trunk'],
      { ref: 'refs/heads/trunk' },
    ])
    // A name may go below itself and back.
    await trunk.rename('trunk/next')
    await (await repository.branch('trunk/next').rename('trunk')).rename('topic', { replace: true })
    expect([await names(scene), await repository.head()]).toEqual([
      ['topic'],
      { ref: 'refs/heads/topic' },
    ])
  })

  test('are renamed before they have a commit, when HEAD is there', async ({ repository }) => {
    await repository.branch('main').rename('trunk')
    expect(await repository.head()).toEqual({ ref: 'refs/heads/trunk' })
    const oid = await commit(repository, { a: '1' }, 'trunk')
    expect(await repository.branch('trunk').oid()).toBe(oid)
  })

  test('go anywhere by force, and back by their reflogs', async ({ repository, other }) => {
    const first = await commit(repository, { a: '1' })
    const second = await commit(repository, { a: '2' })
    expect(await other.branch('main').reset(first)).toBe(second)
    expect(await other.branch('main').reset(first)).toBe(first)
    const [last] = await collect(repository.branch('main').reflog())
    expect(last).toMatchObject({ from: second, to: first, why: `reset: moving to ${first}` })
    expect(await repository.branch('main').reset(last?.from ?? first)).toBe(first)
    expect(await other.branch('main').oid()).toBe(second)
    const missing = repository.branch('main').reset('1'.repeat(40) as Oid)
    await expect(missing).rejects.toMatchObject({ code: 'missing' })
  })

  test('merge by fast-forward, by a commit, or not at all', async ({ repository, other }) => {
    const base = await commit(repository, { a: '1', b: '1' })
    const topic = await repository.branch('main').fork('topic')
    const theirs = await commit(other, { a: '2' }, 'topic')
    const main = repository.branch('main')
    expect(await main.merge(theirs)).toMatchObject({ how: 'fast-forward', oid: theirs })
    expect(await main.merge(theirs)).toEqual({ state: 'unchanged', oid: theirs })
    const ours = await commit(repository, { b: '2' })
    expect(await main.merge(theirs)).toEqual({ state: 'unchanged', oid: ours })
    const more = await commit(other, { a: '3' }, 'topic')
    expect(await main.merge(more, { fastForwardOnly: true })).toMatchObject({
      state: 'not-fast-forward',
      head: ours,
    })
    const merged = oidOf(await main.merge(more))
    expect((await repository.snapshot(merged)).commit().parents).toEqual([ours, more])
    await commit(repository, { b: '3' })
    const clash = await commit(other, { b: '4' }, 'topic')
    const before = await main.oid()
    const outcome = await main.merge(clash)
    expect(outcome).toMatchObject({ state: 'conflict', conflicts: [{ path: 'b' }], base: more })
    expect(await main.oid()).toBe(before)
    if (outcome.state !== 'conflict') throw new Error('No conflict')
    const keep = new Map([['b', 'theirs']] as const)
    const settled = oidOf(await repository.resolve('main', outcome, keep))
    expect(await filesOf(other, settled)).toEqual({ a: '3', b: '4' })
    expect(await topic.oid()).toBe(clash)
    expect(await other.mergeBases(base, settled)).toEqual([base])
  })
}

function reflogContract(test: Test): void {
  test('tell every move, newest first', async ({ repository, other }) => {
    const oids: Oid[] = []
    for (let i = 0; i < 12; i++)
      oids.push(await commit(i % 2 === 0 ? repository : other, { a: `${i}` }))
    const log = await collect(other.branch('main').reflog())
    expect(log.map(({ to }) => to)).toEqual(oids.toReversed())
    expect(log.map(({ from }) => from)).toEqual([...oids.toReversed().slice(1), undefined])
    for (const entry of log) {
      expect(entry).toMatchObject({
        ref: 'refs/heads/main',
        who: 'Ada <ada@example.org>',
        why: 'commit: Edit a',
        external: false,
      })
    }
    expect(await collect(repository.reflog('refs/heads/main'))).toEqual(log)
  })

  test('go on behind a branch that was deleted, and made again', async ({ repository }) => {
    const first = await commit(repository, { a: '1' })
    await repository.branch('main').delete()
    const second = await commit(repository, { a: '2' })
    const log = await collect(repository.branch('main').reflog())
    expect(log.map(({ from, to }) => [from, to])).toEqual([
      [undefined, second],
      [first, undefined],
      [undefined, first],
    ])
  })

  test('follow a branch through its names', async ({ repository, other }) => {
    const first = await commit(repository, { a: '1' })
    const trunk = await repository.branch('main').rename('trunk')
    const second = await commit(other, { a: '2' }, 'trunk')
    const third = await commit(repository, { b: '1' }, 'main')
    await (await trunk.rename('x/y')).rename('x')
    const whys = async (name: string): Promise<string[]> =>
      (await collect(other.branch(name).reflog())).map(({ to, why }) => `${to} ${why}`)
    expect(await whys('x')).toEqual([
      `${second} Branch: renamed refs/heads/x/y to refs/heads/x`,
      `${second} Branch: renamed refs/heads/trunk to refs/heads/x/y`,
      `${second} commit: Edit a`,
      `${first} Branch: renamed refs/heads/main to refs/heads/trunk`,
      `${first} commit: Edit a`,
    ])
    // The name that it left begins for itself.
    expect(await whys('main')).toEqual([`${third} commit: Edit b`])
    expect([await whys('trunk'), await whys('x/y')]).toEqual([[], []])
  })

  test('follow a branch that gets its name back, again and again', async ({
    repository,
    other,
  }) => {
    const oid = await commit(repository, { a: '1' })
    const names = ['main', 'a', 'main', 'a', 'b/c', 'b', 'a', 'main', 'b']
    const expected = [`${oid} commit: Edit a`]
    for (const [i, name] of names.slice(1).entries()) {
      await (i % 2 === 0 ? repository : other).branch(names[i] ?? '').rename(name)
      expected.unshift(`${oid} Branch: renamed refs/heads/${names[i]} to refs/heads/${name}`)
    }
    const log = await collect(repository.branch('b').reflog())
    expect(log.map(({ to, why }) => `${to} ${why}`)).toEqual(expected)
    for (const name of ['main', 'a', 'b/c'])
      expect(await collect(repository.branch(name).reflog())).toEqual([])
  })

  test('go on with the branch that took the place of another', async ({ repository }) => {
    const first = await commit(repository, { a: '1' })
    const topic = await repository.branch('main').fork('topic')
    const second = await commit(repository, { b: '1' }, 'topic')
    await topic.rename('main', { replace: true })
    const log = await collect(repository.branch('main').reflog())
    expect(log.map(({ from, to }) => [from, to])).toEqual([
      [first, second],
      [first, second],
      [undefined, first],
    ])
    expect(log.map(({ external }) => external)).toEqual([false, false, false])
  })

  test('tell where HEAD pointed', async ({ repository, other }) => {
    const oid = await commit(repository, { a: '1' })
    await other.branch('topic').create(oid)
    await other.setHead('topic')
    const [newest] = await collect(repository.reflog('HEAD'))
    expect(newest).toMatchObject({ ref: 'HEAD', from: oid, to: oid, why: 'head: moving to topic' })
  })
}

function snapshotContract(test: Test): void {
  test('of a commit and of a tree stay as they are', async ({ repository, other }) => {
    const oid = await commit(repository, { 'd/a': '1', 'd/e/b': '2', c: '3' })
    const directory = await (await repository.snapshot(oid)).stat('d')
    if (directory === undefined) throw new Error('No directory')
    const tree = await other.tree(directory.oid)
    await commit(repository, { 'd/a': '4', 'd/e': undefined })
    expect(await filesOf(other, oid)).toEqual({ 'd/a': '1', 'd/e/b': '2', c: '3' })
    expect((await tree.list()).map(({ name, kind }) => `${kind} ${name}`)).toEqual([
      'file a',
      'directory e',
    ])
    expect([await tree.readText('e/b'), await tree.readText('c')]).toEqual(['2', undefined])
    expect(await tree.stat('a')).toMatchObject({ kind: 'file', size: 1 })
    expect((await collect(tree.walk())).map(({ path }) => path)).toEqual(['a', 'e/b'])
    const bodies = await collect(tree.readAll({ path: 'e' }))
    expect(bodies.map(({ path, body }) => `${path} ${body.length}`)).toEqual(['e/b 1'])
    const missing = other.tree('1'.repeat(40) as Oid)
    await expect(missing).rejects.toMatchObject({ code: 'missing' })
    await expect(other.tree(oid)).rejects.toMatchObject({ code: 'malformed' })
  })

  test('tell which commits changed a path last', async ({ repository, other }) => {
    const first = await commit(repository, { 'd/a': '1', b: '1' })
    await commit(repository, { b: '2' })
    const third = await commit(repository, { 'd/a': '2' })
    const head = await other.snapshot(await commit(repository, { b: '3' }))
    const last = async (path: string, count?: number): Promise<string[]> =>
      (await head.lastModified(path, count)).map(({ oid }) => oid)
    expect([await last('d'), await last('d/a', 5), await last('none')]).toEqual([
      [third],
      [third, first],
      [],
    ])
  })

  test('are walked, no further than a filter lets it', async ({ repository, other }) => {
    const oid = await commit(repository, {
      'a/deep/x.json': '1',
      'a/y.json': '2',
      'b/x.json': '3',
      'top.json': '4',
      'top.txt': '5',
    })
    const snapshot = await other.snapshot(oid)
    const walked = async (pattern: string, path = ''): Promise<string[]> =>
      (await collect(snapshot.walk({ path, filter: globFilter(pattern) }))).map((file) => file.path)
    expect(await walked('*.json')).toEqual(['top.json'])
    expect(await walked('a/**')).toEqual(['a/deep/x.json', 'a/y.json'])
    expect(await walked('**/x.json')).toEqual(['a/deep/x.json', 'b/x.json'])
    expect(await walked('**/x.json', 'a')).toEqual(['a/deep/x.json'])
    expect(await walked('a/*.json', 'b')).toEqual([])
    const entered: string[] = []
    const filter = (name: string, isDirectory: boolean): boolean => {
      if (isDirectory) entered.push(name)
      return globFilter('b/*')(name, isDirectory)
    }
    expect((await collect(snapshot.walk({ filter }))).map(({ path }) => path)).toEqual(['b/x.json'])
    expect(entered).toEqual(['a', 'b'])
  })

  test('show the graph of all branches', async ({ repository, other }) => {
    const first = await commit(repository, { a: '1' })
    await repository.branch('main').fork('topic')
    const second = await commit(repository, { b: '1' })
    const third = await commit(other, { c: '1' }, 'topic')
    const merged = oidOf(await other.branch('main').merge(third))
    const nodes = await collect(repository.graph())
    expect(nodes.map(({ oid, parents }) => [oid, ...parents])).toContainEqual([
      merged,
      second,
      third,
    ])
    expect([nodes[0]?.oid, nodes.at(-1)?.oid, nodes.length]).toEqual([merged, first, 4])
    expect(nodes.map(({ refs }) => refs).filter((refs) => refs.length > 0)).toEqual([
      ['refs/heads/main'],
      ['refs/heads/topic'],
    ])
  })
}
