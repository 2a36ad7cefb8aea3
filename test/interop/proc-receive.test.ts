/**
 * Refs that a repository leaves to its hook `proc-receive`: without it they are refused, with it they are what it makes of
 * them, and every other ref is moved, as by `git http-backend` all the way.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Repository } from '@datakit/datakit/repository'
import { sync } from '@datakit/datakit/sync'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { BesideBackend, type Served } from '../support/beside-backend.ts'
import { staged } from '../support/prepared-server.ts'
import { hookedRepositories, type Hooked } from '../support/proc-receive-hook.ts'
import { git, refsOf, tryGit } from '../support/stock-git.ts'

const beside = new BesideBackend('proc-receive')
/** An update, a deletion and creations. */
const PUSHED = [
  'main',
  ':other',
  'main:fresh',
  'main:mainly',
  'main:refs/for/main/topic',
  'main:refs/tags/one',
]

let prepare: (hooked: Hooked) => Served

beforeAll(async () => {
  await beside.start()
  prepare = await hookedRepositories(beside)
})
afterAll(() => beside.stop())

interface Pushed {
  readonly directory: string
  readonly code: number
  /** What was said of each ref, and by the server. */
  readonly said: string
  readonly refs: string
  /** What the hooks were told. */
  readonly told: string
  /** Whether the pushed commit is in the repository, whatever leads to it. */
  readonly isKept: boolean
}

interface Wish extends Hooked {
  readonly options?: readonly string[]
  readonly refs?: readonly string[]
}

/** Makes a repository with these rules, and pushes to it through a server. */
async function pushThrough(url: string, wish: Wish): Promise<Pushed> {
  const { name, directory } = prepare(wish)
  const { options = [], refs = PUSHED } = wish
  const address = `${url}/${name}`
  const run = await tryGit(beside.source, 'push', '--porcelain', ...options, address, ...refs)
  const remote = run.err.split('\n').filter((line) => line.startsWith('remote: '))
  const told = join(directory, 'told')
  const commit = await git(beside.source, 'rev-parse', 'main')
  return {
    directory,
    code: run.code,
    said: [run.out.replaceAll(address, 'URL'), ...remote.map((line) => line.trimEnd())].join('\n'),
    refs: await refsOf(directory),
    told: existsSync(told) ? readFileSync(told, 'utf8') : '',
    isKept: (await tryGit(directory, 'cat-file', '-e', commit)).code === 0,
  }
}

/** The same push through both servers, ours having been looked at for what it left behind. */
async function pushBoth(wish: Wish): Promise<readonly [Pushed, Pushed]> {
  const { ours, theirs } = beside.urls
  const mine = await pushThrough(ours, wish)
  await git(mine.directory, 'fsck', '--strict')
  expect(staged(mine.directory)).toEqual([])
  return [mine, await pushThrough(theirs, wish)]
}

/** Everything that is not the name of a folder. */
function seen({ code, said, refs, told, isKept }: Pushed): Omit<Pushed, 'directory'> {
  return { code, said, refs, told, isKept }
}

/** The push ends as through the judge in every way; ours is given. */
async function expectAlike(wish: Wish): Promise<Pushed> {
  const [mine, judge] = await pushBoth(wish)
  expect(seen(mine)).toEqual(seen(judge))
  return mine
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
    await expectAlike({ rules })
  })

  it('takes nothing of an atomic push of which one ref is left to it', async () => {
    const mine = await expectAlike({ rules: ['refs/for'], options: ['--atomic'] })
    expect(mine.said.match(/fail to run proc-receive hook/g)).toHaveLength(PUSHED.length)
  })

  it('takes an atomic push of which no ref is left to it', async () => {
    const mine = await expectAlike({ rules: ['m:refs/tags'], options: ['--atomic'] })
    expect(mine.code).toBe(0)
  })
})

const TOPIC = 'refs/for/main/topic'
const [RULES, ALL] = [['refs/for'], ['refs']]
const A = 'a'.repeat(40)
const B = 'b'.repeat(40)

