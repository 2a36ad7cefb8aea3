import { MODES } from '@datakit/git/tree'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  APART,
  chooseSeed,
  editFiles,
  HistoryScript,
  seededRandom,
} from '../../test/random-history.ts'
import { StockGit } from '../../test/stock-git.ts'
import type { Conflict } from './conflict.ts'
import { mirrorConflict } from './conflict.ts'
import { Draft } from '../transaction/draft.ts'
import { History } from '../history/history.ts'
import { mergeCommits } from './merge-commits.ts'
import { Repository } from '../repository.ts'

let git: StockGit
beforeAll(() => {
  git = new StockGit()
})
afterAll(() => git.close())

/**
 * What stock Git makes of a merge: the tree, or the paths in conflict; `undefined` where it took files for renamed, which
 * this Git does whatever its configuration says.
 */
function mergeWithGit(ours: string, theirs: string): { tree: string; paths: string[] } | undefined {
  const args = ['merge-tree', '--write-tree', '--name-only', '-z', '--allow-unrelated-histories']
  const { stdout } = git.try(['-c', 'merge.renames=false', ...args, ours, theirs])
  if (stdout.includes('renamed to')) return undefined
  const [tree = '', ...rest] = stdout.split('\0')
  // An empty name stands between the names and the messages.
  const names = rest.slice(0, rest.indexOf(''))
  // A file that makes way for a directory is reported under a name with its branch behind it.
  const paths = names.map((name) => name.replace(/~[ot]\d+(_\d+)?$/, ''))
  return { tree, paths: [...new Set(paths)].sort() }
}

const CASES = 150

// Contents are never shared between paths, so that there is nothing to take for renamed. Seen to fail when: a mode that
// one side changed is a conflict; a directory that was merged to nothing still counts as one; conflicts between merge
// bases are settled like final ones; only the first merge base is used.
describe('merge', () => {
  it.each([
    { how: 'file by file', attributes: '* -merge\n', mergeContent: false as const },
    { how: 'line by line', attributes: '', mergeContent: undefined },
    {
      how: 'in one large directory',
      attributes: '* -merge\n',
      mergeContent: false as const,
      addCase: addLargeCase,
    },
  ])(
    'merges random histories as git merge-tree does, $how',
    async ({ attributes, mergeContent, addCase = addRandomCase }) => {
      writeFileSync(join(git.directory, 'info/attributes'), attributes)
      const seed = chooseSeed()
      console.log(`SEED=${seed}`)
      const random = seededRandom(seed)
      const script = new HistoryScript()
      for (let i = 0; i < CASES; i++) addCase(script, random, i)
      git.run(['fast-import', '--quiet', '--force'], script.text())
      const place = memoryPlace()
      await git.give(place)
      const { store } = await Repository.open(place, { runtime: nodeRuntime, mergeContent })
      const state = await place.read()
      let [clean, conflicting] = [0, 0]
      for (let i = 0; i < CASES; i++) {
        const [ours, theirs] = [
          await state.ref(`refs/heads/o${i}`),
          await state.ref(`refs/heads/t${i}`),
        ]
        if (!ours || !theirs) throw new Error(`Case ${i} is missing`)
        const expected = mergeWithGit(`o${i}`, `t${i}`)
        if (expected === undefined) continue
        const draft = new Draft(store)
        const tools = { draft, history: new History(draft) }
        const merged = await mergeCommits(tools, ours, theirs)
        const found = [...new Set(merged.conflicts.map(({ path }) => path))].sort()
        expect(found, `case ${i} of seed ${seed}`).toEqual(expected.paths)
        if (found.length === 0) {
          expect(merged.tree, `case ${i} of seed ${seed}`).toBe(expected.tree)
          clean++
        } else conflicting++
        const mirrored = await mergeCommits(tools, theirs, ours)
        expect(mirrored.tree).toBe(merged.tree)
        expect(mirrored.conflicts.map(mirrorConflict)).toEqual(merged.conflicts)
      }
      // Both ways out must have been tried for the comparison to mean anything.
      expect(Math.min(clean, conflicting)).toBeGreaterThan(CASES / 10)
    },
    120_000,
  )
})

/** Adds two heads of directories that are searched and not walked over. */
function addLargeCase(script: HistoryScript, random: () => number, i: number): void {
  const paths = Array.from({ length: 60 }, (_, n) => `service-${n}.json`)
  const edit = (mark: number, edits: number) =>
    editFiles(random, script.filesOf(mark), edits, paths)
  const base = script.add({ files: edit(0, 150), parents: [] })
  script.name(`refs/heads/o${i}`, script.add({ files: edit(base, 6), parents: [base] }))
  script.name(`refs/heads/t${i}`, script.add({ files: edit(base, 6), parents: [base] }))
}

