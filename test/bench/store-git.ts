/**
 * Stock git in the work that the stores in a browser do: a clone with a work tree, on the same machine and against the same
 * server. Each command is a process, whose start is in its time.
 *
 * @module
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { corpusPath, type CorpusOptions } from '../support/corpus.ts'
import { git } from '../support/stock-git.ts'
import { changes, DIFFS, median } from './store-work.ts'

const RUNS = 7

/** Milliseconds of what git has something of the kind for. */
export interface GitTimes {
  readonly open: number
  readonly commit: number
  readonly diff: number
  readonly sync: number
  readonly many: number
}

/** Clones with a work tree; how many milliseconds that took. */
export function timeGitClone(folder: string, remote: string, clone: string): Promise<number> {
  return timed(() => git(folder, 'clone', '--quiet', remote, clone))
}

/** Times the rest in a clone, with `offline` commits before the last push. */
export async function timeGit(
  clone: string,
  corpus: CorpusOptions,
  offline: number,
): Promise<GitTimes> {
  await git(clone, 'pull', '--quiet')
  const first = `main:${corpusPath(0, corpus.layout)}`
  const open = await timed(() => git(clone, 'cat-file', 'blob', first))
  const diff = await timed(() => git(clone, 'log', '--raw', '--no-merges', `-${DIFFS}`))
  const times: number[] = []
  const commit = (i: number) => {
    const [[path, content] = ['', '']] = changes(corpus, 1, 20_000 + i)
    writeFileSync(join(clone, path), content)
    return timed(async () => {
      await git(clone, 'add', path)
      await git(clone, 'commit', '--quiet', '--message', 'Change')
    })
  }
  for (let i = 0; i < RUNS; i++) times.push(await commit(i))
  await git(clone, 'push', '--quiet')
  await commit(RUNS)
  const sync = await timed(() => git(clone, 'push', '--quiet'))
  for (let i = 1; i <= offline; i++) await commit(RUNS + i)
  const many = await timed(() => git(clone, 'push', '--quiet'))
  return { open, commit: median(times), diff, sync, many }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}
