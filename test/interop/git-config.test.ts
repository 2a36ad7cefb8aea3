/**
 * Repositories that were there before the server: what their configuration and hooks say holds for stock Git over HTTP.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git, refsOf, tryGit, type GitRun } from '../support/stock-git.ts'

const folder = temporaryFolder('git-config')
const root = temporaryFolder('git-config-root')
const source = join(folder.path, 'source')
let server: TestServer
let counter = 0

beforeAll(async () => {
  server = await startTestServer('node', { data: root.path })
  await git(folder.path, 'init', '--quiet', '--initial-branch=main', source)
  for (const content of ['one', 'two', 'three']) await commit(content)
})
afterAll(async () => {
  await server.stop()
  folder.remove()
  root.remove()
})

async function commit(content: string): Promise<string> {
  writeFileSync(join(source, 'file.txt'), `${content}\n`)
  await git(source, 'add', 'file.txt')
  await git(source, 'commit', '--quiet', '-m', content)
  return git(source, 'rev-parse', 'HEAD')
}

interface Prepared {
  readonly directory: string
  readonly url: string
  /** Pushes to it; never throws. */
  push(...refs: readonly string[]): Promise<GitRun>
  hook(name: string, script: string): void
}

type Settings = Readonly<Record<string, string | readonly string[]>>

/** A bare repository on disk, made by stock Git, with `main` at the second of three commits, and `other` there too. */
async function prepare(settings: Settings = {}, ...init: readonly string[]): Promise<Prepared> {
  const name = `repository-${++counter}`
  const directory = join(root.path, `${name}.git`)
  await git(root.path, 'init', '--quiet', '--bare', '--initial-branch=main', ...init, directory)
  if (init.length === 0)
    await git(
      source,
      'push',
      '--quiet',
      directory,
      'main~1:refs/heads/main',
      'main~1:refs/heads/other',
    )
  for (const [key, values] of Object.entries(settings)) {
    for (const value of [values].flat()) await git(directory, 'config', '--add', key, value)
  }
  const url = `${server.url}/${name}.git`
  return {
    directory,
    url,
    push: (...refs) => tryGit(source, 'push', url, ...refs),
    hook: (hook, script) => {
      const path = join(directory, 'hooks', hook)
      writeFileSync(path, `#!/bin/sh\n${script}\n`)
      chmodSync(path, 0o755)
    },
  }
}

/** Names under `datakit/stage`: packs that came and were not taken. */
function staged(directory: string): string[] {
  const stage = join(directory, 'datakit', 'stage')
  return existsSync(stage) ? readdirSync(stage) : []
}

async function expectRefused(repository: Prepared, run: GitRun, words: string): Promise<void> {
  expect(run.err).toContain(words)
  expect(run.code).not.toBe(0)
  await git(repository.directory, 'fsck', '--strict')
}

