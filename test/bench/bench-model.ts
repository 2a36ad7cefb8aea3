/**
 * The model under Node: commits, merges and watches, beside stock git where it does the same, and how the cost grows.
 *
 * @module
 */
import { Repository } from '@datakit/datakit/repository'
import { watchPath } from '@datakit/datakit/watch-path'
import { text, utf8 } from '@datakit/git/bytes'
import { parseOid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { loadDriver } from '@datakit/merge/drivers'
import { openGitDirectory } from '@datakit/storage/git-directory'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { corpusFile, corpusPath, makeCorpus, type CorpusOptions } from '../support/corpus.ts'
import { temporaryFolder } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'
import { proofRows } from './bench-proof.ts'

/** Milliseconds of a piece of work, by how large that is which it is done in. */
export interface ModelRow {
  readonly work: string
  /** What stock git was asked for instead; `undefined` where it has nothing of the kind. */
  readonly peer: string | undefined
  readonly times: readonly {
    readonly size: string
    readonly ours: number
    readonly peer: number | undefined
  }[]
}

type Layout = CorpusOptions['layout']

const RUNS = 15

/** Runs everything; `quick` with little. */
export async function benchModel(quick: boolean): Promise<ModelRow[]> {
  const [small, large] = quick ? [100, 300] : [1000, 100_000]
  const [few, many] = quick ? [100, 300] : [100, 10_000]
  const commits = [await benchCommit(small), await benchCommit(large)]
  return [
    {
      work: 'commit of one key, into a Git directory',
      peer: '`git add` and `git commit` in a work tree',
      times: commits.map(({ commit }) => commit),
    },
    {
      work: 'wake-up of a watch of one path, after a change elsewhere',
      peer: undefined,
      times: commits.map(({ watch }) => watch),
    },
    await mergeRow('directories', [few, many]),
    await mergeRow('flat', [few, many]),
    await lineRow(quick ? 1000 : 10_000),
    await jsonRow(quick ? 100 : 9000),
    ...(await proofRows(quick)),
  ]
}

/** A bare repository with a corpus in it. */
async function corpus(folder: string, files: number, layout: Layout): Promise<string> {
  const path = join(folder, `${layout}-${files}.git`)
  await makeCorpus(path, { files, commits: 20, layout, seed: 3 })
  return path
}

async function open(path: string): Promise<Repository> {
  return Repository.open(await openGitDirectory(path), { runtime: nodeRuntime })
}

async function benchCommit(files: number): Promise<Record<'commit' | 'watch', Time>> {
  const folder = temporaryFolder('bench-model')
  try {
    const bare = await corpus(folder.path, files, 'directories')
    const tree = join(folder.path, 'tree')
    await git(folder.path, 'clone', '--quiet', bare, tree)
    const repository = await open(bare)
    const main = repository.branch('main')
    let n = 0
    const change = (): readonly [string, string] => [
      corpusPath((n * 37) % files, 'directories'),
      corpusFile((n * 37) % files, 9000 + n++),
    ]
    const ours = await median(async () => {
      const [path, content] = change()
      await main.commit((files) => files.write(path, content), { message: 'Change' })
    })
    const peer = await median(async () => {
      const [path, content] = change()
      writeFileSync(join(tree, path), content)
      await git(tree, 'add', path)
      await git(tree, 'commit', '--quiet', '-m', 'Change')
    })
    const size = `${files.toLocaleString('en')} files`
    const watch = { size, ours: await benchWatch(repository, files), peer: undefined }
    await repository.close()
    return { commit: { size, ours, peer }, watch }
  } finally {
    folder.remove()
  }
}

type Time = ModelRow['times'][number]

/** How long a watch looks after a change that is none of its business, told by the change that is. */
async function benchWatch(repository: Repository, files: number): Promise<number> {
  const main = repository.branch('main')
  const watched = corpusPath(files - 1, 'directories')
  const values = watchPath(repository, { branch: 'main', path: watched })
  await values.next()
  const times: number[] = []
  for (let i = 0; i < RUNS; i++) {
    await main.commit((files) => files.write(corpusPath(0, 'directories'), `{ "n": ${i} }\n`), {
      message: 'Elsewhere',
    })
    await main.commit((files) => files.write(watched, `{ "n": ${i} }\n`), { message: 'Here' })
    const committed = performance.now()
    await values.next()
    times.push(performance.now() - committed)
  }
  await values.return?.()
  return middle(times)
}

async function mergeRow(layout: Layout, sizes: readonly number[]): Promise<ModelRow> {
  const times: Time[] = []
  for (const files of sizes) times.push(await benchMerge(files, layout))
  const where = layout === 'flat' ? 'one flat directory' : 'directories of fifty'
  return {
    work: `three-way merge, 10 changes a side, in ${where}`,
    peer: '`git merge-tree --write-tree`',
    times,
  }
}

async function benchMerge(files: number, layout: Layout): Promise<Time> {
  const folder = temporaryFolder('bench-model')
  try {
    const bare = await corpus(folder.path, files, layout)
    const repository = await open(bare)
    const sides: string[] = []
    for (const side of [0, 1]) {
      const branch = await repository.branch('main').fork(`side-${side}`)
      const step = Math.floor(files / 20)
      await branch.commit(
        async (changed) => {
          for (let i = 0; i < 10; i++) {
            const at = (2 * i + side) * step
            await changed.write(corpusPath(at, layout), corpusFile(at, 9500 + side))
          }
        },
        { message: 'Ten changes' },
      )
      sides.push((await branch.oid()) ?? '')
    }
    const [ours = '', theirs = ''] = sides
    const trees = async () => {
      const [base] = await repository.mergeBases(parseOid(ours), parseOid(theirs))
      const treeOf = async (oid: string) => (await repository.snapshot(parseOid(oid))).tree
      return {
        base: await treeOf(base ?? ''),
        ours: await treeOf(ours),
        theirs: await treeOf(theirs),
      }
    }
    let merged: string | undefined
    const own = await median(async () => {
      merged = (await repository.mergeTrees(await trees())).tree
    })
    const args = ['-c', 'merge.renames=false', 'merge-tree', '--write-tree', ours, theirs]
    const peer = await median(async () => {
      if ((await git(bare, ...args)) !== merged) throw new Error('Git merges something else')
    })
    await repository.close()
    return { size: `${files.toLocaleString('en')} files`, ours: own, peer }
  } finally {
    folder.remove()
  }
}

async function lineRow(lines: number): Promise<ModelRow> {
  const folder = temporaryFolder('bench-model')
  const file = (changed: number) =>
    Array.from(
      { length: lines },
      (_, i) => `line ${i}${i % (lines / 10) === changed ? ' is another' : ''}\n`,
    ).join('')
  const versions = { base: file(-1), ours: file(10), theirs: file(50) }
  const driver = await loadDriver('text')
  try {
    const paths = Object.entries(versions).map(([name, content]) => {
      writeFileSync(join(folder.path, name), content)
      return join(folder.path, name)
    })
    const [base = '', own = '', other = ''] = paths
    let merged = ''
    const ours = await median(async () => {
      const outcome = driver?.({
        base: utf8(versions.base),
        ours: utf8(versions.ours),
        theirs: utf8(versions.theirs),
        path: '',
      })
      if (outcome?.state !== 'merged') throw new Error('There is a conflict')
      merged = text(outcome.bytes)
    })
    const peer = await median(async () => {
      const options = { maxBuffer: 2 ** 28, encoding: 'utf8' } as const
      const found = execFileSync('git', ['merge-file', '-p', own, base, other], options)
      if (found !== merged) throw new Error('Git merges something else')
    })
    const size = `${lines.toLocaleString('en')} lines`
    return {
      work: 'merge by line, 10 changes a side',
      peer: '`git merge-file`',
      times: [{ size, ours, peer }],
    }
  } finally {
    folder.remove()
  }
}

async function jsonRow(records: number): Promise<ModelRow> {
  const driver = await loadDriver('json')
  const write = (changed: number): Uint8Array => {
    const items = Array.from({ length: records }, (_, id) => ({
      id,
      name: id % (records / 10) === changed ? 'another' : `record ${id}`,
      limits: { low: id, high: 2 * id },
    }))
    return utf8(JSON.stringify({ items }, undefined, 1))
  }
  const input = { base: write(-1), ours: write(1), theirs: write(5), path: '' }
  const ours = await median(async () => {
    if (driver?.(input).state !== 'merged') throw new Error('There is a conflict')
  })
  const size = `${(input.base.length / 1000).toFixed(0)} kB`
  return {
    work: 'merge of JSON by key, 10 changes a side',
    peer: undefined,
    times: [{ size, ours, peer: undefined }],
  }
}

async function median(run: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < RUNS; i++) {
    const started = performance.now()
    await run()
    times.push(performance.now() - started)
  }
  return middle(times)
}

function middle(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
}
