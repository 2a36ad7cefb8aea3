/**
 * Signed pushes over HTTP: hooks hear of them what they hear from `git http-backend`, whatever is signed, with whatever key.
 */
import { createHmac } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mustRun } from '../../tools/must-run.ts'
import { httpBackend, type HttpBackend } from '../support/http-backend.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { keyring, signingProblem, type Keyring } from '../support/signing.ts'
import { git, refsOf, tryGit } from '../support/stock-git.ts'

const SEED = 'not to be told'
/** What hooks are told, apart from the name of the certificate and the nonce, which no two pushes share. */
const TOLD = ['SIGNER', 'KEY', 'STATUS', 'NONCE_STATUS', 'NONCE_SLOP']

let folder: ReturnType<typeof temporaryFolder>
let root: string
let source: string
let keys: Keyring
let ours: TestServer
let theirs: HttpBackend
let counter = 0

interface Repository {
  readonly directory: string
  readonly url: string
}

type Settings = Readonly<Record<string, string>>

/** The settings with which gpg's keys are known. */
const known = (): Settings => ({
  'receive.certNonceSeed': SEED,
  'gpg.program': keys.gpg,
  'gpg.x509.program': keys.gpgsm,
  'gpg.ssh.allowedSignersFile': keys.allowedSigners,
})

/** A repository with two branches and hooks that write down what they are told. */
async function prepare(url: string, settings: Settings): Promise<Repository> {
  const name = `repository-${++counter}.git`
  const directory = join(root, name)
  await git(root, 'init', '--quiet', '--bare', '--initial-branch=main', name)
  await git(source, 'push', '--quiet', directory, 'main~1:refs/heads/main', 'main:refs/heads/old')
  const all = { 'http.receivepack': 'true', 'receive.advertisePushOptions': 'true', ...settings }
  for (const [key, value] of Object.entries(all)) await git(directory, 'config', key, value)
  const write = 'env | grep ^GIT_PUSH_CERT | sort'
  for (const hook of ['pre-receive', 'post-receive'])
    writeHook(directory, hook, `cat >/dev/null; ${write} >told-${hook}`)
  for (const hook of ['update', 'post-update']) writeHook(directory, hook, `${write} >told-${hook}`)
  return { directory, url: `${url}/${name}` }
}

function writeHook(directory: string, name: string, script: string): void {
  const path = join(directory, 'hooks', name)
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
}

/** The same through both servers. */
async function prepareBoth(settings: Settings = known()): Promise<readonly Repository[]> {
  return [await prepare(ours.url, settings), await prepare(theirs.url, settings)]
}

/** What a hook was told, by the name of the variable; `undefined` where it did not run. */
function told({ directory }: Repository, hook = 'post-receive'): Settings | undefined {
  const path = join(directory, `told-${hook}`)
  if (!existsSync(path)) return undefined
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [, name = '', value = ''] = /^GIT_PUSH_CERT_?([^=]*)=(.*)$/.exec(line) ?? []
      return line === '' ? [] : [[name, value]]
    }),
  )
}

/** What of it is the same for every such push. */
function steady(repository: Repository, hook?: string): Settings | undefined {
  const all = told(repository, hook)
  return all && Object.fromEntries(Object.entries(all).filter(([name]) => TOLD.includes(name)))
}

/** Pushes with stock Git, signing as these settings say. */
function push({ url }: Repository, settings: Settings, ...args: readonly string[]) {
  const options = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])
  return tryGit(source, ...options, 'push', '--signed', ...args, url, 'main', 'main:new', ':old')
}

function nonceOf(seed: string, seconds: number): string {
  return `${seconds}-${createHmac('sha1', `.:${seconds}`).update(seed).digest('hex')}`
}

const line = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text

interface Certificate {
  readonly nonce?: string
  readonly options?: readonly string[]
  /** What happens to it after it was signed. */
  readonly change?: (certificate: string) => string
}

/** A certificate by hand that deletes the branch `old`, which needs no pack; as lines of a push. */
async function certificateFor(repository: Repository, wish: Certificate): Promise<string> {
  const { nonce, options = [], change = (text) => text } = wish
  const old = await git(repository.directory, 'rev-parse', 'refs/heads/old')
  const head = [
    'certificate version 0.1',
    'pusher Ada <ada@example.org> 1700000000 +0000',
    `pushee ${repository.url}`,
    ...(nonce === undefined ? [] : [`nonce ${nonce}`]),
    ...options.map((option) => `push-option ${option}`),
  ]
  const text = `${head.join('\n')}\n\n${old} ${'0'.repeat(40)} refs/heads/old\n`
  return change(text + keys.sign(text))
    .split(/(?<=\n)/)
    .map(line)
    .join('')
}