describe('rules for pushes', () => {
  it('takes what no rule forbids', async () => {
    const repository = await prepare()
    expect((await repository.push('main')).code).toBe(0)
    expect((await repository.push('+main~2:main', ':other')).code).toBe(0)
    expect(await refsOf(repository.directory)).toBe(
      `${await git(source, 'rev-parse', 'main~2')} refs/heads/main`,
    )
  })

  it('keeps branches, but not tags, where receive.denyDeletes is set', async () => {
    const repository = await prepare({ 'receive.denyDeletes': 'true' })
    await repository.push('main:refs/tags/light')
    await expectRefused(repository, await repository.push(':other'), 'deletion prohibited')
    expect((await repository.push(':refs/tags/light')).code).toBe(0)
  })

  it('moves branches forward only where receive.denyNonFastForwards is set', async () => {
    const repository = await prepare({ 'receive.denyNonFastForwards': 'true' })
    const back = await repository.push('+main~2:main', '+main:other')
    await expectRefused(repository, back, 'non-fast-forward')
    expect((await refsOf(repository.directory)).split('\n')).toEqual([
      `${await git(source, 'rev-parse', 'main~1')} refs/heads/main`,
      `${await git(source, 'rev-parse', 'main')} refs/heads/other`,
    ])
    await git(source, 'checkout', '--quiet', '-B', 'aside', 'main~2')
    await commit('aside')
    await git(source, 'checkout', '--quiet', 'main')
    const aside = await repository.push('+aside:main')
    await expectRefused(repository, aside, 'non-fast-forward')
    await git(source, 'checkout', '--quiet', '-B', 'merged', 'main~1')
    await git(source, 'merge', '--quiet', '-s', 'ours', '-m', 'merge', 'aside')
    await git(source, 'checkout', '--quiet', 'main')
    expect((await repository.push('merged:main')).code).toBe(0)
  })

  it('deletes the current branch only where receive.denyDeleteCurrent allows it', async () => {
    const kept = await prepare()
    await expectRefused(kept, await kept.push(':main'), 'deletion of the current branch prohibited')
    const ignored = await prepare({ 'receive.denyDeleteCurrent': 'ignore' })
    expect((await ignored.push(':main')).code).toBe(0)
  })

  it('does not take more than receive.maxInputSize', async () => {
    const repository = await prepare({ 'receive.maxInputSize': '100' })
    const run = await repository.push('main')
    await expectRefused(repository, run, '100')
    expect(staged(repository.directory)).toEqual([])
    await git(repository.directory, 'config', 'receive.maxInputSize', '1m')
    expect((await repository.push('main')).code).toBe(0)
  })

  it('offers atomic pushes unless receive.advertiseAtomic is off', async () => {
    const repository = await prepare({ 'receive.advertiseAtomic': 'false' })
    const run = await repository.push('--atomic', 'main')
    await expectRefused(repository, run, 'does not support --atomic push')
    expect((await (await prepare()).push('--atomic', 'main')).code).toBe(0)
  })

  it('protects the refs that datakit.protect names', async () => {
    const repository = await prepare({ 'datakit.protect': ['main', 'refs/tags'] })
    await expectRefused(repository, await repository.push('+main~2:main'), 'non-fast-forward')
    expect((await repository.push('main', 'main:refs/tags/t')).code).toBe(0)
    await expectRefused(repository, await repository.push(':refs/tags/t'), 'deletion prohibited')
    expect((await repository.push('+main~2:other')).code).toBe(0)
  })

  it('becomes shallow by a push where receive.shallowUpdate allows it', async () => {
    const shallow = join(folder.path, `shallow-${++counter}`)
    await git(folder.path, 'clone', '--quiet', '--depth', '1', `file://${source}`, shallow)
    const refused = await prepare({}, '--object-format=sha1')
    const run = await tryGit(shallow, 'push', refused.url, 'HEAD:main')
    await expectRefused(refused, run, 'shallow update not allowed')
    const allowed = await prepare({ 'receive.shallowUpdate': 'true' }, '--object-format=sha1')
    await git(shallow, 'push', '--quiet', allowed.url, 'HEAD:main')
    expect(await git(allowed.directory, 'rev-parse', '--is-shallow-repository')).toBe('true')
    await git(allowed.directory, 'fsck', '--strict')
  })

  it('keeps a connection alive while a hook takes its time', async () => {
    const repository = await prepare({ 'receive.keepAlive': '1' })
    // It waits for nothing else than time: there is nothing to wait for in silence.
    repository.hook('pre-receive', 'sleep 3')
    const tip = await git(source, 'rev-parse', 'main')
    const line = `${'0'.repeat(40)} ${tip} refs/heads/new\0 report-status side-band-64k`
    const pack = execFileSync('git', ['-C', source, 'pack-objects', '--revs', '--stdout', '-q'], {
      input: `${tip}\n`,
    })
    const length = (line.length + 4).toString(16).padStart(4, '0')
    const answer = await fetch(`${repository.url}/git-receive-pack`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-git-receive-pack-request' },
      body: Buffer.concat([Buffer.from(`${length}${line}0000`), pack]),
    })
    expect(await answer.text()).toMatch(/0005\u0001.*unpack ok/s)
  })

  it('says which refs were not moved when another program holds one of them', async () => {
    const repository = await prepare()
    mkdirSync(join(repository.directory, 'refs', 'heads', 'other.lock'))
    const before = await refsOf(repository.directory)
    const run = await repository.push('--atomic', 'main', 'main:other')
    expect(run.err.match(/remote rejected.*atomic transaction failed/g)).toHaveLength(2)
    expect(run.err).toContain('is held by another program')
    expect(await refsOf(repository.directory)).toBe(before)
    expect((await repository.push('main:other')).err).toContain('failed to update ref')
    expect((await repository.push('main')).code).toBe(0)
  })

  it('reads the configuration anew for every push', async () => {
    const repository = await prepare()
    expect((await repository.push('main')).code).toBe(0)
    await git(repository.directory, 'config', 'receive.denyDeletes', 'true')
    await expectRefused(repository, await repository.push(':other'), 'deletion prohibited')
  })
})

