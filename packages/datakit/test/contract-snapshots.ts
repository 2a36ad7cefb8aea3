/**
 * Snapshots and the graph, in every place.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { expect } from 'vitest'
import { globFilter } from '../src/history/path-filter.ts'
import { collect, commit, filesOf, oidOf, type Test } from './model-scene.ts'

/** What is read of commits and trees. */
export function snapshotContract(test: Test): void {
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
