import { EMPTY_TREE, type Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collect } from '../../test/model-scene.ts'
import {
  choose,
  chooseSeed,
  editFiles,
  HistoryScript,
  seededRandom,
} from '../../test/random-history.ts'
import { StockGit } from '../../test/stock-git.ts'
import { ArgumentError } from '../argument.ts'
import { PathError } from '../error.ts'
import type { Change } from './diff.ts'
import { Repository } from '../repository.ts'

const COMMITS = 60
const CASES = 150

// A file here is a directory there, names begin alike, and some would be patterns.
const PATHS = ['a', 'a.b', 'a-b', 'a/x', 'a/x/y', 'a/x/z', 'a/w', 'ab/x', 'd/e/f', 'd/e/g', 'd/h']
const ODD = ['*', 'd/*', '[a]', 'd/e', 'd', 'ä/ö', ':(top)', 'a?b']
const NOWHERE = ['none', 'a/none', 'a.b/below', 'd/e/f/below']

const seed = chooseSeed()
const random = seededRandom(seed)
let git: StockGit
let repository: Repository
let oids: Oid[]

// Seen to fail when: a file on the way to a path counts as chosen; a directory is chosen without what is below it; a path
// below another one narrows it; directories that are not chosen are read; a transaction counts everything as looked at.
beforeAll(async () => {
  console.log(`SEED=${seed}, ${CASES} cases`)
  git = new StockGit()
  const script = new HistoryScript()
  for (let i = 1; i <= COMMITS; i++) {
    const files = editFiles(random, script.filesOf(i - 1), 4, [...PATHS, ...ODD])
    script.add({ files, parents: i === 1 ? [] : [i - 1] })
    script.name(`refs/heads/c${i}`, i)
  }
  git.run(['fast-import', '--quiet', '--force'], script.text())
  const place = memoryPlace()
  await git.give(place)
  repository = await Repository.open(place, { runtime: nodeRuntime })
  oids = Array.from({ length: COMMITS }, (_, i) => git.oid(`c${i + 1}`))
}, 60_000)
afterAll(() => git.close())

function choosePaths(): string[] {
  const all = [...PATHS, ...ODD, ...NOWHERE]
  return Array.from({ length: 1 + Math.floor(random() * 3) }, () => choose(random, all))
}

function show({ path, before, after }: Change): string {
  const modes = [before, after].map((side) => (side?.mode ?? 0).toString(8).padStart(6, '0'))
  const names = [before, after].map((side) => side?.oid ?? '0'.repeat(40))
  return `:${modes.join(' ')} ${names.join(' ')} ${path}`
}

function gitDiff(before: Oid, after: Oid, paths: readonly string[]): string[] {
  const args = ['--literal-pathspecs', 'diff-tree', '-r', '-z', '--no-renames', before, after]
  const fields = git.run([...args, '--', ...paths]).split('\0')
  const lines: string[] = []
  for (let i = 0; i + 1 < fields.length; i += 2)
    lines.push(`${fields[i]?.slice(0, -2)} ${fields[i + 1]}`)
  return lines
}

/** The directories of a commit with their trees, by path. */
function directoriesOf(commit: Oid): Map<string, string> {
  const printed = git.run(['ls-tree', '-r', '-t', '-z', commit]).split('\0').filter(Boolean)
  const trees = printed.map((line) => /^040000 tree (\w+)\t(.*)$/.exec(line) ?? [])
  const found = trees.map(([, oid = '', path = '']): [string, string] => [path, oid])
  return new Map([['', git.oid(`${commit}^{tree}`)], ...found.filter(([path]) => path !== '')])
}

/** The trees that may be read: those that differ, at the paths, below them and on the way. */
function readable(before: Oid, after: Oid, paths: readonly string[]): Set<string> {
  const [a, b] = [directoriesOf(before), directoriesOf(after)]
  const isNear = (path: string): boolean =>
    path === '' ||
    paths.some((each) => `${each}/`.startsWith(`${path}/`) || path.startsWith(`${each}/`))
  const near = [...a, ...b].filter(([path]) => isNear(path) && a.get(path) !== b.get(path))
  return new Set(near.map(([, oid]) => oid))
}

