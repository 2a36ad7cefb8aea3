/**
 * Hooks of repositories that were there before the server are run for stock Git over HTTP, as Git runs them.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectRefused, PreparedServer, staged } from '../support/prepared-server.ts'
import { git, refsOf, tryGit } from '../support/stock-git.ts'

const prepared = new PreparedServer()

beforeAll(() => prepared.start())
afterAll(() => prepared.stop())

describe('hooks', () => {
  it('shows pre-receive the pushed commits, and the pusher what it prints', async () => {
    const { hook, push } = await prepared.prepare()
    hook(
      'pre-receive',
      'while read from to ref; do git log -1 --format="seen %s at $ref" $to; done',
    )
    const run = await push('main')
    expect(run.err).toContain('remote: seen three at refs/heads/main')
    expect(run.code).toBe(0)
  })

  it('leaves nothing of a push that pre-receive declines', async () => {
    const repository = await prepared.prepare()
    const before = await refsOf(repository.directory)
    const packs = readdirSync(join(repository.directory, 'objects', 'pack')).toSorted()
    repository.hook('pre-receive', 'echo "only on workdays" >&2; exit 1')
    const run = await repository.push('main', 'main:fresh')
    await expectRefused(repository, run, 'remote: only on workdays')
    expect(run.err.match(/pre-receive hook declined/g)).toHaveLength(2)
    expect(await refsOf(repository.directory)).toBe(before)
    expect(readdirSync(join(repository.directory, 'objects', 'pack')).toSorted()).toEqual(packs)
    expect(staged(repository.directory)).toEqual([])
    const tip = await git(prepared.source, 'rev-parse', 'main')
    expect((await tryGit(repository.directory, 'cat-file', '-e', tip)).code).not.toBe(0)
  })

  it('lets update decline one of two refs', async () => {
    const repository = await prepared.prepare()
    repository.hook('update', 'echo "$1 $2 $3"; test "$1" != refs/heads/other')
    const run = await repository.push('main', 'main:other')
    await expectRefused(repository, run, 'hook declined')
    expect(run.err).toContain('remote: error: hook declined to update refs/heads/other')
    const [old, tip] = [
      await git(prepared.source, 'rev-parse', 'main~1'),
      await git(prepared.source, 'rev-parse', 'main'),
    ]
    expect(run.err).toContain(`remote: refs/heads/main ${old} ${tip}`)
    expect(await refsOf(repository.directory)).toBe(
      `${tip} refs/heads/main\n${old} refs/heads/other`,
    )
  })

  it('takes nothing of an atomic push of which update declines one ref', async () => {
    const repository = await prepared.prepare()
    const before = await refsOf(repository.directory)
    repository.hook('update', 'test "$1" != refs/heads/other')
    await expectRefused(
      repository,
      await repository.push('--atomic', 'main', 'main:other'),
      'declined',
    )
    expect(await refsOf(repository.directory)).toBe(before)
    expect(staged(repository.directory)).toEqual([])
  })

  it('tells post-receive and post-update what was done, with the refs moved', async () => {
    const { directory, hook, push } = await prepared.prepare()
    const log = join(directory, 'told')
    hook('update', 'test "$1" != refs/heads/refused')
    hook('post-receive', `{ cat; git rev-parse main; } >> '${log}'; echo "told you"; exit 1`)
    hook('post-update', `echo "$@" >> '${log}'`)
    const [old, tip] = [
      await git(prepared.source, 'rev-parse', 'main~1'),
      await git(prepared.source, 'rev-parse', 'main'),
    ]
    const run = await push('main', ':other', 'main:refused')
    expect(run.err).toContain('remote: told you')
    expect(readFileSync(log, 'utf8').trim().split('\n')).toEqual([
      `${old} ${tip} refs/heads/main`,
      `${old} ${'0'.repeat(40)} refs/heads/other`,
      tip,
      'refs/heads/main refs/heads/other',
    ])
  })

  it('asks reference-transaction, which can say no', async () => {
    const repository = await prepared.prepare()
    repository.hook('reference-transaction', 'test "$1" != prepared')
    const before = await refsOf(repository.directory)
    await expectRefused(repository, await repository.push('main'), 'reference-transaction said no')
    expect(await refsOf(repository.directory)).toBe(before)
  })

  it('gives push options to hooks where receive.advertisePushOptions is set', async () => {
    const { hook, push } = await prepared.prepare({ 'receive.advertisePushOptions': 'true' })
    hook('pre-receive', 'echo "$GIT_PUSH_OPTION_COUNT: $GIT_PUSH_OPTION_0"')
    const run = await push('-o', 'ticket=7', 'main')
    expect(run.err).toContain('remote: 1: ticket=7')
    expect((await (await prepared.prepare()).push('-o', 'ticket=7', 'main')).code).not.toBe(0)
  })

  it('finds hooks where core.hooksPath says', async () => {
    const hooks = join(prepared.folder.path, 'hooks')
    const { directory, push, hook } = await prepared.prepare({ 'core.hooksPath': hooks })
    hook('pre-receive', 'exit 1')
    expect((await push('main')).code).toBe(0)
    await git(directory, 'config', 'core.hooksPath', 'hooks')
    expect((await push('main:fresh')).code).not.toBe(0)
  })
})
