import { join } from 'node:path'
import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  choose,
  chooseSeed,
  editFiles,
  HistoryScript,
  seededRandom,
  type Files,
} from '../../test/random-history.ts'
import { StockGit } from '../../test/stock-git.ts'
import { Repository } from '../repository.ts'

const COMMITS = 60
const CASES = 40

const seed = chooseSeed()
const random = seededRandom(seed)
let git: StockGit
let repository: Repository
let oids: Oid[]
/** A checkout, since git reverts nowhere else. */
let checkout: string

beforeAll(async () => {
  console.log(`SEED=${seed}`)
  git = new StockGit()
  const script = new HistoryScript()
  for (let i = 1; i <= COMMITS; i++) {
    const parents = new Set<number>()
    const most = i === 1 ? 0 : random() < 0.25 ? 2 : 1
    while (parents.size < Math.min(most, i - 1))
      parents.add(i - 1 - Math.floor(random() * Math.min(4, i - 1)))
    const [first = 0] = parents
    const files = editFiles(random, script.filesOf(first), i === 1 ? 8 : 2)
    script.add({ files: withoutSubmodules(files), parents: [...parents] })
    script.name(`refs/heads/c${i}`, i)
  }
  git.run(['fast-import', '--quiet', '--force'], script.text())
  writeFileSync(join(git.directory, 'info', 'attributes'), '* -merge\n')
  checkout = join(git.directory, 'checkout')
  git.run(['worktree', 'add', '-q', '--detach', checkout, 'c1'])
  const place = memoryPlace()
  await git.give(place)
  repository = await Repository.open(place, { runtime: nodeRuntime })
  oids = Array.from({ length: COMMITS }, (_, i) => git.oid(`c${i + 1}`))
}, 60_000)
afterAll(() => git.close())

function withoutSubmodules(files: Files): Files {
  return new Map(
    [...files].map(([path, file]) => [
      path,
      file.mode === '160000' ? { ...file, mode: '100644' } : file,
    ]),
  )
}

/** What git makes of it: the message and the tree, or the paths in conflict. */
function revertWithGit(at: Oid, commit: Oid, mainline: number | undefined): unknown {
  const inside = ['-C', checkout, '-c', 'merge.renames=false']
  git.run([...inside, 'reset', '-q', '--hard'])
  git.run([...inside, 'clean', '-qfdx'])
  git.run([...inside, 'checkout', '-q', '--detach', at])
  const parent = mainline === undefined ? [] : ['-m', String(mainline)]
  const result = git.try([...inside, 'revert', '--no-edit', ...parent, commit])
  const unmerged = git
    .run([...inside, 'ls-files', '-u', '-z'])
    .split('\0')
    .filter(Boolean)
  if (unmerged.length > 0) {
    git.try([...inside, 'revert', '--quit'])
    // A file that is in the way of a directory is put aside by git, under a name of its own.
    const paths = unmerged.map((line) => (line.split('\t')[1] ?? '').replace(/~.*$/, ''))
    return { conflicts: [...new Set(paths)].sort() }
  }
  git.try([...inside, 'revert', '--quit'])
  const isMade = result.status === 0
  const message = isMade ? `${git.run([...inside, 'log', '-1', '--format=%B'])}` : undefined
  return { tree: git.run([...inside, 'write-tree']), message }
}

describe('a revert', () => {
  // Seen to fail when: the commit and its parent change places; conflicts are left out.
  it(`is that of git, for ${CASES} random ones`, async () => {
    for (let i = 0; i < CASES; i++) {
      const [at, commit] = [choose(random, oids), choose(random, oids)]
      const { parents } = (await repository.snapshot(commit)).commit()
      const mainline = parents.length > 1 ? 1 + Math.floor(random() * 2) : undefined
      const transaction = await repository.branch('new').transaction(at)
      const { conflicts, message } = await transaction.revert(commit, { mainline })
      const expected = revertWithGit(at, commit, mainline)
      const label = `seed ${seed}: ${commit} at ${at}`
      if (conflicts.length > 0) {
        const paths = conflicts.map(({ path }) => path).sort()
        expect({ conflicts: paths }, label).toEqual(expected)
        continue
      }
      const outcome = await transaction.commit({ message })
      if (outcome.state !== 'committed') throw new Error(`The commit was ${outcome.state}`)
      const { tree } = await repository.snapshot(outcome.oid)
      expect(expected, label).toMatchObject({ tree })
      const said = (expected as { message?: string }).message
      if (said !== undefined) expect(`${said}`.trim(), label).toBe(message.trim())
      await repository.branch('new').delete()
    }
  }, 60_000)

  it('of a merge has to be told where to go back to', async () => {
    for (const oid of oids) {
      const { parents } = (await repository.snapshot(oid)).commit()
      const transaction = await repository.branch('new').transaction(oid)
      const most = Math.max(1, parents.length)
      const wrong = parents.length > 1 ? [undefined, 0, most + 1] : [0, 2]
      for (const mainline of wrong)
        await expect(transaction.revert(oid, { mainline })).rejects.toThrow(RangeError)
      expect(await transaction.isDirty()).toBe(false)
    }
  })
})
