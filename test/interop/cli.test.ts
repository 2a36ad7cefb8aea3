/**
 * `datakit` when something is not as hoped: its exit codes, and what it says and keeps.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const main = join(import.meta.dirname, '..', '..', 'packages', 'cli', 'src', 'main.ts')
const folder = temporaryFolder('cli')
const corpus = join(folder.path, 'corpus.git')
const environment = { ...process.env, DATAKIT_TOKEN: '' }
let counter = 0

beforeAll(() => makeCorpus(corpus, { files: 120, commits: 3, layout: 'directories', seed: 4 }))
afterAll(() => folder.remove())

interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
}

function datakit(...args: readonly string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, ...args],
      { cwd: folder.path, env: environment },
      (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ code, out, err })
      },
    )
  })
}

/** A server with a repository, and a clone of it. */
async function serverAndClone(
  options: { readonly data?: string } = {},
): Promise<{ server: TestServer; url: string; clone: string }> {
  const server = await startTestServer('node', options)
  const url = `${server.url}/config.git`
  await git(corpus, 'push', '--quiet', url, 'main')
  return { server, url, clone: await cloneOf(url) }
}

async function cloneOf(url: string): Promise<string> {
  const clone = join(folder.path, `clone-${++counter}.git`)
  expect(await datakit('clone', url, clone)).toMatchObject({ code: 0 })
  return clone
}

describe('with a server', () => {
  let server: TestServer
  let url: string
  let clone: string
  beforeAll(async () => {
    ;({ server, url, clone } = await serverAndClone())
  })
  afterAll(() => server.stop())

  it('ends with 4 when both sides changed the same, and keeps the commit', async () => {
    const other = await cloneOf(url)
    expect(await datakit('set', 'flag', 'on', '-C', other)).toMatchObject({ code: 0 })
    const { code, err } = await datakit('set', 'flag', 'off', '-C', clone)
    const own = await git(clone, 'rev-parse', 'main')
    expect(code).toBe(4)
    expect(err).toContain(`Committed ${own} here`)
    expect(err).toContain('changed the same: flag')
    expect(await git(clone, 'show', 'main:flag')).toBe('off')
  })

  it('ends with 5 when the server refuses, and keeps the commit', async () => {
    const target = `${server.url}/strict.git`
    await git(corpus, 'push', '--quiet', target, 'main')
    const strict = await cloneOf(target)
    const hook = join(server.data, 'strict.git', 'hooks', 'pre-receive')
    writeFileSync(hook, '#!/bin/sh\necho "not on a Friday"\nexit 1\n', { mode: 0o755 })
    const { code, out, err } = await datakit('set', 'flag', 'on', '-C', strict, '--json')
    const own = await git(strict, 'rev-parse', 'main')
    expect(code).toBe(5)
    expect(err).toContain('not on a Friday')
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'refused', commit: own } })
  })

  it('does not clone into a folder with something in it, and leaves it alone', async () => {
    const taken = join(folder.path, 'taken')
    mkdirSync(taken)
    writeFileSync(join(taken, 'notes.txt'), 'mine')
    const { code, err } = await datakit('clone', url, taken)
    expect({ code, err }).toEqual({
      code: 2,
      err: `datakit clone: "${taken}" is there already and not empty\n`,
    })
    expect(readdirSync(taken)).toEqual(['notes.txt'])
  })

  it('clones into a folder that is empty', async () => {
    const empty = join(folder.path, 'empty')
    mkdirSync(empty)
    expect(await datakit('clone', url, empty)).toMatchObject({ code: 0 })
    await git(empty, 'fsck', '--strict')
  })

  it('does not clone to where a file is', async () => {
    const { code, err } = await datakit('clone', url, '/etc/passwd')
    expect({ code, err }).toEqual({ code: 2, err: 'datakit clone: "/etc/passwd" is a file\n' })
  })

  it.each([
    [['get', '../x'], 'a step is empty, "." or ".."'],
    [['set', '.git/config', 'x'], 'a step is ".git", or would be on some file system'],
    [['set', 'team-001', '1'], 'a directory with files in it is there'],
    [['set', 'team-001/service-00077.json/x', '1'], 'file'],
  ])('ends with 2 for a path that cannot be meant: %j', async (args, said) => {
    const { code, out, err } = await datakit(...args, '-C', clone, '--offline', '--json')
    expect(err).toContain(said)
    expect(code).toBe(2)
    expect(JSON.parse(out)).toMatchObject({ error: { code: expect.stringMatching(/^[a-z-]+$/) } })
  })

  it.each([
    [['get', 'nothing'], 3, 'not-found'],
    [['get', 'a', 'b'], 2, 'usage'],
    [['log', '-n', 'many'], 2, 'usage'],
  ])('tells programs what went wrong: %j', async (args, exit, code) => {
    const run = await datakit(...args, '-C', clone, '--offline', '--json')
    expect(run.code).toBe(exit)
    expect(JSON.parse(run.out)).toMatchObject({ error: { code } })
  })
})