/** Adds two heads `o7` and `t7` that have a base, two bases that merged each other, or none at all. */
function addRandomCase(script: HistoryScript, random: () => number, i: number): void {
  const crossings = Math.floor(random() * 4)
  // Where a file makes way for a directory in a merge of merge bases, Git then takes it for renamed, without a word.
  const paths = crossings > 0 ? APART : undefined
  const edit = (mark: number, edits: number) =>
    editFiles(random, script.filesOf(mark), edits, paths)
  const base = script.add({ files: edit(0, 8), parents: [] })
  let ours = script.add({ files: edit(base, 1 + random() * 3), parents: [base] })
  let theirs = script.add({ files: edit(base, 1 + random() * 3), parents: [base] })
  for (let n = 0; n < crossings; n++) {
    const [a, b] = [ours, theirs]
    ours = script.add({ files: edit(random() < 0.5 ? a : b, random() * 3), parents: [a, b] })
    theirs = script.add({ files: edit(random() < 0.5 ? a : b, random() * 3), parents: [b, a] })
  }
  if (random() < 0.05) theirs = script.add({ files: edit(base, 3), parents: [] })
  script.name(`refs/heads/o${i}`, ours)
  script.name(`refs/heads/t${i}`, theirs)
}

describe('the conflicts of DataKit', () => {
  const base = { a: 'a', b: 'b', c: 'c', d: 'd', e: 'e', f: 'f', 'dir/a': 'a', 'dir2/b': 'b' }
  const oursFiles = {
    a: 'ours',
    b: 'b',
    c: 'ours',
    e: 'e',
    g: 'same',
    h: 'ours',
    dir: 'file',
    'dir2/b': 'ours',
  }
  const theirFiles = {
    a: 'theirs',
    b: 'theirs',
    c: 'c',
    d: 'd',
    f: 'theirs',
    g: 'same',
    h: 'theirs',
    'dir/a': 'theirs',
    dir2: 'file',
  }

  it('are those of its own tests, and settling them leaves what it left', async () => {
    const repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
    const main = repository.branch('main')
    await commitFiles(repository, 'main', base)
    await repository.branch('pr').create((await main.oid()) ?? ('' as never))
    await commitFiles(repository, 'main', oursFiles)
    await commitFiles(repository, 'pr', theirFiles)
    const transaction = await main.transaction()
    const pr = await repository.branch('pr').oid()
    if (pr === undefined) throw new Error('No head')
    const { conflicts } = await transaction.merge(pr)
    expect(conflicts.map(({ path, kind }: Conflict) => `${path} ${kind}`)).toEqual([
      'a content',
      'dir file/directory',
      'dir/a modify/delete',
      'dir2 file/directory',
      'dir2/b modify/delete',
      'f modify/delete',
      'h add/add',
    ])
    expect(await transaction.readText('b')).toBe('theirs')
    expect(await transaction.readText('c')).toBe('ours')
    expect(await transaction.readText('g')).toBe('same')
    await expect(transaction.commit({ message: 'Too early' })).rejects.toThrow('still in conflict')
    await transaction.remove('a')
    await transaction.remove('dir')
    await transaction.remove('dir2')
    await transaction.remove('h')
    await transaction.write('f', 'theirs')
    expect(await transaction.commit({ message: 'Merge' })).toMatchObject({ state: 'committed' })
    const names = (await (await main.head())?.list())?.map(({ name }) => name)
    expect(names).toEqual(['b', 'c', 'f', 'g'])
    expect((await main.head())?.commit().parents).toHaveLength(2)
  })

  it('reports only the edited file of a directory that the other side removed', async () => {
    const repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
    await commitFiles(repository, 'main', { 'd/edited': '1', 'd/same': '2', other: '3' })
    const from = await repository.branch('main').oid()
    if (from === undefined) throw new Error('No head')
    await repository.branch('pr').create(from)
    await commitFiles(repository, 'main', { other: '3' })
    await commitFiles(repository, 'pr', { 'd/edited': 'edited', 'd/same': '2', other: '3' })
    const theirs = (await repository.branch('pr').oid()) ?? from
    const outcome = await repository.branch('main').merge(theirs)
    expect(outcome).toMatchObject({
      state: 'conflict',
      conflicts: [{ path: 'd/edited', kind: 'modify/delete' }],
    })
  })

  it('merges a mode of one side with a content of the other', async () => {
    const repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
    const main = repository.branch('main')
    await commitFiles(repository, 'main', { run: 'old' })
    const transaction = await main.transaction()
    await transaction.setMode('run', MODES.executable)
    await commitFiles(repository, 'main', { run: 'new' })
    expect(await transaction.commit({ message: 'Make it run' })).toMatchObject({ how: 'merge' })
    const head = await main.head()
    expect([(await head?.stat('run'))?.mode, await head?.readText('run')]).toEqual([
      0o100755,
      'new',
    ])
  })
})

/** Commits exactly these files. */
async function commitFiles(
  repository: Repository,
  branch: string,
  files: Record<string, string>,
): Promise<void> {
  await repository.branch(branch).commit(
    async (transaction) => {
      await transaction.remove('')
      for (const [path, content] of Object.entries(files)) await transaction.write(path, content)
    },
    { message: 'Set files' },
  )
}