/** The trees that are read meanwhile. */
async function treesRead(of: Repository, work: () => Promise<unknown>): Promise<Set<string>> {
  const { store } = of
  const read = store.read.bind(store)
  const trees = new Set<string>()
  store.read = async (oid) => {
    const object = await read(oid)
    if (object.type === 'tree') trees.add(oid)
    return object
  }
  try {
    await work()
  } finally {
    store.read = read
  }
  return trees
}

describe('a diff of some paths', () => {
  it('is what git diff-tree gives, and reads nothing that lies elsewhere', async () => {
    let found = 0
    for (let i = 0; i < CASES; i++) {
      const [before, after] = [choose(random, oids), choose(random, oids)]
      const paths = choosePaths()
      const what = `seed ${seed}: ${before} ${after} ${paths.join(' ')}`
      const changes: string[] = []
      const trees = await treesRead(repository, async () => {
        for await (const change of repository.diff(before, after, { paths }))
          changes.push(show(change))
      })
      expect(changes, what).toEqual(gitDiff(before, after, paths))
      const may = readable(before, after, paths)
      expect(
        [...trees].filter((oid) => !may.has(oid)),
        what,
      ).toEqual([])
      found += changes.length
    }
    expect(found).toBeGreaterThan(CASES / 2)
  }, 60_000)

  it('is what git diff-tree gives between nothing and a commit', async () => {
    for (const after of oids.slice(0, 20)) {
      const paths = choosePaths()
      const changes = await collect(repository.diff(undefined, after, { paths }))
      const expected = gitDiff(EMPTY_TREE, after, paths)
      expect(changes.map(show), `seed ${seed}: ${after} ${paths.join(' ')}`).toEqual(expected)
    }
  })

  it('is that of all where the root is among them', async () => {
    const [before, after] = [choose(random, oids), choose(random, oids)]
    const all = await collect(repository.diff(before, after))
    expect(await collect(repository.diff(before, after, {}))).toEqual(all)
    expect(await collect(repository.diff(before, after, { paths: ['a', ''] }))).toEqual(all)
  })

  it.each([
    [[], ArgumentError],
    [['a/'], PathError],
    [['a', '../b'], PathError],
  ])('refuses %j', async (paths, error) => {
    const after = choose(random, oids)
    await expect(collect(repository.diff(undefined, after, { paths }))).rejects.toThrow(error)
  })
})

describe('a diff of some paths in a transaction', () => {
  it('is what git diff-tree gives of the commit that comes of it', async () => {
    const compared: (() => void)[] = []
    for (let i = 0; i < 20; i++) {
      const [start, since] = [choose(random, oids), choose(random, oids)]
      const branch = repository.branch(`work-${i}`)
      await branch.create(start)
      const transaction = await branch.transaction()
      await transaction.write(`d/new-${i}`, `${i}\n`).catch(() => transaction.write('new', `${i}`))
      const paths = [...choosePaths(), 'd']
      const fromStart = await collect(transaction.diff(undefined, { paths }))
      const fromSince = await collect(transaction.diff(since, { paths }))
      const outcome = await transaction.commit({ message: 'Write' })
      if (outcome.state !== 'committed') throw new Error(outcome.state)
      const what = `seed ${seed}: ${start} ${since} ${paths.join(' ')}`
      compared.push(() => {
        expect(fromStart.map(show), what).toEqual(gitDiff(start, outcome.oid, paths))
        expect(fromSince.map(show), what).toEqual(gitDiff(since, outcome.oid, paths))
      })
    }
    await git.take(repository.store.place)
    for (const compare of compared) compare()
  }, 60_000)

  it.each([
    ['d', 'committed'],
    ['a', 'conflict'],
  ])('counts as a look at those paths alone: %s is %s', async (path, state) => {
    const own = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
    const main = own.branch('main')
    const write = (name: string, content: string) =>
      main.commit((files) => files.write(name, content), { message: name })
    await write('a/file', '1')
    await write('d/file', '1')
    const since = (await main.oid()) ?? EMPTY_TREE
    const transaction = await main.transaction()
    await collect(transaction.diff(since, { paths: [path] }))
    await transaction.write('e', '1')
    await write('a/file', '2')
    expect(await transaction.commit({ message: 'e', serializable: true })).toMatchObject({ state })
  })
})
