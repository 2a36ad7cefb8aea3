/**
 * Refs that a repository leaves to its hook `proc-receive`: without it they are refused, with it they are what it makes of
 * them, and every other ref is moved, as by `git http-backend` all the way.
 */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BesideBackend } from '../support/beside-backend.ts'
import { ByteReader, streamOf } from '../../packages/git/src/byte-reader.ts'
import { encodeLine, FLUSH } from '../../packages/git/src/protocol/pkt-line.ts'
import { readBands } from '../../packages/git/src/protocol/sideband.ts'
import { cases, random } from '../../packages/git/test/seed.ts'
import { staged } from '../support/prepared-server.ts'
import { procReceiveHook, type HookScript } from '../support/proc-receive-hook.ts'
import { git, refsOf, tryGit } from '../support/stock-git.ts'

const beside = new BesideBackend('proc-receive')
/** A pack without objects. */
const EMPTY_PACK = Buffer.from(
  '5041434b0000000200000000029d08823bd8a8eab510ad6ac75c823cfd3ed31e',
  'hex',
)
/** An update, a deletion and creations. */
const PUSHED = [
  'main',
  ':other',
  'main:fresh',
  'main:mainly',
  'main:refs/for/main/topic',
  'main:refs/tags/one',
]

beforeAll(() => beside.start())
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

interface Wish {
  readonly rules: readonly string[]
  readonly hook?: HookScript
  /** What other hooks do when they have written down what they were told. */
  readonly hooks?: Readonly<Record<string, string>>
  readonly config?: Readonly<Record<string, string>>
  readonly options?: readonly string[]
  readonly refs?: readonly string[]
}

