/** Watching a Git directory, where stock git moves branches too. */
import { execFile } from 'node:child_process'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parseOid, type Oid } from '@datakit/git/oid'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { openGitDirectory } from '@datakit/storage/git-directory'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StockGit } from '../../test/stock-git.ts'
import { commit, next, watchContract } from '../../test/watch-contract.ts'
import { Repository } from '../repository.ts'
import { watchGlob } from './watch-glob.ts'
import { watchPath } from './watch-path.ts'
import { watchSteps, type Step } from './watch-steps.ts'

const open = (place: Place): Promise<Repository> => Repository.open(place, { runtime: nodeRuntime })

watchContract('a Git directory', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'datakit-'))
  await promisify(execFile)('git', ['init', '-q', '--bare', '-b', 'main', directory])
  const [place, otherPlace] = [await openGitDirectory(directory), await openGitDirectory(directory)]
  return {
    repository: await open(place),
    other: await open(otherPlace),
    async destroy() {
      await place.close()
      await otherPlace.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
})

describe('beside stock git', () => {
  let git: StockGit
  let repository: Repository

  beforeEach(async () => {
    git = new StockGit()
    repository = await open(await openGitDirectory(git.directory))
  })

  afterEach(async () => {
    await repository.close()
    git.close()
  })

  /** A commit on top of `main`, made by git alone; the branch stays. */
  function gitCommit(content: string, parent: string | undefined): Oid {
    const blob = git.run(['hash-object', '-w', '--stdin'], content)
    const tree = git.run(['mktree'], `100644 blob ${blob}\ta\n`)
    const parents = parent === undefined ? [] : ['-p', parent]
    return parseOid(git.run(['commit-tree', tree, ...parents, '-m', content]))
  }

  /** Moves `main` without a line, which Git writes wherever there is a log. */
  function moveSilently(to: Oid): void {
    writeFileSync(join(git.directory, 'refs', 'heads', 'main'), `${to}\n`)
  }

  it.each([true, false])('hears of what git moves, with reflogs: %s', async (hasReflogs) => {
    git.run(['config', 'core.logAllRefUpdates', String(hasReflogs)])
    const values = watchPath(repository, { branch: 'main', path: 'a' })
    expect((await next(values)).entry).toBeUndefined()
    const steps = watchSteps(repository, 'main')
    await next(steps)
    let parent: Oid | undefined
    const told: Step[] = []
    for (const content of ['1', '2', '3']) {
      const pending = next(values)
      const step = next(steps)
      const before = Date.now()
      parent = gitCommit(content, parent)
      git.run(['update-ref', 'refs/heads/main', parent])
      expect(await (await pending).head?.readText('a')).toBe(content)
      expect(Date.now() - before).toBeLessThan(2500)
      told.push(await step)
    }
    expect(told.map(({ kind }) => kind)).toEqual(['created', 'commit', 'commit'])
    expect(told.at(-1)?.to).toBe(parent)
    expect(told.every(({ external }) => external)).toBe(!hasReflogs)
    const gone = next(steps)
    git.run(['update-ref', '-d', 'refs/heads/main'])
    expect(await gone).toMatchObject({ kind: 'deleted', from: parent })
  })

  it('misses nothing of a burst that git and others make together', async () => {
    git.run(['config', 'core.logAllRefUpdates', 'true'])
    const first = await commit(repository, { a: '0' })
    const steps = watchSteps(repository, 'main')
    await next(steps)
    const made: Oid[] = []
    let at = first
    for (let i = 1; i <= 12; i++) {
      at = i % 3 === 0 ? await commit(repository, { a: `${i}` }) : gitCommit(`${i}`, at)
      if (i % 3 !== 0) git.run(['update-ref', 'refs/heads/main', at])
      made.push(at)
    }
    const given: (Oid | undefined)[] = []
    for (const _ of made) given.push((await next(steps)).to)
    expect(given).toEqual(made)
  })

  it('has the commits of unlogged moves between two looks, as long as they are in line', async () => {
    git.run(['config', 'core.logAllRefUpdates', 'false'])
    const first = await commit(repository, { a: '0' })
    const steps = watchSteps(repository, 'main')
    await next(steps)
    const made: Oid[] = []
    for (let i = 1; i <= 5; i++) {
      made.push(gitCommit(`${i}`, made.at(-1) ?? first))
      git.run(['update-ref', 'refs/heads/main', made.at(-1) ?? ''])
    }
    const ours = await commit(repository, { a: '6' })
    for (const oid of [...made, ours]) expect((await next(steps)).to).toBe(oid)
  })

  it('gives nothing twice when the lines for what was found come late', async () => {
    // Seen to fail when only a line for the whole of it was known again: the branch seemed to go back and forth.
    const first = await commit(repository, { a: '0' })
    const steps = watchSteps(repository, 'main')
    await next(steps)
    const one = gitCommit('1', first)
    const two = gitCommit('2', one)
    moveSilently(two)
    const given = [await next(steps), await next(steps)]
    expect(given.map(({ to, external }) => [to, external])).toEqual([
      [one, true],
      [two, true],
    ])
    const line = (from: Oid, to: Oid): string =>
      `${from} ${to} Ada <ada@example.org> ${Math.floor(Date.now() / 1000)} +0000\tcommit: late\n`
    const log = join(git.directory, 'logs', 'refs', 'heads', 'main')
    const pending = next(steps)
    appendFileSync(log, line(first, one))
    appendFileSync(log, line(one, two))
    const last = await commit(repository, { a: '3' })
    expect(await pending).toMatchObject({ kind: 'commit', from: two, to: last, external: false })
  })

  it('waits for a move whose line is there before it', async () => {
    const first = await commit(repository, { a: '0' })
    const steps = watchSteps(repository, 'main')
    await next(steps)
    const one = gitCommit('1', first)
    const pending = [next(steps), next(steps)]
    const line = `${first} ${one} Ada <ada@example.org> ${Math.floor(Date.now() / 1000)} +0000\tcommit: early\n`
    appendFileSync(join(git.directory, 'logs', 'refs', 'heads', 'main'), line)
    expect(await pending[0]).toMatchObject({ kind: 'commit', to: one })
    // Longer than what is found is left alone.
    await new Promise((resolve) => setTimeout(resolve, 300))
    moveSilently(one)
    const last = await commit(repository, { a: '2' })
    expect(await pending[1]).toMatchObject({ kind: 'commit', from: one, to: last })
  })

  it('finds by a pattern what git finds by it', async () => {
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    const random = randomOf(seed)
    const pick = <T>(list: readonly T[]): T => list[random(list.length)] ?? (list[0] as T)
    const names = ['a', 'b', 'ab', 'a.json', 'b.json', '.x', 'a-b', '[a]']
    const paths = new Set<string>()
    for (let i = 0; i < 60; i++) {
      const steps = Array.from({ length: 1 + random(4) }, () => pick(names))
      // A name that is a file cannot be a directory: files have their own.
      paths.add([...steps.map((step) => `d${step}`), pick(names)].join('/'))
    }
    await commit(repository, Object.fromEntries([...paths].map((path) => [path, path])))
    const words = [
      '**',
      '*',
      'd*',
      '*.json',
      'd?',
      '[ab]',
      '[!a]*',
      'd[a-c]',
      '?',
      '\\[a\\]',
      'da',
      'a',
      '**',
    ]
    let fitting = 0
    for (let i = 0; i < 60; i++) {
      const pattern = Array.from({ length: 1 + random(4) }, () => pick(words)).join('/')
      // An attribute is given to the paths that a pattern fits, and to nothing below them.
      writeFileSync(join(git.directory, 'info', 'attributes'), `/${pattern} fits\n`)
      const told = git.run(['check-attr', '--stdin', 'fits'], [...paths].join('\n'))
      const listed = told.split('\n').flatMap((line) => /^(.*): fits: set$/.exec(line)?.[1] ?? [])
      const values = watchGlob(repository, { branch: 'main', pattern })
      const { files } = await next(values)
      await values.return?.()
      const label = `${pattern} (seed ${seed})`
      expect([label, ...files.keys()].sort()).toEqual([label, ...listed].sort())
      fitting += files.size
    }
    console.log(`glob: seed ${seed}, 60 patterns, ${fitting} files`)
    expect(fitting).toBeGreaterThan(0)
  })
})

function randomOf(seed: number): (below: number) => number {
  let at = seed
  return (below) => {
    at = (Math.imul(at, 1103515245) + 12345) & 0x7fffffff
    return (at >> 8) % below
  }
}
