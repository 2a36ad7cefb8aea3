/**
 * Branches and their reflogs, in every place.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { expect } from 'vitest'
import { collect, commit, filesOf, oidOf, type Scene, type Test } from './model-scene.ts'

/** How branches are made, moved and merged. */
export function branchContract(test: Test): void {
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

/** What is told of how they moved. */
export function reflogContract(test: Test): void {
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