describe('objects in which something is wrong', () => {
  /** A commit whose author has no address, which stock Git makes when it is told to. */
  async function strange(): Promise<string> {
    const tree = await git(source, 'rev-parse', 'main^{tree}')
    const body = `tree ${tree}\nauthor Ada 1700000000 +0000\ncommitter Ada <a@b> 1700000000 +0000\n\nx ${++counter}\n`
    const input = { input: body, encoding: 'utf8' as const }
    const args = ['-C', source, 'hash-object', '-t', 'commit', '-w', '--literally', '--stdin']
    return execFileSync('git', args, input).trim()
  }

  it.each([
    ['nothing is said', {}, true, ''],
    ['receive.fsckObjects is set', { 'receive.fsckObjects': 'true' }, false, 'missingEmail'],
    ['transfer.fsckObjects is set', { 'transfer.fsckObjects': 'true' }, false, 'missingEmail'],
    [
      'it is switched off for pushes',
      { 'transfer.fsckObjects': 'true', 'receive.fsckObjects': 'false' },
      true,
      '',
    ],
    [
      'it is a warning',
      { 'receive.fsckObjects': 'true', 'receive.fsck.missingEmail': 'warn' },
      true,
      'remote: warning: commit',
    ],
    [
      'it is ignored',
      { 'receive.fsckObjects': 'true', 'receive.fsck.missingEmail': 'ignore' },
      true,
      '',
    ],
    [
      'an error cannot be less',
      { 'receive.fsckObjects': 'true', 'receive.fsck.nulInHeader': 'warn' },
      false,
      'Cannot demote nulinheader to warn',
    ],
  ])('are judged by fsck: %s', async (_, settings, isTaken, words) => {
    const { push } = await prepare(settings)
    const run = await push(`${await strange()}:refs/heads/strange`)
    expect(run.err).toContain(words)
    expect(run.code === 0).toBe(isTaken)
  })

  it('are taken when receive.fsck.skipList names them', async () => {
    const [one, other] = [await strange(), await strange()]
    const list = join(folder.path, `skip-${++counter}`)
    writeFileSync(list, `# these are known\n${one}\n`)
    const { push } = await prepare({ 'receive.fsckObjects': 'true', 'receive.fsck.skipList': list })
    expect((await push(`${one}:refs/heads/one`)).code).toBe(0)
    expect((await push(`${other}:refs/heads/other-one`)).code).not.toBe(0)
  })
})

