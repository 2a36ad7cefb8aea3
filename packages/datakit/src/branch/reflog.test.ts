/** Reflogs of a Git directory, beside stock git. */
import { writeFileSync } from 'node:fs'
import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { openGitDirectory } from '@datakit/storage/git-directory'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { write } from '../../test/clients.ts'
import { StockGit } from '../../test/stock-git.ts'
import { Repository } from '../repository.ts'

let git: StockGit
let repository: Repository

beforeEach(async () => {
  git = new StockGit()
  const identity = () => ({ name: 'Ada', address: 'ada@example.org' })
  const place = await openGitDirectory(git.directory)
  repository = await Repository.open(place, { runtime: nodeRuntime, identity })
})

afterEach(async () => {
  await repository.close()
  git.close()
})

/** The log as git tells it, and that nothing about it makes it complain. */
function gitReflog(ref: string): string[] {
  const { stdout, stderr } = git.try(['reflog', 'show', '--format=%H %gn <%ge> %gs', ref])
  expect(stderr).toBe('')
  // A date makes git look whether the entries follow on each other.
  expect(git.try(['rev-parse', '--verify', `${ref}@{1.second.ago}`]).stderr).not.toContain('gap')
  git.run(['fsck', '--full', '--strict'])
  return stdout.split('\n').filter(Boolean)
}

async function ourReflog(branch: string): Promise<string[]> {
  const lines: string[] = []
  for await (const { to, who, why } of repository.branch(branch).reflog())
    lines.push(`${to} ${who} ${why}`)
  return lines
}

async function externals(branch: string): Promise<boolean[]> {
  const found: boolean[] = []
  for await (const { external } of repository.branch(branch).reflog()) found.push(external)
  return found
}

/** A commit that git makes on top of another, moving the branch. */
function gitCommit(parent: Oid, message: string, ...options: string[]): Oid {
  const tree = git.run(['rev-parse', `${parent}^{tree}`])
  const oid = git.run(['commit-tree', tree, '-p', parent, '-m', message])
  git.run([...options, 'update-ref', '-m', message, 'refs/heads/main', oid, parent])
  return git.oid(oid)
}

describe('the reflog of a Git directory', () => {
  it('says the same to us and to git, and follows a rename in both', async () => {
    await write(repository, 'a', '1')
    await write(repository, 'a', '2')
    await repository.branch('main').reset(await write(repository, 'a', '3', 'other'))
    const trunk = await repository.branch('main').rename('trunk')
    await write(repository, 'a', '4', 'trunk')
    await trunk.rename('deep/er')
    for (const branch of ['deep/er', 'other'])
      expect(await ourReflog(branch)).toEqual(gitReflog(`refs/heads/${branch}`))
    expect(await ourReflog('deep/er')).toHaveLength(6)
    expect(git.run(['symbolic-ref', 'HEAD'])).toBe('refs/heads/deep/er')
    expect(gitReflog('HEAD').slice(0, 2)).toEqual(gitReflog('refs/heads/deep/er').slice(0, 2))
  })

  it('goes on where git renamed the branch', async () => {
    const first = await write(repository, 'a', '1')
    git.run(['branch', '-m', 'main', 'trunk'])
    const second = await write(repository, 'a', '2', 'trunk')
    expect(await ourReflog('trunk')).toEqual(gitReflog('refs/heads/trunk'))
    expect((await ourReflog('trunk')).map((line) => line.slice(0, 40))).toEqual([
      second,
      first,
      first,
    ])
    expect(await externals('trunk')).toEqual([false, true, false])
  })

  it('tells moves of others from ours, with a line of theirs and without', async () => {
    const first = await write(repository, 'a', '1')
    const second = gitCommit(first, 'with a line')
    expect(await externals('main')).toEqual([true, false])
    const logged = gitReflog('refs/heads/main')
    const third = gitCommit(second, 'without', '-c', 'core.logAllRefUpdates=false')
    const fourth = await write(repository, 'a', '4')
    const lines = (await ourReflog('main')).map((line) => line.slice(0, 40))
    expect(lines).toEqual([fourth, third, second, first])
    expect(await externals('main')).toEqual([false, true, true, false])
    expect(logged).toHaveLength(2)
  })

  it('still tells them when git has cut and written the log anew', async () => {
    const first = await write(repository, 'a', '1')
    gitCommit(first, 'theirs')
    await write(repository, 'a', '3')
    git.run(['reflog', 'expire', '--expire=1.day.ago', '--rewrite', '--all'])
    expect(await externals('main')).toEqual([false, true, false])
    expect(await ourReflog('main')).toEqual(gitReflog('refs/heads/main'))
  })

  it('shows a gap that a stranger left between two lines as a move of a stranger', async () => {
    const first = await write(repository, 'a', '1')
    const tree = git.run(['rev-parse', `${first}^{tree}`])
    const unseen = git.oid(git.run(['commit-tree', tree, '-p', first, '-m', 'unseen']))
    // Who writes a ref as a file leaves no line.
    writeFileSync(`${git.directory}/refs/heads/main`, `${unseen}\n`)
    const last = gitCommit(unseen, 'seen')
    const moves: unknown[] = []
    for await (const { from, to, external } of repository.branch('main').reflog())
      moves.push([from, to, external])
    expect(moves).toEqual([
      [unseen, last, true],
      [first, unseen, true],
      [undefined, first, false],
    ])
  })
})
