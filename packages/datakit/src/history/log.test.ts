import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  choose,
  chooseSeed,
  editFiles,
  HistoryScript,
  seededRandom,
} from '../../test/random-history.ts'
import { StockGit } from '../../test/stock-git.ts'
import type { LogOptions } from './log.ts'
import { Repository } from '../repository.ts'

const COMMITS = 120
const CASES = 60
const START = 1_700_000_000
const AUTHORS = ['Ada <ada@example.org>', 'Grace <grace@example.org>', 'A. da <a.da@example.org>']
const PATHS = ['a', 'd', 'd/e', 'b/x', 'a/x', 'd/e/z', 'none']

const seed = chooseSeed()
const random = seededRandom(seed)
let git: StockGit
/** The same commits twice: with generations, and without. */
let repositories: readonly Repository[]
let oids: Oid[]

// Seen to fail when: a merge that took a path from its second parent is followed to both; a commit that is too old is passed
// over and not stopped at; tips that are ancestors of others come first.
beforeAll(async () => {
  console.log(`SEED=${seed}`)
  git = new StockGit()
  const script = new HistoryScript()
  const isTied = random() < 0.5
  for (let i = 1; i <= COMMITS; i++) {
    // Clocks that are wrong by up to four commits, and never the same; or five commits at a time.
    const wrong = START + (i + Math.floor(random() * 9) - 4) * 1000 + i
    const time = isTied ? START + Math.floor(i / 5) * 5000 : wrong
    const parents = new Set<number>()
    const most = i === 1 || random() < 0.03 ? 0 : random() < 0.4 ? 2 : 1
    while (parents.size < Math.min(most, i - 1))
      parents.add(i - 1 - Math.floor(random() * Math.min(6, i - 1)))
    const [first = 0] = parents
    const from = random() < 0.8 ? first : choose(random, [...parents, first])
    const files = editFiles(random, script.filesOf(from), 2)
    script.add({ files, parents: [...parents], time, author: choose(random, AUTHORS) })
    script.name(`refs/heads/c${i}`, i)
  }
  git.run(['fast-import', '--quiet', '--force'], script.text())
  git.run(['update-ref', '-d', 'refs/heads/script'])
  repositories = await Promise.all(
    [true, false].map(async (verified) => {
      const place = memoryPlace()
      await git.give(place, verified)
      return Repository.open(place, { runtime: nodeRuntime })
    }),
  )
  oids = Array.from({ length: COMMITS }, (_, i) => git.oid(`c${i + 1}`))
}, 60_000)
afterAll(() => git.close())

function gitLog(options: readonly string[], paths: readonly string[] = []): string[] {
  return git
    .run(['log', '--format=%H', ...options, '--', ...paths])
    .split('\n')
    .filter(Boolean)
}

async function expectLog(
  from: readonly Oid[],
  options: LogOptions,
  args: readonly string[],
): Promise<void> {
  const paths = options.path === undefined ? [] : [options.path]
  const expected = gitLog([...args, ...from], paths)
  for (const repository of repositories) {
    const found: string[] = []
    for await (const { oid } of repository.log(from, options)) found.push(oid)
    expect(found, `seed ${seed}: ${args.join(' ')} ${from.join(' ')} ${paths}`).toEqual(expected)
  }
}

/** Options as both sides take them, each there or not. */
function chooseOptions(): { options: LogOptions; args: string[] } {
  const options: { -readonly [K in keyof LogOptions]: LogOptions[K] } = {}
  const args: string[] = []
  if (random() < 0.5) options.path = choose(random, PATHS)
  if (random() < 0.3) {
    options.limit = Math.floor(random() * 6)
    args.push(`-n${options.limit}`)
  }
  if (random() < 0.3) {
    options.firstParent = true
    args.push('--first-parent')
  }
  if (random() < 0.3) {
    options.author = choose(random, ['Ada', 'grace@', 'A. da <', '.', 'nobody'])
    args.push('-F', `--author=${options.author}`)
  }
  if (random() < 0.3) {
    options.since = START + Math.floor(random() * COMMITS) * 1000
    args.push(`--max-age=${options.since}`)
  }
  if (random() < 0.3) {
    options.until = START + Math.floor(random() * COMMITS) * 1000
    args.push(`--min-age=${options.until}`)
  }
  return { options, args }
}