describe('a repository with a working tree', () => {
  async function prepareTree(settings: Settings): Promise<{ url: string; path: string }> {
    const name = `tree-${++counter}`
    const path = join(root.path, name)
    await git(root.path, 'clone', '--quiet', source, path)
    await git(path, 'reset', '--quiet', '--hard', 'HEAD~1')
    for (const [key, value] of Object.entries(settings))
      await git(path, 'config', key, String(value))
    return { url: `${server.url}/${name}.git`, path }
  }

  it.each([
    ['nothing', {}, 'branch is currently checked out'],
    ['refuse', { 'receive.denyCurrentBranch': 'refuse' }, 'branch is currently checked out'],
    [
      'updateInstead',
      { 'receive.denyCurrentBranch': 'updateInstead' },
      'updateInstead is not offered',
    ],
  ])('keeps its branch where denyCurrentBranch says %s', async (_, settings, words) => {
    const { url, path } = await prepareTree(settings)
    const run = await tryGit(source, 'push', url, 'main', 'main:elsewhere')
    expect(run.err).toContain(words)
    expect(run.code).not.toBe(0)
    expect(await git(path, 'rev-parse', 'main')).toBe(await git(source, 'rev-parse', 'main~1'))
    expect(await git(path, 'rev-parse', 'elsewhere')).toBe(await git(source, 'rev-parse', 'main'))
  })

  it('moves its branch where denyCurrentBranch only warns, and warns', async () => {
    const { url, path } = await prepareTree({ 'receive.denyCurrentBranch': 'warn' })
    const run = await tryGit(source, 'push', url, 'main')
    expect(run.err).toContain('remote: warning: updating the current branch "refs/heads/main"')
    expect(run.code).toBe(0)
    expect(await git(path, 'rev-parse', 'main')).toBe(await git(source, 'rev-parse', 'main'))
  })
})

describe('services that are switched off', () => {
  it('does not serve fetches where http.uploadpack is false', async () => {
    const { url, push } = await prepare({ 'http.uploadpack': 'false' })
    const run = await tryGit(source, 'ls-remote', url)
    expect(run.err).toContain('fetching is switched off in its configuration (http.uploadpack)')
    expect(run.code).not.toBe(0)
    expect((await push('main')).code).toBe(0)
  })

  it('takes no pushes where http.receivepack is false', async () => {
    const repository = await prepare({ 'http.receivepack': 'false' })
    const words = 'pushing is switched off in its configuration (http.receivepack)'
    await expectRefused(repository, await repository.push('main'), words)
    expect((await tryGit(source, 'ls-remote', repository.url)).code).toBe(0)
  })
})