describe('with the hook', () => {
  it.each<[string, Wish]>([
    ['takes its word for a ref', { rules: RULES, hook: { report: [`ok ${TOPIC}`] } }],
    ['refuses with its reason', { rules: RULES, hook: { report: [`ng ${TOPIC} not on Sundays`] } }],
    ['refuses without a reason', { rules: RULES, hook: { report: [`ng ${TOPIC}`] } }],
    [
      'moves the refs that it gives back',
      { rules: RULES, hook: { report: [`ok ${TOPIC}`, 'option fall-through'] } },
    ],
    [
      'tells the client, and those behind, what it made',
      {
        rules: RULES,
        hook: {
          report: [
            `ok ${TOPIC}`,
            'option refname refs/changes/1/1',
            `option old-oid ${'0'.repeat(40)}`,
            `option new-oid ${A}`,
            `ok ${TOPIC}`,
            'option refname refs/changes/1/2',
            `option old-oid ${A}`,
            `option new-oid ${B}`,
            'option forced-update',
            `ok ${TOPIC}`,
            `option new-oid ${B}`,
          ],
        },
      },
    ],
    [
      'believes what it says of a ref that it gives back',
      {
        rules: RULES,
        hook: { report: [`ok ${TOPIC}`, `option new-oid ${B}`, 'option fall-through'] },
      },
    ],
    [
      'hears of every ref where all are left to it',
      { rules: ALL, hook: { report: ['ok refs/heads/main', 'ok refs/heads/other'] } },
    ],
    [
      'speaks version 0, and without options',
      { rules: RULES, hook: { greeting: '', report: [`ok ${TOPIC}`] } },
    ],
    ['cannot speak version 2', { rules: RULES, hook: { greeting: 'version=2' } }],
    ['says nothing', { rules: RULES, hook: { isDead: true } }],
    ['goes away before it reports', { rules: RULES, hook: { leaves: true } }],
    [
      'ends with a report and an error',
      { rules: RULES, hook: { report: [`ok ${TOPIC}`], code: 1 } },
    ],
    ['reports nothing', { rules: RULES, hook: {} }],
    ['ends in the middle of its report', { rules: RULES, hook: { rubbish: '0010ok refs/for\n' } }],
    [
      'ends in the middle of a word',
      { rules: RULES, hook: { rubbish: '0010ok refs/for\n0010ok' } },
    ],
    ['ends in the middle of the first word', { rules: RULES, hook: { rubbish: '0010ok' } }],
    ['ends in the middle of a length', { rules: RULES, hook: { rubbish: '00' } }],
    [
      'reports on a ref that is not its own',
      { rules: RULES, hook: { report: ['ok refs/heads/main'] } },
    ],
    ['reports on no ref of the push', { rules: RULES, hook: { report: ['ok refs/for/x'] } }],
    [
      'reports options of nothing',
      { rules: RULES, hook: { report: ['option fall-through', 'option'] } },
    ],
    [
      'reports words that are none',
      { rules: RULES, hook: { report: ['ok', 'yes refs/x', '', `ng ${TOPIC} `, `ok ${TOPIC}`] } },
    ],
  ])('%s', async (_, wish) => {
    await expectAlike(wish)
  })

  it('sees the objects as everybody does, and moves refs itself', async () => {
    const shell = `test -z "$GIT_QUARANTINE_PATH" && test -z "$GIT_OBJECT_DIRECTORY" &&
      git log -1 --format=%s main..${await git(beside.source, 'rev-parse', 'main')} >>told &&
      git update-ref refs/changes/1/1 ${await git(beside.source, 'rev-parse', 'main')}`
    const report = [`ok ${TOPIC}`, 'option refname refs/changes/1/1']
    const mine = await expectAlike({
      rules: RULES,
      hook: { shell, report },
      refs: [`main:${TOPIC}`],
    })
    expect(mine.told).toContain('Two')
    expect(mine.refs).toContain('refs/changes/1/1')
    expect(mine.code).toBe(0)
  })

  it('has the objects in the repository also when it says no', async () => {
    const hook = { report: [`ng ${TOPIC} no`] }
    const mine = await expectAlike({ rules: RULES, hook, refs: [`main:${TOPIC}`] })
    expect(mine.isKept).toBe(true)
  })

  it('is not asked, and nothing is kept, when pre-receive says no', async () => {
    const hooks = { 'pre-receive': 'exit 1' }
    const mine = await expectAlike({ rules: RULES, hook: {}, hooks })
    expect(mine.told).not.toContain('proc-receive')
    expect(mine.isKept).toBe(false)
  })

  it('comes between pre-receive and update', async () => {
    const hook = { report: [`ok ${TOPIC}`, 'option refname refs/changes/1/1'] }
    const mine = await expectAlike({ rules: RULES, hook, refs: ['main', `main:${TOPIC}`] })
    expect(mine.told.split('\n').map((line) => line.split(' ')[0])).toEqual(
      ['pre-receive', 'pre-receive', 'proc-receive', 'proc-receive', 'update'].concat([
        'post-receive',
        'post-receive',
        'post-update',
        '',
      ]),
    )
  })

  it.each([
    [undefined, ['-o', 'reviewer=ada', '-o', 'topic=x']],
    ['version=1', ['-o', 'reviewer=ada']],
    [undefined, []],
  ])('gets push options if it wants them (%j, %j)', async (greeting, options) => {
    const hook = { ...(greeting === undefined ? {} : { greeting }), report: [`ok ${TOPIC}`] }
    const receive = { advertisePushOptions: 'true' }
    await expectAlike({ rules: RULES, hook, receive, options, refs: [`main:${TOPIC}`] })
  })

  it.each<[string, Omit<Wish, 'rules'>]>([
    ['it takes its ref', { hook: { report: [`ok ${TOPIC}`] } }],
    ['it gives its ref back', { hook: { report: [`ok ${TOPIC}`, 'option fall-through'] } }],
    ['it refuses', { hook: { report: [`ng ${TOPIC} no`] } }],
    ['it fails', { hook: { report: [`ok ${TOPIC}`], code: 1 } }],
    [
      'it fails, having given its ref back',
      { hook: { report: [`ok ${TOPIC}`, 'option fall-through'], code: 1 } },
    ],
    ['update refuses', { hook: { report: [`ok ${TOPIC}`] }, hooks: { update: 'exit 1' } }],
  ])('in an atomic push of which %s, does as Git does', async (_, wish) => {
    await expectAlike({ rules: RULES, options: ['--atomic'], ...wish })
  })

  const besideA = ['adm!:refs/heads/a/b']
  const refs = ['main:a', 'main:a/b']

  it.each<[string, Wish]>([
    ['it does not create', { rules: besideA, hook: { report: ['ok refs/heads/a'] }, refs }],
    ['it refuses', { rules: besideA, hook: { report: ['ng refs/heads/a no'] }, refs }],
    [
      'it deletes',
      {
        rules: ['d:refs/heads/other'],
        hook: { report: ['ok refs/heads/other'], shell: 'git update-ref -d refs/heads/other' },
        refs: [':other', 'main:other/b'],
      },
    ],
  ])('makes way for a ref below one that %s', async (_, wish) => {
    const mine = await expectAlike(wish)
    expect(mine.refs).toContain('/b')
  })

  it.each([
    ['it creates', { report: ['ok refs/heads/a'], shell: 'git update-ref refs/heads/a main' }],
    ['it gives back', { report: ['ok refs/heads/a', 'option fall-through'] }],
  ])('leaves no way for a ref below one that %s', async (_, hook) => {
    const [mine, judge] = await pushBoth({ rules: besideA, hook, refs })
    expect([mine.refs, mine.code]).toEqual([judge.refs, judge.code])
    expect(mine.refs).not.toContain('/b')
  })
})

