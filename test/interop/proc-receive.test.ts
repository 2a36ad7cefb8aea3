/**
 * Refs that a repository leaves to its hook `proc-receive`: refused where `git http-backend` refuses them, and no others.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { httpBackend, type HttpBackend } from '../support/http-backend.ts'
import { staged } from '../support/prepared-server.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git, refsOf, tryGit } from '../support/stock-git.ts'

const folder = temporaryFolder('proc-receive')
const root = join(folder.path, 'root')
const source = join(folder.path, 'source')
/** An update, a deletion and creations. */
const PUSHED = [
  'main',
  ':other',
  'main:fresh',
  'main:mainly',
  'main:refs/for/main/topic',
  'main:refs/tags/one',
]
let ours: TestServer
let theirs: HttpBackend
let counter = 0

beforeAll(async () => {
  mkdirSync(root)
  ours = await startTestServer('node', { data: root })
  theirs = await httpBackend(root)
  await git(folder.path, 'init', '--quiet', '--initial-branch=main', source)
  for (const message of ['One', 'Two'])
    await git(source, 'commit', '--quiet', '--allow-empty', '-m', message)
})
afterAll(async () => {
  await ours.stop()
  await theirs.close()
  folder.remove()
})

interface Pushed {
  readonly directory: string
  readonly code: number
  /** What was said of each ref, and by the server. */
  readonly said: string
  readonly refs: string
  /** What the hooks were told. */
  readonly told: string
}

interface Wish {
  readonly rules: readonly string[]
  readonly hook?: string
  readonly options?: readonly string[]
}

/** Makes a repository with these rules, and pushes to it through a server. */
async function pushThrough(url: string, { rules, hook, options = [] }: Wish): Promise<Pushed> {
  const name = `repository-${++counter}.git`
  const directory = join(root, name)
  await git(root, 'init', '--quiet', '--bare', '--initial-branch=main', name)
  await git(
    source,
    'push',
    '--quiet',
    directory,
    'main~1:refs/heads/main',
    'main~1:refs/heads/other',
  )
  await git(directory, 'config', 'http.receivepack', 'true')
  for (const rule of rules) await git(directory, 'config', '--add', 'receive.procReceiveRefs', rule)
  writeHook(directory, 'pre-receive', 'cat >>told')
  writeHook(directory, 'update', 'echo "update $1" >>told')
  if (hook !== undefined) writeHook(directory, 'proc-receive', hook)
  const address = `${url}/${name}`
  const run = await tryGit(source, 'push', '--porcelain', ...options, address, ...PUSHED)
  const remote = run.err.split('\n').filter((line) => line.startsWith('remote: '))
  const told = join(directory, 'told')
  return {
    directory,
    code: run.code,
    said: [run.out.replaceAll(address, 'URL'), ...remote.map((line) => line.trimEnd())].join('\n'),
    refs: await refsOf(directory),
    told: existsSync(told) ? readFileSync(told, 'utf8') : '',
  }
}

function writeHook(directory: string, name: string, script: string): void {
  const path = join(directory, 'hooks', name)
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
}

/** The same push through both servers, ours having been looked at for what it left behind. */
async function pushBoth(wish: Wish): Promise<readonly [Pushed, Pushed]> {
  const mine = await pushThrough(ours.url, wish)
  await git(mine.directory, 'fsck', '--strict')
  expect(staged(mine.directory)).toEqual([])
  return [mine, await pushThrough(theirs.url, wish)]
}

/** Everything that is not the name of a folder. */
function seen({ code, said, refs, told }: Pushed): Omit<Pushed, 'directory'> {
  return { code, said, refs, told }
}

describe('without the hook', () => {
  it.each([
    [['refs/for']],
    [['refs/for/main/topic/']],
    [['refs/he']],
    [['refs/heads/main']],
    [['refs']],
    [['a:refs/heads']],
    [['d:refs/heads//']],
    [['m:refs/heads']],
    [['xad:refs/heads', 'm:refs/tags']],
    [[':refs/heads']],
    [['!:refs/heads']],
    [['adm!:refs/heads']],
    [['a!:refs/heads/main', 'd:refs/heads/other']],
    [['adm!:']],
    [['adm:', '']],
  ])('refuses what %j means, as git http-backend does', async (rules) => {
    const [mine, judge] = await pushBoth({ rules })
    expect(seen(mine)).toEqual(seen(judge))
  })

  it('takes nothing of an atomic push of which one ref is left to it', async () => {
    const [mine, judge] = await pushBoth({ rules: ['refs/for'], options: ['--atomic'] })
    expect(seen(mine)).toEqual(seen(judge))
    expect(mine.said.match(/fail to run proc-receive hook/g)).toHaveLength(PUSHED.length)
  })

  it('takes an atomic push of which no ref is left to it', async () => {
    const [mine, judge] = await pushBoth({ rules: ['m:refs/tags'], options: ['--atomic'] })
    expect(seen(mine)).toEqual(seen(judge))
    expect(mine.code).toBe(0)
  })
})

describe('with the hook, which is not run', () => {
  const hook = 'touch was-run; exit 1'

  it.each([[['refs/for']], [['d:refs/heads']], [['refs']]])(
    'refuses what %j means by name, and takes the rest as Git does when the hook fails',
    async (rules) => {
      const [mine, judge] = await pushBoth({ rules, hook })
      expect(mine.refs).toBe(judge.refs)
      expect(mine.told).toBe(judge.told)
      expect(mine.said).toContain('the hook proc-receive is not offered')
      expect([
        existsSync(join(mine.directory, 'was-run')),
        existsSync(join(judge.directory, 'was-run')),
      ]).toEqual([false, true])
    },
  )

  it('takes nothing of an atomic push of which one ref is left to it', async () => {
    const wish = { rules: ['refs/for'], hook, options: ['--atomic'] }
    const [mine, judge] = await pushBoth(wish)
    expect([mine.refs, mine.told, mine.code]).toEqual([judge.refs, judge.told, judge.code])
  })

  it('takes a push of which no ref is left to it, as Git does', async () => {
    const [mine, judge] = await pushBoth({ rules: ['refs/drafts'], hook })
    expect(seen(mine)).toEqual(seen(judge))
    expect(mine.code).toBe(0)
  })
})

it('takes no push where a rule is none, as Git does not', async () => {
  const [mine, judge] = [ours.url, theirs.url].map(async (url) => {
    const name = `repository-${++counter}.git`
    await git(root, 'init', '--quiet', '--bare', '--initial-branch=main', name)
    await git(join(root, name), 'config', 'http.receivepack', 'true')
    const config = join(root, name, 'config')
    writeFileSync(config, `${readFileSync(config, 'utf8')}[receive]\n\tprocReceiveRefs\n`)
    const run = await tryGit(source, 'push', `${url}/${name}`, 'main')
    return { run, refs: await refsOf(join(root, name)) }
  })
  for (const each of [await mine, await judge]) {
    expect(each?.run.code).not.toBe(0)
    expect(each?.refs).toBe('')
  }
  expect((await mine)?.run.err).toContain('receive.procReceiveRefs')
})