describe('hidden refs', () => {
  it.each(['0', '2'])(
    'are not in ls-remote and cannot be fetched by oid, protocol %s',
    async (version) => {
      const repository = await prepare({
        'transfer.hideRefs': ['refs/hidden', '!refs/hidden/shown'],
      })
      const { directory, url } = repository
      await git(source, 'checkout', '--quiet', '--detach', 'main')
      const secret = await commit(`secret ${version}`)
      await git(source, 'checkout', '--quiet', 'main')
      await git(directory, 'fetch', '--quiet', source, `${secret}:refs/hidden/secret`)
      await git(
        source,
        'push',
        '--quiet',
        directory,
        'main:refs/hidden/shown',
        'main:refs/hidden-not/at-all',
      )
      const option = ['-c', `protocol.version=${version}`]
      const listed = await git(source, ...option, 'ls-remote', url)
      expect(listed.split('\n').map((line) => line.slice(41))).toEqual([
        'HEAD',
        'refs/heads/main',
        'refs/heads/other',
        'refs/hidden-not/at-all',
        'refs/hidden/shown',
      ])
      const clone = join(folder.path, `hidden-${version}`)
      await git(folder.path, ...option, 'clone', '--quiet', '--mirror', url, clone)
      const run = await tryGit(clone, ...option, 'fetch', url, secret)
      // Version 0 is not told that it may ask for what is not listed.
      expect(run.err).toMatch(new RegExp(`(not our ref|unadvertised object) ${secret}`))
      expect(run.code).not.toBe(0)
    },
  )

  it('cannot be moved, made or deleted, and prove nothing', async () => {
    const repository = await prepare({ 'receive.hideRefs': 'refs/hidden' })
    const { directory } = repository
    await git(directory, 'fetch', '--quiet', source, 'main:refs/hidden/secret')
    for (const wish of ['+main~1:refs/hidden/secret', 'main:refs/hidden/new'])
      await expectRefused(repository, await repository.push(wish), 'deny updating a hidden ref')
    const main = await git(source, 'rev-parse', 'main')
    // A client that leaves out what it should not know to be there.
    const tip = await git(source, 'commit-tree', '-p', main, '-m', 'built', 'main^{tree}')
    const report = await pushByHand(repository.url, tip, main)
    expect(report).toContain('ng refs/heads/built missing necessary objects')
    expect(await git(directory, 'rev-parse', 'refs/hidden/secret')).toBe(main)
    expect(await refsOf(directory)).not.toContain('refs/heads/built')
  })

  it('are hidden from fetches alone by uploadpack.hideRefs', async () => {
    const repository = await prepare({ 'uploadpack.hideRefs': 'refs/heads/other' })
    expect(await git(source, 'ls-remote', repository.url, 'other')).toBe('')
    expect((await repository.push('main:other')).code).toBe(0)
  })

  /** Pushes a branch `built` without what `had` leads to, whether the server shows it or not. */
  async function pushByHand(url: string, tip: string, had: string): Promise<string> {
    const pack = execFileSync('git', ['-C', source, 'pack-objects', '--revs', '--stdout', '-q'], {
      input: `${tip}\n^${had}\n`,
    })
    const line = `${'0'.repeat(40)} ${tip} refs/heads/built\0 report-status`
    const length = (line.length + 4).toString(16).padStart(4, '0')
    const answer = await fetch(`${url}/git-receive-pack`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-git-receive-pack-request' },
      body: Buffer.concat([Buffer.from(`${length}${line}0000`), pack]),
    })
    return answer.text()
  }
})

