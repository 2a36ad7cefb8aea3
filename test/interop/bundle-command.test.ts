/**
 * `datakit bundle`, and Git at the other end of it.
 */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import { runDatakit, type Run } from '../support/programs.ts'
import { temporaryFolder } from '../support/servers.ts'
import { git, refsOf } from '../support/stock-git.ts'

const folder = temporaryFolder('bundles')
const corpus = join(folder.path, 'corpus.git')
beforeAll(async () => {
  await makeCorpus(corpus, { files: 200, commits: 20, layout: 'directories', seed: 7 })
  await git(corpus, 'tag', '-a', '-m', 'one', 'v1', 'main~5')
})
afterAll(() => folder.remove())

const datakit = (...args: readonly string[]): Promise<Run> =>
  runDatakit(folder.path, 'bundle', ...args)

describe('datakit bundle', () => {
  it('writes a backup that git clones and that unbundle restores', async () => {
    expect((await datakit('create', 'all.bundle', '-C', corpus)).code).toBe(0)
    await git(folder.path, 'clone', '-q', 'all.bundle', 'cloned')
    await git(join(folder.path, 'cloned'), 'fsck', '--strict')
    expect((await datakit('verify', 'all.bundle')).out).toContain('is whole')
    expect((await datakit('unbundle', 'all.bundle', '-C', 'restored.git')).code).toBe(0)
    const restored = join(folder.path, 'restored.git')
    await git(restored, 'fsck', '--strict')
    expect(await refsOf(restored)).toBe(await refsOf(corpus))
    const { out } = await datakit('list-heads', 'all.bundle')
    expect(out.split('\n').slice(1, -1).join('\n')).toBe(await refsOf(corpus))
  })

  it('goes on from an earlier one, which must be there first', async () => {
    await datakit('create', 'first.bundle', 'v1', '-C', corpus)
    const create = ['create', 'rest.bundle', '--since-bundle', 'first.bundle', '-C', corpus]
    expect((await datakit(...create)).code).toBe(0)
    const early = await datakit('unbundle', 'rest.bundle', '-C', 'steps.git')
    expect(early.code).toBe(3)
    expect(early.err).toContain(await git(corpus, 'rev-parse', 'main~5'))
    expect((await datakit('verify', 'rest.bundle', '-C', 'steps.git')).code).toBe(3)
    await datakit('unbundle', 'first.bundle', '-C', 'steps.git')
    expect((await datakit('unbundle', 'rest.bundle', '-C', 'steps.git')).code).toBe(0)
    expect(await refsOf(join(folder.path, 'steps.git'))).toBe(await refsOf(corpus))
    await git(join(folder.path, 'steps.git'), 'fsck', '--strict')
  })

  it('takes what git makes, through a pipe', async () => {
    const main = join(import.meta.dirname, '..', '..', 'packages', 'cli', 'src', 'main.ts')
    const script = `git -C corpus.git bundle create -q - main | "$1" "$2" bundle unbundle - -C piped.git --json &&
      "$1" "$2" bundle create - -C piped.git > piped.bundle`
    const ended = await new Promise<{ error: unknown; out: string }>((resolve) => {
      const args = ['-c', script, 'sh', process.execPath, main]
      execFile('sh', args, { cwd: folder.path }, (error, out) => resolve({ error, out }))
    })
    expect(ended.error).toBeNull()
    expect(JSON.parse(ended.out)).toMatchObject({
      refs: [{ name: 'refs/heads/main', state: 'created' }],
    })
    await git(folder.path, 'clone', '-q', 'piped.bundle', 'piped')
  })

  it('says what is refused, ends with 5, and forces it where that is wanted', async () => {
    await datakit('create', 'old.bundle', '-C', corpus)
    await datakit('unbundle', 'old.bundle', '-C', 'moved.git')
    const moved = join(folder.path, 'moved.git')
    await git(
      moved,
      'update-ref',
      'refs/heads/main',
      await git(moved, 'commit-tree', '-m', 'x', 'main^{tree}'),
    )
    const refused = await datakit('unbundle', 'old.bundle', '-C', 'moved.git')
    expect(refused).toMatchObject({ code: 5 })
    expect(refused.err).toContain('refs/heads/main: non-fast-forward')
    expect((await datakit('unbundle', 'old.bundle', '--force', '-C', 'moved.git')).code).toBe(0)
    expect(await refsOf(moved)).toBe(await refsOf(corpus))
  })

  it('leaves no file behind that is not a whole bundle', async () => {
    writeFileSync(join(folder.path, 'kept.bundle'), 'kept')
    expect((await datakit('create', 'kept.bundle', 'nothing', '-C', corpus)).code).toBe(1)
    expect(readFileSync(join(folder.path, 'kept.bundle'), 'utf8')).toBe('kept')
    expect(readdirSync(folder.path).filter((name) => name.includes('.part'))).toEqual([])
    expect((await datakit('create', 'x.bundle', '-C', 'nowhere.git')).code).toBe(3)
    expect((await datakit('create')).code).toBe(2)
    expect((await datakit('verify', 'nothing.bundle')).code).toBe(3)
    expect(existsSync(join(folder.path, 'nowhere.git'))).toBe(false)
  })
})