it('takes no push where a rule is none, as Git does not', async () => {
  const { ours, theirs } = beside.urls
  const [mine, judge] = [ours, theirs].map(async (url) => {
    const { name, directory } = await beside.create()
    await git(directory, 'config', 'http.receivepack', 'true')
    const config = join(directory, 'config')
    writeFileSync(config, `${readFileSync(config, 'utf8')}[receive]\n\tprocReceiveRefs\n`)
    const run = await tryGit(beside.source, 'push', `${url}/${name}`, 'main')
    return { run, refs: await refsOf(directory) }
  })
  for (const each of [await mine, await judge]) {
    expect(each?.run.code).not.toBe(0)
    expect(each?.refs).toBe('')
  }
  expect((await mine)?.run.err).toContain('receive.procReceiveRefs')
})

it('is not asked by a sync, which leaves its refs where they are and moves the others', async () => {
  const { name, directory } = prepare({ rules: ['refs/heads/main'], hook: { report: [] } })
  const client = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
  const url = `${beside.urls.ours}/${name}`
  await sync(client, { url })
  for (const branch of ['main', 'other'])
    await client.branch(branch).commit((files) => files.write('a.txt', branch), { message: 'A' })
  const before = await git(directory, 'rev-parse', 'main')
  const { branches } = await sync(client, { url })
  expect(branches).toContainEqual({
    branch: 'main',
    state: 'refused',
    reason: 'a hook of the server makes this ref, which only git push asks',
  })
  expect(await git(directory, 'rev-parse', 'main')).toBe(before)
  expect(await git(directory, 'rev-parse', 'other')).toBe(await client.branch('other').oid())
  expect(readFileSync(join(directory, 'told'), 'utf8')).not.toContain('proc-receive')
})