describe('hooks', () => {
  it('shows pre-receive the pushed commits, and the pusher what it prints', async () => {
    const { hook, push } = await prepare()
    hook(
      'pre-receive',
      'while read from to ref; do git log -1 --format="seen %s at $ref" $to; done',
    )
    const run = await push('main')
    expect(run.err).toContain('remote: seen three at refs/heads/main')
    expect(run.code).toBe(0)
  })

  it('leaves nothing of a push that pre-receive declines', async () => {
    const repository = await prepare()
    const before = await refsOf(repository.directory)
    const packs = readdirSync(join(repository.directory, 'objects', 'pack')).toSorted()
    repository.hook('pre-receive', 'echo "only on workdays" >&2; exit 1')
    const run = await repository.push('main', 'main:fresh')
    await expectRefused(repository, run, 'remote: only on workdays')
    expect(run.err.match(/pre-receive hook declined/g)).toHaveLength(2)
    expect(await refsOf(repository.directory)).toBe(before)
    expect(readdirSync(join(repository.directory, 'objects', 'pack')).toSorted()).toEqual(packs)
    expect(staged(repository.directory)).toEqual([])
    const tip = await git(source, 'rev-parse', 'main')
    expect((await tryGit(repository.directory, 'cat-file', '-e', tip)).code).not.toBe(0)
  })

  it('lets update decline one of two refs', async () => {
    const repository = await prepare()
    repository.hook('update', 'echo "$1 $2 $3"; test "$1" != refs/heads/other')
    const run = await repository.push('main', 'main:other')
    await expectRefused(repository, run, 'hook declined')
    expect(run.err).toContain('remote: error: hook declined to update refs/heads/other')
    const [old, tip] = [
      await git(source, 'rev-parse', 'main~1'),
      await git(source, 'rev-parse', 'main'),
    ]
    expect(run.err).toContain(`remote: refs/heads/main ${old} ${tip}`)
    expect(await refsOf(repository.directory)).toBe(
      `${tip} refs/heads/main\n${old} refs/heads/other`,
    )
  })

  it('takes nothing of an atomic push of which update declines one ref', async () => {
    const repository = await prepare()
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
    const { directory, hook, push } = await prepare()
    const log = join(directory, 'told')
    hook('update', 'test "$1" != refs/heads/refused')
    hook('post-receive', `{ cat; git rev-parse main; } >> '${log}'; echo "told you"; exit 1`)
    hook('post-update', `echo "$@" >> '${log}'`)
    const [old, tip] = [
      await git(source, 'rev-parse', 'main~1'),
      await git(source, 'rev-parse', 'main'),
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
    const repository = await prepare()
    repository.hook('reference-transaction', 'test "$1" != prepared')
    const before = await refsOf(repository.directory)
    await expectRefused(repository, await repository.push('main'), 'reference-transaction said no')
    expect(await refsOf(repository.directory)).toBe(before)
  })

  it('gives push options to hooks where receive.advertisePushOptions is set', async () => {
    const { hook, push } = await prepare({ 'receive.advertisePushOptions': 'true' })
    hook('pre-receive', 'echo "$GIT_PUSH_OPTION_COUNT: $GIT_PUSH_OPTION_0"')
    const run = await push('-o', 'ticket=7', 'main')
    expect(run.err).toContain('remote: 1: ticket=7')
    expect((await (await prepare()).push('-o', 'ticket=7', 'main')).code).not.toBe(0)
  })

  it('finds hooks where core.hooksPath says', async () => {
    const hooks = join(folder.path, 'hooks')
    const { directory, push, hook } = await prepare({ 'core.hooksPath': hooks })
    hook('pre-receive', 'exit 1')
    expect((await push('main')).code).toBe(0)
    await git(directory, 'config', 'core.hooksPath', 'hooks')
    expect((await push('main:fresh')).code).not.toBe(0)
  })

  it('refuses pushes that proc-receive would have to make', async () => {
    const repository = await prepare({ 'receive.procReceiveRefs': 'refs/for' })
    repository.hook('proc-receive', 'exit 0')
    const run = await repository.push('main')
    await expectRefused(repository, run, 'proc-receive')
    expect(run.err).toContain(repository.url.slice(server.url.length + 1, -'.git'.length))
    expect((await tryGit(source, 'ls-remote', repository.url)).code).toBe(0)
  })
})

describe('repositories that cannot be served', () => {
  it.each([
    ['SHA-256', {}, ['--object-format=sha256'], 'only SHA-1 is offered'],
    [
      'reftable',
      { 'core.repositoryformatversion': '1', 'extensions.refStorage': 'reftable' },
      [],
      'its refs are kept as reftable',
    ],
    [
      'partial clones',
      { 'core.repositoryformatversion': '1', 'extensions.partialClone': 'origin' },
      [],
      'it is a partial clone of "origin"',
    ],
  ])('are refused by name and reason: %s', async (_, settings, init, reason) => {
    const { directory, url, push } = await prepare({}, ...init)
    for (const [key, value] of Object.entries(settings))
      await git(directory, 'config', '--replace-all', key, value)
    const name = url.slice(server.url.length + 1, -'.git'.length)
    const clone = join(folder.path, `refused-${counter}`)
    for (const run of [
      await tryGit(source, 'ls-remote', url),
      await tryGit(source, 'clone', url, clone),
      await push('main'),
    ]) {
      expect(run.err).toContain(name)
      expect(run.err).toContain(reason)
      expect(run.code).not.toBe(0)
    }
    const answer = await fetch(`${server.url}/repositories`)
    const { repositories } = (await answer.json()) as {
      repositories: { name: string; refused?: string }[]
    }
    expect(repositories.find((each) => each.name === name)?.refused).toContain(reason)
  })
})
