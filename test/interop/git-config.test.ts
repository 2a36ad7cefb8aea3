/**
 * Repositories that were there before the server: what their configuration says holds for stock Git over HTTP.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectRefused, PreparedServer, type Settings, staged } from '../support/prepared-server.ts'
import { git, refsOf, tryGit } from '../support/stock-git.ts'

const prepared = new PreparedServer()

beforeAll(() => prepared.start())
afterAll(() => prepared.stop())

describe('rules for pushes', () => {
  it('takes what no rule forbids', async () => {
    const repository = await prepared.prepare()
    expect((await repository.push('main')).code).toBe(0)
    expect((await repository.push('+main~2:main', ':other')).code).toBe(0)
    expect(await refsOf(repository.directory)).toBe(
      `${await git(prepared.source, 'rev-parse', 'main~2')} refs/heads/main`,
    )
  })

  it('keeps branches, but not tags, where receive.denyDeletes is set', async () => {
    const repository = await prepared.prepare({ 'receive.denyDeletes': 'true' })
    await repository.push('main:refs/tags/light')
    await expectRefused(repository, await repository.push(':other'), 'deletion prohibited')
    expect((await repository.push(':refs/tags/light')).code).toBe(0)
  })

  it('moves branches forward only where receive.denyNonFastForwards is set', async () => {
    const repository = await prepared.prepare({ 'receive.denyNonFastForwards': 'true' })
    const back = await repository.push('+main~2:main', '+main:other')
    await expectRefused(repository, back, 'non-fast-forward')
    expect((await refsOf(repository.directory)).split('\n')).toEqual([
      `${await git(prepared.source, 'rev-parse', 'main~1')} refs/heads/main`,
      `${await git(prepared.source, 'rev-parse', 'main')} refs/heads/other`,
    ])
    await git(prepared.source, 'checkout', '--quiet', '-B', 'aside', 'main~2')
    await prepared.commit('aside')
    await git(prepared.source, 'checkout', '--quiet', 'main')
    const aside = await repository.push('+aside:main')
    await expectRefused(repository, aside, 'non-fast-forward')
    await git(prepared.source, 'checkout', '--quiet', '-B', 'merged', 'main~1')
    await git(prepared.source, 'merge', '--quiet', '-s', 'ours', '-m', 'merge', 'aside')
    await git(prepared.source, 'checkout', '--quiet', 'main')
    expect((await repository.push('merged:main')).code).toBe(0)
  })

  it('deletes the current branch only where receive.denyDeleteCurrent allows it', async () => {
    const kept = await prepared.prepare()
    await expectRefused(kept, await kept.push(':main'), 'deletion of the current branch prohibited')
    const ignored = await prepared.prepare({ 'receive.denyDeleteCurrent': 'ignore' })
    expect((await ignored.push(':main')).code).toBe(0)
  })

  it('does not take more than receive.maxInputSize', async () => {
    const repository = await prepared.prepare({ 'receive.maxInputSize': '100' })
    const run = await repository.push('main')
    await expectRefused(repository, run, '100')
    expect(staged(repository.directory)).toEqual([])
    await git(repository.directory, 'config', 'receive.maxInputSize', '1m')
    expect((await repository.push('main')).code).toBe(0)
  })

  it('offers atomic pushes unless receive.advertiseAtomic is off', async () => {
    const repository = await prepared.prepare({ 'receive.advertiseAtomic': 'false' })
    const run = await repository.push('--atomic', 'main')
    await expectRefused(repository, run, 'does not support --atomic push')
    expect((await (await prepared.prepare()).push('--atomic', 'main')).code).toBe(0)
  })

  it('protects the refs that datakit.protect names', async () => {
    const repository = await prepared.prepare({ 'datakit.protect': ['main', 'refs/tags'] })
    await expectRefused(repository, await repository.push('+main~2:main'), 'non-fast-forward')
    expect((await repository.push('main', 'main:refs/tags/t')).code).toBe(0)
    await expectRefused(repository, await repository.push(':refs/tags/t'), 'deletion prohibited')
    expect((await repository.push('+main~2:other')).code).toBe(0)
  })

  it('becomes shallow by a push where receive.shallowUpdate allows it', async () => {
    const shallow = join(prepared.folder.path, `shallow-${prepared.nextNumber()}`)
    await git(
      prepared.folder.path,
      'clone',
      '--quiet',
      '--depth',
      '1',
      `file://${prepared.source}`,
      shallow,
    )
    const refused = await prepared.prepare({}, '--object-format=sha1')
    const run = await tryGit(shallow, 'push', refused.url, 'HEAD:main')
    await expectRefused(refused, run, 'shallow update not allowed')
    const allowed = await prepared.prepare(
      { 'receive.shallowUpdate': 'true' },
      '--object-format=sha1',
    )
    await git(shallow, 'push', '--quiet', allowed.url, 'HEAD:main')
    expect(await git(allowed.directory, 'rev-parse', '--is-shallow-repository')).toBe('true')
    await git(allowed.directory, 'fsck', '--strict')
  })

  it('keeps a connection alive while a hook takes its time', async () => {
    const repository = await prepared.prepare({ 'receive.keepAlive': '1' })
    // It waits for nothing else than time: there is nothing to wait for in silence.
    repository.hook('pre-receive', 'sleep 3')
    const tip = await git(prepared.source, 'rev-parse', 'main')
    const line = `${'0'.repeat(40)} ${tip} refs/heads/new\0 report-status side-band-64k`
    const pack = execFileSync(
      'git',
      ['-C', prepared.source, 'pack-objects', '--revs', '--stdout', '-q'],
      {
        input: `${tip}\n`,
      },
    )
    const length = (line.length + 4).toString(16).padStart(4, '0')
    const answer = await fetch(`${repository.url}/git-receive-pack`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-git-receive-pack-request' },
      body: Buffer.concat([Buffer.from(`${length}${line}0000`), pack]),
    })
    expect(await answer.text()).toMatch(/0005\u0001.*unpack ok/s)
  })

  it('says which refs were not moved when another program holds one of them', async () => {
    const repository = await prepared.prepare()
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
    const repository = await prepared.prepare()
    expect((await repository.push('main')).code).toBe(0)
    await git(repository.directory, 'config', 'receive.denyDeletes', 'true')
    await expectRefused(repository, await repository.push(':other'), 'deletion prohibited')
  })
})

describe('objects in which something is wrong', () => {
  /** A commit whose author has no address, which stock Git makes when it is told to. */
  async function strange(): Promise<string> {
    const tree = await git(prepared.source, 'rev-parse', 'main^{tree}')
    const body = `tree ${tree}\nauthor Ada 1700000000 +0000\ncommitter Ada <a@b> 1700000000 +0000\n\nx ${prepared.nextNumber()}\n`
    const input = { input: body, encoding: 'utf8' as const }
    const args = [
      '-C',
      prepared.source,
      'hash-object',
      '-t',
      'commit',
      '-w',
      '--literally',
      '--stdin',
    ]
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
    const { push } = await prepared.prepare(settings)
    const run = await push(`${await strange()}:refs/heads/strange`)
    expect(run.err).toContain(words)
    expect(run.code === 0).toBe(isTaken)
  })

  it('are taken when receive.fsck.skipList names them', async () => {
    const [one, other] = [await strange(), await strange()]
    const list = join(prepared.folder.path, `skip-${prepared.nextNumber()}`)
    writeFileSync(list, `# these are known\n${one}\n`)
    const { push } = await prepared.prepare({
      'receive.fsckObjects': 'true',
      'receive.fsck.skipList': list,
    })
    expect((await push(`${one}:refs/heads/one`)).code).toBe(0)
    expect((await push(`${other}:refs/heads/other-one`)).code).not.toBe(0)
  })
})