it('keeps what is set while the server is away, says so, and sends it later', async () => {
  const data = join(folder.path, 'away')
  const { server, clone } = await serverAndClone({ data })
  await server.stop()
  const { code, err } = await datakit('set', 'flag', 'on', '-C', clone)
  const first = await git(clone, 'rev-parse', 'main')
  expect(code).toBe(1)
  expect(err).toContain(`Committed ${first} here, and not on the server yet: `)
  expect(err).toContain('The next sync sends it')
  const { out } = await datakit('set', 'flag', 'off', '-C', clone, '--json')
  const second = await git(clone, 'rev-parse', 'main')
  expect(JSON.parse(out)).toMatchObject({ error: { code: 'offline', commit: second } })
  expect(await datakit('get', 'flag', '-C', clone, '--offline')).toMatchObject({ out: 'off\n' })

  const again = await startTestServer('node', { data })
  await git(clone, 'config', 'remote.origin.url', `${again.url}/config.git`)
  expect(await datakit('set', 'other', '1', '-C', clone)).toMatchObject({ code: 0 })
  const there = await git(clone, 'ls-remote', `${again.url}/config.git`, 'main')
  expect(there).toContain(await git(clone, 'rev-parse', 'main'))
  await again.stop()
})

it('is told by the server of what changes there, and does not ask', async () => {
  const { server, clone } = await serverAndClone()
  const args = [main, 'watch', 'flag', '-C', clone, '--every', '3600']
  const watch = spawn(process.execPath, args, { env: environment })
  const printed = createInterface({ input: watch.stdout })[Symbol.asyncIterator]()
  const said = createInterface({ input: watch.stderr })[Symbol.asyncIterator]()
  expect((await said.next()).value).toBe('datakit watch: there is no "flag" now')
  const other = join(folder.path, 'told')
  await datakit('clone', `${server.url}/config.git`, other)
  for (const value of ['on', 'off']) {
    await datakit('set', 'flag', value, '-C', other)
    expect((await printed.next()).value).toBe(value)
  }
  watch.kill('SIGINT')
  expect((await once(watch, 'exit'))[0]).toBe(0)
  await server.stop()
})

it('goes on watching when the server dies, says so once, and ends with Ctrl-C', async () => {
  const { server, clone } = await serverAndClone()
  const args = [main, 'watch', 'flag', '-C', clone, '--every', '1']
  const watch = spawn(process.execPath, args, { env: environment })
  const said = createInterface({ input: watch.stderr })[Symbol.asyncIterator]()
  const printed = createInterface({ input: watch.stdout })[Symbol.asyncIterator]()
  expect((await said.next()).value).toBe('datakit watch: there is no "flag" now')
  await server.stop()
  expect((await said.next()).value).toContain('Cannot sync')
  await datakit('set', 'flag', 'on', '-C', clone, '--offline')
  expect((await printed.next()).value).toBe('on')
  watch.kill('SIGINT')
  expect((await once(watch, 'exit'))[0]).toBe(0)
  expect((await said.next()).done).toBe(true)
  expect(existsSync(clone)).toBe(true)
})