describe('a log', () => {
  it(`is that of git, in its order, with ${CASES} random sets of options`, async () => {
    for (let i = 0; i < CASES; i++) {
      const { options, args } = chooseOptions()
      const tips = Array.from({ length: random() < 0.6 ? 1 : 3 }, () => choose(random, oids))
      await expectLog(tips, options, args)
    }
  }, 60_000)

  it('looks for nothing behind what is too old, as git does', async () => {
    for (let i = 0; i < 30; i++) {
      const since = START + Math.floor(random() * COMMITS) * 1000
      await expectLog([choose(random, oids)], { since }, [`--max-age=${since}`])
    }
  })

  it.each(PATHS)('of "%s" ends after as many as are wanted, as git log -n does', async (path) => {
    for (const repository of repositories) {
      for (let i = 0; i < 4; i++) {
        const from = choose(random, oids)
        const found = await (await repository.snapshot(from)).lastModified(path, 3)
        expect(
          found.map(({ oid }) => oid),
          `seed ${seed}: ${from} ${path}`,
        ).toEqual(gitLog(['-n3', from], [path]))
        const [last] = await (await repository.snapshot(from)).lastModified(path)
        expect(last?.oid).toEqual(gitLog(['-n1', from], [path])[0])
      }
    }
  })

  it('is topological from several commits at once, ancestors of each other too', async () => {
    for (let i = 0; i < 20; i++) {
      const tips = Array.from({ length: 4 }, () => choose(random, oids))
      await expectLog(tips, { order: 'topological' }, ['--date-order'])
      // By first parents, git's own order depends on whether it has a commit-graph: it has none here.
      const expected = gitLog(['--first-parent', ...tips]).toSorted()
      for (const repository of repositories) {
        const found: Oid[] = []
        const options = { order: 'topological', firstParent: true } as const
        for await (const { oid, commit } of repository.log(tips, options)) {
          const [first = oid] = commit.parents
          expect(found, `seed ${seed}: ${tips.join(' ')}`).not.toContain(first)
          found.push(oid)
        }
        expect(found.toSorted(), `seed ${seed}: ${tips.join(' ')}`).toEqual(expected)
      }
    }
  })

  it('takes a regular expression for the author, and never keeps a place in it', async () => {
    const [repository] = repositories
    const author = /grace|a\.da/g
    const found: string[] = []
    const from = oids.at(-1)
    if (from === undefined || repository === undefined) throw new Error('No history')
    for await (const { oid } of repository.log(from, { author })) found.push(oid)
    expect(found).toEqual(gitLog(['-E', '--author=grace|a\\.da', from]))
  })
})

describe('a graph', () => {
  it('has the commits of all branches with their parents, as git log --date-order', async () => {
    const lines = gitLog(['--date-order', '--branches', '--format=%H %P'])
    for (const repository of repositories) {
      const found: string[] = []
      for await (const { oid, parents, refs } of repository.graph()) {
        found.push([oid, ...parents].join(' '))
        expect(refs).toEqual([`refs/heads/c${oids.indexOf(oid) + 1}`])
      }
      expect(found.join('\n')).toBe(lines.map((line) => line.trim()).join('\n'))
    }
  })

  it('begins where it is told to, and ends', async () => {
    const tips = [choose(random, oids), choose(random, oids)]
    const lines = gitLog(['--date-order', '-n5', ...tips])
    for (const repository of repositories) {
      const found: string[] = []
      for await (const { oid } of repository.graph({ from: tips, limit: 5 })) found.push(oid)
      expect(found, `seed ${seed}`).toEqual(lines)
    }
  })

  it('is empty where there is no commit', async () => {
    const repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
    for await (const node of repository.graph()) expect(node).toBe(undefined)
  })
})