describe('a repository with a working tree', () => {
  async function prepareTree(settings: Settings): Promise<{ url: string; path: string }> {
    const name = `tree-${prepared.nextNumber()}`
    const path = join(prepared.root.path, name)
    await git(prepared.root.path, 'clone', '--quiet', prepared.source, path)
    await git(path, 'reset', '--quiet', '--hard', 'HEAD~1')
    for (const [key, value] of Object.entries(settings))
      await git(path, 'config', key, String(value))
    return { url: `${prepared.url}/${name}.git`, path }
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
    const run = await tryGit(prepared.source, 'push', url, 'main', 'main:elsewhere')
    expect(run.err).toContain(words)
    expect(run.code).not.toBe(0)
    expect(await git(path, 'rev-parse', 'main')).toBe(
      await git(prepared.source, 'rev-parse', 'main~1'),
    )
    expect(await git(path, 'rev-parse', 'elsewhere')).toBe(
      await git(prepared.source, 'rev-parse', 'main'),
    )
  })

  it('moves its branch where denyCurrentBranch only warns, and warns', async () => {
    const { url, path } = await prepareTree({ 'receive.denyCurrentBranch': 'warn' })
    const run = await tryGit(prepared.source, 'push', url, 'main')
    expect(run.err).toContain('remote: warning: updating the current branch "refs/heads/main"')
    expect(run.code).toBe(0)
    expect(await git(path, 'rev-parse', 'main')).toBe(
      await git(prepared.source, 'rev-parse', 'main'),
    )
  })
})