interface Wish extends Certificate {
  /** Options that are sent behind the commands. */
  readonly sent?: readonly string[]
  /** Packets around the certificate. */
  readonly before?: string
  readonly after?: string
}

async function send(repository: Repository, wish: Wish): Promise<{ status: number; text: string }> {
  const { sent, before = '', after = '' } = wish
  const capabilities = `report-status${sent === undefined ? '' : ' push-options'}`
  const begin = line(`push-cert\0 ${capabilities} object-format=sha1\n`)
  const certificate = await certificateFor(repository, wish)
  const body = `${before}${begin}${certificate}${line('push-cert-end\n')}${after}0000`
  const options = sent === undefined ? '' : `${sent.map(line).join('')}0000`
  const answer = await fetch(`${repository.url}/git-receive-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-receive-pack-request' },
    body: body + options,
  })
  return { status: answer.status, text: await answer.text() }
}

/** The nonce that a server offers. */
async function offered({ url }: Repository): Promise<string | undefined> {
  const answer = await fetch(`${url}/info/refs?service=git-receive-pack`)
  return / push-cert=(\S+)/.exec(await answer.text())?.[1]
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}

describe.skipIf(!mustRun('Signed pushes', signingProblem()))('signed pushes', () => {
  beforeAll(async () => {
    folder = temporaryFolder('signed')
    root = join(folder.path, 'root')
    source = join(folder.path, 'source')
    mkdirSync(root)
    keys = keyring()
    ours = await startTestServer('node', { data: root })
    theirs = await httpBackend(root)
    await git(folder.path, 'init', '--quiet', '--initial-branch=main', source)
    for (const message of ['One', 'Two'])
      await git(source, 'commit', '--quiet', '--allow-empty', '-m', message)
  })
  afterAll(async () => {
    await ours.stop()
    await theirs.close()
    keys.remove()
    folder.remove()
  })

  const gpg = (): Settings => ({ 'gpg.program': keys.gpg })
  const ssh = (key: string): Settings => ({ 'gpg.format': 'ssh', 'user.signingKey': key })

  it.each([
    ['gpg', gpg, known, 'G'],
    [
      'gpgsm',
      () => ({
        'gpg.format': 'x509',
        'gpg.x509.program': keys.gpgsm,
        'user.signingKey': 'ada@example.org',
      }),
      known,
      'G',
    ],
    ['ssh', () => ssh(keys.sshKey), known, 'G'],
    ['an ssh key that nobody knows', () => ssh(keys.strangeSshKey), known, 'G'],
    [
      'ssh, where no signers are named',
      () => ssh(keys.sshKey),
      () => ({ 'receive.certNonceSeed': SEED }),
      'N',
    ],
    ['gpg, whose key is not here', gpg, () => ({ 'receive.certNonceSeed': SEED }), 'E'],
    ['gpg, which is not here', gpg, () => ({ ...known(), 'gpg.program': '/no/such/gpg' }), 'N'],
  ])('are told to hooks as by git http-backend: %s', async (_, signer, settings, status) => {
    const [mine, judge] = await prepareBoth({ ...settings(), 'receive.certNonceSlop': '60' })
    for (const each of [mine, judge]) {
      const run = await push(each as Repository, signer())
      expect(run.err).not.toContain('error')
      expect(run.code).toBe(0)
    }
    if (mine === undefined || judge === undefined) throw new Error('Nothing was pushed')
    expect(await refsOf(mine.directory)).toBe(await refsOf(judge.directory))
    for (const hook of ['pre-receive', 'post-receive', 'update', 'post-update'])
      expect([hook, steady(mine, hook)]).toEqual([hook, steady(judge, hook)])
    expect(told(mine)).toMatchObject({ STATUS: status, NONCE_STATUS: 'OK' })
    expect(told(mine, 'update')).toEqual({})
    const blob = told(mine)?.[''] ?? ''
    const certificate = await git(mine.directory, 'cat-file', 'blob', blob)
    expect(certificate).toContain(`nonce ${told(mine)?.['NONCE']}`)
    expect(certificate).toContain(`${await git(source, 'rev-parse', 'main')} refs/heads/new`)
    await git(mine.directory, 'fsck', '--strict')
  })

  it('are bad by an ssh key that was taken back, which Git 2.39 overlooks', async () => {
    const mine = await prepare(ours.url, { ...known(), 'gpg.ssh.revocationFile': keys.revoked })
    expect((await push(mine, ssh(keys.sshKey))).code).toBe(0)
    expect(steady(mine)).toMatchObject({ STATUS: 'B', KEY: '', SIGNER: '' })
  })

  it('are not looked at where there is no hook, nor kept', async () => {
    const [mine, judge] = await prepareBoth()
    for (const each of [mine, judge]) {
      if (each === undefined) throw new Error('Nothing was prepared')
      for (const hook of ['pre-receive', 'post-receive'])
        chmodSync(join(each.directory, 'hooks', hook), 0o644)
      expect((await push(each, gpg())).code).toBe(0)
      const all = await git(each.directory, 'cat-file', '--batch-all-objects', '--batch-check')
      expect(all).not.toContain(' blob ')
    }
  })

  it('are offered where receive.certNonceSeed says so, and nowhere else', async () => {
    const [mine, judge] = await prepareBoth({})
    for (const each of [mine, judge]) {
      if (each === undefined) throw new Error('Nothing was prepared')
      expect(await offered(each)).toBe(undefined)
      const run = await push(each, gpg())
      expect(run.err).toContain('the receiving end does not support --signed push')
      expect(run.code).not.toBe(0)
      expect((await push(each, gpg(), '--signed=if-asked')).code).toBe(0)
      expect(told(each)).toEqual({})
    }
  })

  it('are asked for with a nonce that git http-backend over the same repository takes for its own', async () => {
    const [mine, judge] = await prepareBoth({ ...known(), 'receive.certNonceSlop': '60' })
    if (mine === undefined || judge === undefined) throw new Error('Nothing was prepared')
    const [our, their] = [await offered(mine), await offered(judge)]
    await send(mine, { nonce: their ?? '' })
    await send(judge, { nonce: our ?? '' })
    expect(told(mine)).toMatchObject({ NONCE: their, NONCE_STATUS: 'OK' })
    expect(told(judge)).toMatchObject({ NONCE: our, NONCE_STATUS: 'OK' })
  })

  it.each([
    ['is of now, give or take what it may be off', () => nonceOf(SEED, now() - 20), '60', 'OK'],
    ['is of a server whose clock is ahead', () => nonceOf(SEED, now() + 20), '60', 'OK'],
    ['is too old', () => nonceOf(SEED, now() - 5000), '60', 'SLOP'],
    ['is too old, where none may be', () => nonceOf(SEED, now() - 5000), '', 'SLOP'],
    ['is too new', () => nonceOf(SEED, now() + 5000), '60', 'SLOP'],
    ['was made by another seed', () => nonceOf('guessed', now()), '60', 'BAD'],
    ['has another time than it says', () => nonceOf(SEED, now()).replace(/^./, '2'), '60', 'BAD'],
    ['is none', () => 'hello', '60', 'BAD'],
    ['begins with a zero', () => `0${nonceOf(SEED, now())}`, '60', 'BAD'],
    ['is a bit longer', () => `${nonceOf(SEED, now())}0`, '60', 'BAD'],
    ['is not there', () => undefined, '60', 'MISSING'],
  ])('have a nonce that is judged as by git http-backend: it %s', async (_, make, slop, status) => {
    const settings = slop === '' ? {} : { 'receive.certNonceSlop': slop }
    const both = await prepareBoth({ ...known(), ...settings })
    const heard = []
    for (const each of both) {
      const nonce = make()
      const answer = await send(each, nonce === undefined ? {} : { nonce })
      expect(answer.text).toContain('ok refs/heads/old')
      const { NONCE_SLOP, ...rest } = steady(each) ?? {}
      // Seconds may pass between the two.
      heard.push({ ...rest, slop: NONCE_SLOP && Math.round(Number(NONCE_SLOP) / 100) })
      expect(told(each)?.['NONCE'] === nonce).toBe(status === 'OK')
    }
    expect(heard[0]).toEqual(heard[1])
    expect(heard[0]).toMatchObject({ STATUS: 'G', NONCE_STATUS: status })
  })

  it('are told without a nonce where none was asked for', async () => {
    const both = await prepareBoth({ 'gpg.program': keys.gpg })
    for (const each of both) await send(each, { nonce: nonceOf(SEED, now()) })
    expect(both.map((each) => Object.keys(told(each) ?? {}))).toEqual([
      ['', 'KEY', 'SIGNER', 'STATUS'],
      ['', 'KEY', 'SIGNER', 'STATUS'],
    ])
  })

  it('are found out when something was changed after they were signed', async () => {
    const both = await prepareBoth()
    const change = (text: string): string => text.replace('pusher Ada', 'pusher Eve')
    for (const each of both) await send(each, { change })
    expect(both.map((each) => steady(each)?.['STATUS'])).toEqual(['B', 'B'])
  })

  it.each([
    [['one', 'two'], ['one', 'two'], true],
    [['one', 'two'], ['two', 'one'], false],
    [['one'], ['one', 'two'], false],
    [['one'], [], false],
    [[], ['one'], false],
    [['one'], undefined, false],
  ])('are taken only with the options that were signed: %j, sent %j', async (...example) => {
    const [options, sent, isTaken] = example
    const answers = []
    for (const each of await prepareBoth())
      answers.push((await send(each, { options, ...(sent && { sent }) })).text)
    expect(answers[0]).toBe(answers[1])
    const words = isTaken ? 'ok refs/heads/old' : 'ng refs/heads/old inconsistent push options'
    expect(answers[0]).toContain(words)
  })

  it('carry options and all or nothing, from stock Git', async () => {
    const both = await prepareBoth()
    for (const each of both) {
      const run = await push(each, gpg(), '--atomic', '-o', 'one', '-o', '')
      expect(run.code).toBe(0)
    }
    expect(both.map((each) => steady(each)?.['STATUS'])).toEqual(['G', 'G'])
  })

  it('are the only ones that a hook lets in that wants them', async () => {
    for (const each of await prepareBoth({ ...known(), 'receive.certNonceSlop': '60' })) {
      const isGood = '"$GIT_PUSH_CERT_STATUS$GIT_PUSH_CERT_NONCE_STATUS" = GOK'
      writeHook(each.directory, 'pre-receive', `test ${isGood} || { echo Sign it; exit 1; }`)
      const before = await refsOf(each.directory)
      const unsigned = await tryGit(source, 'push', each.url, 'main')
      expect(unsigned.err).toContain('remote: Sign it')
      expect(unsigned.err).toContain('pre-receive hook declined')
      expect(await refsOf(each.directory)).toBe(before)
      expect((await push(each, gpg())).code).toBe(0)
    }
  })

  it.each([
    ['has commands beside it', { after: line(`${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/x`) }],
    ['has commands in front of it', { before: line(`${'0'.repeat(40)} ${'1'.repeat(40)} refs/x`) }],
    ['is not signed', { change: (text: string) => text.replace(/-----BEGIN[^]*/, '') }],
    ['has no commands', { change: (text: string) => text.replace(/\n\n[^]*?-----/, '\n-----') }],
    ['says what is no command', { change: (text: string) => text.replace('\n\n', '\n\nhello\n') }],
    ['does not end', { change: (text: string) => `${text}\n`, after: '' }],
  ])('are refused where the certificate %s', async (what, wish) => {
    const [mine] = await prepareBoth()
    if (mine === undefined) throw new Error('Nothing was prepared')
    const before = await refsOf(mine.directory)
    const isEndless = what === 'does not end'
    const answer = isEndless ? await sendEndless(mine) : await send(mine, wish)
    expect(answer.status).toBe(400)
    expect(answer.text).toMatch(/Cannot read a push/)
    expect(await refsOf(mine.directory)).toBe(before)
    expect(told(mine)).toBe(undefined)
  })

  /** A certificate that is cut off by a flush. */
  async function sendEndless(repository: Repository): Promise<{ status: number; text: string }> {
    const body = `${line('push-cert\0 report-status\n')}${await certificateFor(repository, {})}0000`
    const answer = await fetch(`${repository.url}/git-receive-pack`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-git-receive-pack-request' },
      body,
    })
    return { status: answer.status, text: await answer.text() }
  }
})
