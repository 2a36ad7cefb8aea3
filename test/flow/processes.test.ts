/**
 * Two processes of ours and stock `git commit` on one branch of one Git directory, all without pause: nothing is lost, each hears of
 * all the others, and the reflog has every move.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { temporaryFolder } from '../support/servers.ts'
import { git, tryGit } from '../support/stock-git.ts'
import type { Report } from './committer-process.ts'

const COMMITS = 20

const folder = temporaryFolder('processes')
const directory = join(folder.path, 'config.git')
const work = join(folder.path, 'work')
const program = join(import.meta.dirname, 'committer-process.ts')

beforeAll(async () => {
  await git(folder.path, 'init', '--quiet', '--bare', '--initial-branch=main', directory)
  await git(directory, 'config', 'core.logAllRefUpdates', 'true')
  const tree = await git(directory, 'hash-object', '-t', 'tree', '-w', '--stdin')
  const first = await git(directory, 'commit-tree', tree, '-m', 'First')
  await git(directory, 'update-ref', '-m', 'First', 'refs/heads/main', first)
  await git(directory, 'worktree', 'add', '--quiet', work, 'main')
})
afterAll(() => folder.remove())

async function run(name: string, ...others: readonly string[]): Promise<Report> {
  const args = [program, directory, name, String(COMMITS), ...others]
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 26 })
  // The program writes what its type says.
  return JSON.parse(stdout) as Report
}

/** Commits files with stock git, each on top of whatever is there: with `--only`, a commit is HEAD and the files that are named. */
async function runGit(name: string): Promise<readonly string[]> {
  const made: string[] = []
  mkdirSync(join(work, name))
  mkdirSync(join(work, 'done'))
  for (let i = 1; i <= COMMITS + 1; i++) {
    const path = i > COMMITS ? `done/${name}` : `${name}/${i}`
    writeFileSync(join(work, path), `${i}\n`)
    await git(work, 'add', '--intent-to-add', path)
    // Whoever is faster has the lock, or has moved the branch: Git says so and leaves it to its caller.
    for (;;) {
      const { code, err } = await tryGit(work, 'commit', '--quiet', '--only', '-m', path, path)
      if (code === 0) break
      expect(err).toMatch(/cannot lock ref|Unable to create|is at .* but expected/)
    }
    if (i <= COMMITS) made.push(path)
  }
  return made
}

it(
  'lose nothing, hear of each other, and leave a reflog without a gap',
  { timeout: 180_000 },
  async () => {
    const first = await git(directory, 'rev-parse', 'main')
    const [ada, grace, made] = await Promise.all([
      run('ada', 'grace', 'git'),
      run('grace', 'ada', 'git'),
      runGit('git'),
    ])
    const last = await git(directory, 'rev-parse', 'main')
    await git(directory, 'fsck', '--strict')
    const files = (await git(directory, 'ls-tree', '-r', '--name-only', 'main')).split('\n')
    for (const path of [...ada.made, ...grace.made, ...made]) expect(files).toContain(path)

    const log = readFileSync(join(directory, 'logs', 'refs', 'heads', 'main'), 'utf8')
      .trim()
      .split('\n')
    const moves = log.map((each) => each.split(' ', 2) as [string, string])
    for (const [i, [from]] of moves.entries()) if (i > 0) expect(from).toBe(moves[i - 1]?.[1])
    expect(moves.at(-1)?.[1]).toBe(last)
    // Every first parent since the beginning is a step, in both processes, each from where the one before ended.
    const line = await git(directory, 'rev-list', '--first-parent', '--reverse', `${first}..main`)
    const commits = line.split('\n')
    const steps = commits.map((to, i) => `${i === 0 ? first : commits[i - 1]} ${to}`)
    for (const { since, steps: told, seen, waited } of [ada, grace]) {
      expect(told).toEqual(steps.slice(steps.findIndex((step) => step.startsWith(since))))
      expect(seen.at(-1)).toBe(`${COMMITS}\n`)
      expect(seen.map(Number)).toEqual([...seen].map(Number).toSorted((a, b) => a - b))
      expect(waited).toHaveLength(3)
    }

    // One line for every commit and one for the first: none is without, and Git reads them all.
    expect(moves).toHaveLength(3 * COMMITS + 4)
    expect((await git(directory, 'reflog', 'show', 'main')).split('\n')).toHaveLength(moves.length)
    console.log(
      `${moves.length} moves, ${commits.length} steps, ${ada.seen.length} and ${grace.seen.length} values seen`,
    )
  },
)