describe('services that are switched off', () => {
  it('does not serve fetches where http.uploadpack is false', async () => {
    const { url, push } = await prepared.prepare({ 'http.uploadpack': 'false' })
    const run = await tryGit(prepared.source, 'ls-remote', url)
    expect(run.err).toContain('fetching is switched off in its configuration (http.uploadpack)')
    expect(run.code).not.toBe(0)
    expect((await push('main')).code).toBe(0)
  })

  it('takes no pushes where http.receivepack is false', async () => {
    const repository = await prepared.prepare({ 'http.receivepack': 'false' })
    const words = 'pushing is switched off in its configuration (http.receivepack)'
    await expectRefused(repository, await repository.push('main'), words)
    expect((await tryGit(prepared.source, 'ls-remote', repository.url)).code).toBe(0)
  })
})

describe('hidden refs', () => {
  it.each(['0', '2'])(
    'are not in ls-remote and cannot be fetched by oid, protocol %s',
    async (version) => {
      const repository = await prepared.prepare({
        'transfer.hideRefs': ['refs/hidden', '!refs/hidden/shown'],
      })
      const { directory, url } = repository
      await git(prepared.source, 'checkout', '--quiet', '--detach', 'main')
      const secret = await prepared.commit(`secret ${version}`)
      await git(prepared.source, 'checkout', '--quiet', 'main')
      await git(directory, 'fetch', '--quiet', prepared.source, `${secret}:refs/hidden/secret`)
      await git(
        prepared.source,
        'push',
        '--quiet',
        directory,
        'main:refs/hidden/shown',
        'main:refs/hidden-not/at-all',
      )
      const option = ['-c', `protocol.version=${version}`]
      const listed = await git(prepared.source, ...option, 'ls-remote', url)
      expect(listed.split('\n').map((line) => line.slice(41))).toEqual([
        'HEAD',
        'refs/heads/main',
        'refs/heads/other',
        'refs/hidden-not/at-all',
        'refs/hidden/shown',
      ])
      const clone = join(prepared.folder.path, `hidden-${version}`)
      await git(prepared.folder.path, ...option, 'clone', '--quiet', '--mirror', url, clone)
      const run = await tryGit(clone, ...option, 'fetch', url, secret)
      // Version 0 is not told that it may ask for what is not listed.
      expect(run.err).toMatch(new RegExp(`(not our ref|unadvertised object) ${secret}`))
      expect(run.code).not.toBe(0)
    },
  )

  it('cannot be moved, made or deleted, and prove nothing', async () => {
    const repository = await prepared.prepare({ 'transfer.hideRefs': 'refs/hidden' })
    const { directory } = repository
    await git(directory, 'fetch', '--quiet', prepared.source, 'main:refs/hidden/secret')
    for (const wish of ['+main~1:refs/hidden/secret', 'main:refs/hidden/new'])
      await expectRefused(repository, await repository.push(wish), 'deny updating a hidden ref')
    const main = await git(prepared.source, 'rev-parse', 'main')
    // A client that leaves out what it should not know to be there.
    const tip = await git(prepared.source, 'commit-tree', '-p', main, '-m', 'built', 'main^{tree}')
    const report = await pushByHand(repository.url, tip, main)
    expect(report).toContain('ng refs/heads/built missing necessary objects')
    expect(await git(directory, 'rev-parse', 'refs/hidden/secret')).toBe(main)
    expect(await refsOf(directory)).not.toContain('refs/heads/built')
  })

  it('can be built on where receive.hideRefs alone hides them, since they can be fetched', async () => {
    const { directory, url, push } = await prepared.prepare({ 'receive.hideRefs': 'refs/hidden' })
    await git(directory, 'fetch', '--quiet', prepared.source, 'main:refs/hidden/shown')
    expect((await push('main:refs/hidden/new')).code).not.toBe(0)
    const main = await git(prepared.source, 'rev-parse', 'main')
    const tip = await git(prepared.source, 'commit-tree', '-p', main, '-m', 'on it', 'main^{tree}')
    expect(await pushByHand(url, tip, main)).toContain('ok refs/heads/built')
    expect(await git(directory, 'fsck', '--strict', '--connectivity-only')).toBe('')
  })

  it('are hidden from fetches alone by uploadpack.hideRefs', async () => {
    const repository = await prepared.prepare({ 'uploadpack.hideRefs': 'refs/heads/other' })
    expect(await git(prepared.source, 'ls-remote', repository.url, 'other')).toBe('')
    expect((await repository.push('main:other')).code).toBe(0)
  })

  /** Pushes a branch `built` without what `had` leads to, whether the server shows it or not. */
  async function pushByHand(url: string, tip: string, had: string): Promise<string> {
    const pack = execFileSync(
      'git',
      ['-C', prepared.source, 'pack-objects', '--revs', '--stdout', '-q'],
      {
        input: `${tip}\n^${had}\n`,
      },
    )
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

describe('repositories that cannot be served', () => {
  it.each([
    ['SHA-256', {}, ['--object-format=sha256'], 'only SHA-1 is offered'],
    [
      'reftable',
      { 'core.repositoryformatversion': '1', 'extensions.refStorage': 'reftable' },
      [],
      'its refs are kept as reftable',
    ],
  ])('are refused by name and reason: %s', async (_, settings, init, reason) => {
    const { directory, url, push } = await prepared.prepare({}, ...init)
    for (const [key, value] of Object.entries(settings))
      await git(directory, 'config', '--replace-all', key, value)
    const name = url.slice(prepared.url.length + 1, -'.git'.length)
    const clone = join(prepared.folder.path, `refused-${prepared.nextNumber()}`)
    for (const run of [
      await tryGit(prepared.source, 'ls-remote', url),
      await tryGit(prepared.source, 'clone', url, clone),
      await push('main'),
    ]) {
      expect(run.err).toContain(name)
      expect(run.err).toContain(reason)
      expect(run.code).not.toBe(0)
    }
    const answer = await fetch(`${prepared.url}/repositories`)
    const { repositories } = (await answer.json()) as {
      repositories: { name: string; refused?: string }[]
    }
    expect(repositories.find((each) => each.name === name)?.refused).toContain(reason)
  })
})