/** Makes a repository with these rules, and pushes to it through a server. */
async function pushThrough(url: string, wish: Wish): Promise<Pushed> {
  const { name, directory } = await prepare(wish)
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

/** A repository with `main` and `other` at the first commit, and hooks that write down what they are told. */
async function prepare({ rules, hook, hooks = {}, config = {} }: Wish) {
  const { name, directory } = await beside.create()
  const first = ['main~1:refs/heads/main', 'main~1:refs/heads/other']
  await git(beside.source, 'push', '--quiet', directory, ...first)
  for (const [key, value] of Object.entries({ ...config, 'http.receivepack': 'true' }))
    await git(directory, 'config', key, value)
  for (const rule of rules) await git(directory, 'config', '--add', 'receive.procReceiveRefs', rule)
  const scripts = {
    'pre-receive': 'sed "s/^/pre-receive /" >>told',
    update: 'echo "update $1" >>told',
    'post-receive': 'sed "s/^/post-receive /" >>told',
    'post-update': 'echo "post-update $*" >>told',
  }
  for (const [each, script] of Object.entries(scripts))
    writeHook(directory, each, `#!/bin/sh\n${script}\n${hooks[each] ?? ''}\n`)
  if (hook !== undefined) writeHook(directory, 'proc-receive', procReceiveHook(hook))
  return { name, directory }
}

function writeHook(directory: string, name: string, program: string): void {
  const path = join(directory, 'hooks', name)
  writeFileSync(path, program)
  chmodSync(path, 0o755)
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
function seen({ directory: _, ...rest }: Pushed): Omit<Pushed, 'directory'> {
  return rest
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
    const config = { 'receive.advertisePushOptions': 'true' }
    await expectAlike({ rules: RULES, hook, config, options, refs: [`main:${TOPIC}`] })
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

describe('raw requests', () => {
  it.each(['report-status', 'report-status-v2'])(
    'have what the hook made in the report, if they ask for version 2 of it (%s)',
    async (capability) => {
      const report = [`ok ${TOPIC}`, 'option refname refs/changes/1/1', `option new-oid ${A}`]
      const updates = [`${ZERO} ${await first()} ${TOPIC}`]
      const raw = { updates, capabilities: [capability] }
      const [mine, judge] = await sendBoth({ rules: RULES, hook: { report } }, raw)
      expect(mine).toEqual(judge)
      expect(mine.report.includes('option refname')).toBe(capability.endsWith('v2'))
    },
  )

  it('leave refs to the hook wherever they are', async () => {
    const hook = { report: ['ok refs/heads/main', 'ok refs/heads/nowhere'] }
    const updates = [
      `${A} ${await first()} refs/heads/main`,
      `${A} ${ZERO} refs/heads/nowhere`,
      `${ZERO} ${ZERO} refs/heads/neither`,
    ]
    const raw = { updates, capabilities: ['report-status', 'side-band-64k'] }
    const [mine, judge] = await sendBoth({ rules: ['refs/heads'], hook }, raw)
    expect(mine).toEqual(judge)
    expect(mine.report).toContain('ok refs/heads/main')
  })

  const { numRuns } = cases(12)

  it(`are answered as by Git whatever the hook reports (${numRuns} reports)`, async () => {
    const next = random()
    for (let i = 0; i < numRuns; i++) {
      const report = randomReport(next)
      const hook = { report, code: next() < 0.15 ? 1 : 0 }
      const oid = await first()
      const updates = [...LEFT, 'refs/heads/plain'].map((name) => `${ZERO} ${oid} ${name}`)
      const capabilities = [
        next() < 0.2 ? 'report-status' : 'report-status-v2',
        'side-band-64k',
        ...(next() < 0.3 ? ['atomic'] : []),
      ]
      const [mine, judge] = await sendBoth({ rules: RULES, hook }, { updates, capabilities })
      expect(mine, JSON.stringify({ hook, capabilities })).toEqual(judge)
    }
  })
})

const ZERO = '0'.repeat(40)
const LEFT = ['refs/for/a', 'refs/for/b', 'refs/for/c']

function first(): Promise<string> {
  return git(beside.source, 'rev-parse', 'main~1')
}

interface RawPush {
  /** `OLD NEW NAME` each. */
  readonly updates: readonly string[]
  readonly capabilities: readonly string[]
}

/** The same request to both servers: what each says, and what there is afterwards. */
async function sendBoth(wish: Wish, push: RawPush): Promise<readonly [RawResult, RawResult]> {
  const { ours, theirs } = beside.urls
  const mine = await send(ours, wish, push)
  return [mine, await send(theirs, wish, push)]
}

interface RawResult {
  readonly report: string
  /** What the person who pushes reads. */
  readonly words: string
  readonly refs: string
  readonly told: string
}

async function send(
  url: string,
  wish: Wish,
  { updates, capabilities }: RawPush,
): Promise<RawResult> {
  const { name, directory } = await prepare(wish)
  const lines = updates.map((line, i) => (i === 0 ? `${line}\0${capabilities.join(' ')}` : line))
  const answer = await fetch(`${url}/${name}/git-receive-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-receive-pack-request' },
    body: Buffer.concat([...lines.map((line) => encodeLine(line)), FLUSH, EMPTY_PACK]),
  })
  const body = new Uint8Array(await answer.arrayBuffer())
  let words = ''
  let report = Buffer.from(body)
  if (capabilities.includes('side-band-64k')) {
    const reader = new ByteReader(streamOf(body), 'an answer')
    const pieces: Uint8Array[] = []
    for await (const piece of readBands(reader, (said) => (words += said)))
      pieces.push(piece.slice())
    report = Buffer.concat(pieces)
  }
  const told = readFileSync(join(directory, 'told'), 'utf8')
  return { report: report.toString(), words, refs: await refsOf(directory), told }
}

/** Lines of which a hook may make a report, each kind as often as it is in a list here. */
function randomReport(next: () => number): string[] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T
  const ref = (): string => pick([...LEFT, ...LEFT, ...LEFT, 'refs/heads/plain', 'refs/for/no'])
  const oid = (): string => pick([A, B, ZERO, A.toUpperCase(), `${A} and more`, 'abc', ''])
  const line = (): string =>
    pick([
      () => `ok ${ref()}`,
      () => `ok ${ref()}`,
      () => `ok ${ref()}`,
      () => `ok ${ref()} and more`,
      () => `ng ${ref()}`,
      () => `ng ${ref()} for a reason`,
      () => `option refname ${ref()}`,
      () => 'option refname',
      () => `option old-oid ${oid()}`,
      () => `option new-oid ${oid()}`,
      () => 'option new-oid',
      () => 'option forced-update',
      () => 'option fall-through',
      () => 'option unknown thing',
      () => pick(['ok', 'option', '', ' ', `maybe ${ref()}`]),
    ])()
  return Array.from({ length: Math.floor(next() * 9) }, line)
}

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
