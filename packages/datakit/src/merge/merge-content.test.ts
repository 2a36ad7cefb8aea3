import { text } from '@datakit/git/bytes'
import { nodeRuntime } from '@datakit/git/runtime/node'
import type { Oid } from '@datakit/git/oid'
import { memoryPlace } from '@datakit/storage/memory'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  chooseSeed,
  editLines,
  HistoryScript,
  seededRandom,
  type Files,
} from '../../test/random-history.ts'
import { StockGit } from '../../test/stock-git.ts'
import { mirrorConflict, type Conflict } from './conflict.ts'
import { Draft } from '../transaction/draft.ts'
import { History } from '../history/history.ts'
import { mergeCommits } from './merge-commits.ts'
import { Repository } from '../repository.ts'

/** What commits say in `.gitattributes`, and Git is told as well. */
const ATTRIBUTES = [
  '',
  '* -merge\n',
  '* merge=union\n',
  'a/* -merge\nd/** merge=union\n*.b merge\n/c merge=nobody\n',
  '* conflict-marker-size=12\nc conflict-marker-size=x\n',
  '[attr]both merge=union\nd/** both\nd/e/* -both !merge\na/x binary\n',
]
const CASES = 40

// Seen to fail when: markers in a base are as long as all others; the older base is taken where two are in conflict; labels
// of a base differ; the attribute `merge` is not looked at; a macro is not; bases that lack attributes are
// merged without those of the sides.
describe('merging files by content', () => {
  const seen = { clean: 0, conflicting: 0 }
  it.each(ATTRIBUTES)(`is that of git merge-tree in ${CASES} histories with %j`, async (rules) => {
    const seed = chooseSeed()
    console.log(`SEED=${seed}`)
    const random = seededRandom(seed)
    const script = new HistoryScript()
    for (let i = 0; i < CASES; i++) addRandomCase(script, random, { i, rules })
    const git = new StockGit()
    try {
      writeFileSync(join(git.directory, 'info/attributes'), rules)
      git.run(['fast-import', '--quiet', '--force'], script.text())
      const repository = await takeOver(git)
      for (let i = 0; i < CASES; i++)
        seen[await compare(repository, git, { i, rules, hint: `case ${i} of seed ${seed}` })]++
    } finally {
      git.close()
    }
  })

  it('was tried with and without conflicts', () => {
    expect(Math.min(seen.clean, seen.conflicting)).toBeGreaterThan(CASES / 2)
  })
})

/** Adds heads `o7` and `t7` that have a base, or several that merged each other. Attributes may have come late. */
function addRandomCase(
  script: HistoryScript,
  random: () => number,
  { i, rules }: { readonly i: number; readonly rules: string },
): void {
  const crossings = Math.floor(random() * 4)
  const isLate = random() < 0.3
  const edit = (mark: number, edits: number, isTip: boolean): Files => {
    const files = new Map(editLines(random, script.filesOf(mark), edits))
    if (isTip || !isLate) files.set('.gitattributes', { mode: '100644', content: rules })
    return files
  }
  const base = script.add({ files: edit(0, 14, false), parents: [] })
  const first = (): Files => edit(base, 1 + random() * 4, crossings === 0)
  let ours = script.add({ files: first(), parents: [base] })
  let theirs = script.add({ files: first(), parents: [base] })
  for (let n = 1; n <= crossings; n++) {
    const [a, b] = [ours, theirs]
    const next = (): Files => edit(random() < 0.5 ? a : b, random() * 4, n === crossings)
    ours = script.add({ files: next(), parents: [a, b] })
    theirs = script.add({ files: next(), parents: [b, a] })
  }
  script.name(`refs/heads/o${i}`, ours)
  script.name(`refs/heads/t${i}`, theirs)
}

async function takeOver(git: StockGit): Promise<Repository> {
  const place = memoryPlace()
  await git.give(place)
  return Repository.open(place, { runtime: nodeRuntime })
}

/** Holds one merge, its mirror image and what it says of its conflicts against Git's. */
async function compare(
  repository: Repository,
  git: StockGit,
  { i, rules, hint }: { readonly i: number; readonly rules: string; readonly hint: string },
): Promise<'clean' | 'conflicting'> {
  const { store } = repository
  const [ours, theirs] = [await headOf(repository, `o${i}`), await headOf(repository, `t${i}`)]
  const draft = new Draft(store)
  const tools = { draft, history: new History(draft) }
  const merged = await mergeCommits(tools, ours, theirs)
  const mirrored = await mergeCommits(tools, theirs, ours)
  expect(mirrored.conflicts.map(mirrorConflict), hint).toEqual(merged.conflicts)
  const args = ['merge-tree', '--write-tree', '-z', `o${i}`, `t${i}`]
  const [tree = '', ...rest] = git.try(['-c', 'merge.renames=false', ...args]).stdout.split('\0')
  const stages = rest.slice(0, rest.indexOf(''))
  // The base of a conflict is named too: with several merge bases, what these were merged to, markers and all.
  expect(merged.conflicts.flatMap(stagesOf), hint).toEqual(stages)
  if (stages.length === 0) {
    expect(merged.tree, hint).toBe(tree)
    // Git's union has our lines first, whoever we are.
    if (!rules.includes('union')) expect(mirrored.tree, hint).toBe(tree)
    return 'clean'
  }
  const markers = { labels: { ours: `o${i}`, theirs: `t${i}` } }
  for (const conflict of merged.conflicts) {
    const outcome = await repository.explain(merged, conflict, markers)
    if (outcome?.state !== 'conflict' || outcome.marked === undefined) continue
    const expected = git.run(['cat-file', 'blob', `${tree}:${conflict.path}`])
    expect(text(outcome.marked).replace(/\n$/, ''), hint).toBe(expected)
  }
  return 'conflicting'
}

async function headOf(repository: Repository, branch: string): Promise<Oid> {
  const oid = await repository.branch(branch).oid()
  if (oid === undefined) throw new Error(`There is no ${branch}`)
  return oid
}

/** A conflict as Git lists it: mode, oid and number of each version that is there, and the path. */
function stagesOf({ path, base, ours, theirs }: Conflict): string[] {
  return [base, ours, theirs].flatMap((side, i) =>
    side ? [`${side.mode.toString(8)} ${side.oid} ${i + 1}\t${path}`] : [],
  )
}
