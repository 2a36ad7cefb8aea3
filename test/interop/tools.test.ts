/**
 * Programs that pull: the examples, and the command-line tool.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import { runDatakit, runProgram, type Run } from '../support/programs.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = temporaryFolder('tools')
const corpus = join(folder.path, 'corpus.git')
const path = 'team-001/service-00077.json'

beforeAll(() => makeCorpus(corpus, { files: 120, commits: 40, layout: 'directories', seed: 5 }))
afterAll(() => folder.remove())

const node = (script: string, args: readonly string[]): Promise<Run> =>
  runProgram(script, args, folder.path)
const datakit = (...args: readonly string[]): Promise<Run> => runDatakit(folder.path, ...args)

describe.each(SERVER_KINDS)('with the %s server', (kind) => {
  let server: TestServer
  let url: string
  beforeAll(async () => {
    server = await startTestServer(kind)
    url = `${server.url}/config.git`
    await git(corpus, 'push', '--quiet', url, 'main')
  })
  afterAll(() => server.stop())

  it.each(['examples/pull-with-git.ts', 'examples/pull-without-git.ts'])(
    '%s pulls a file, and pulls again',
    async (example) => {
      const target = join(folder.path, `${kind}-${example.replace(/\W/g, '-')}`)
      const expected = await git(corpus, 'show', `main:${path}`)
      for (let i = 0; i < 2; i++) {
        const { code, out, err } = await node(example, [url, target, path])
        expect({ code, err }).toEqual({ code: 0, err: '' })
        expect(out).toContain(expected)
      }
    },
  )

  it('datakit clones, reads, changes and lists what stock git sees alike', async () => {
    const clone = join(folder.path, `${kind}-clone.git`)
    expect((await datakit('clone', url, clone)).code).toBe(0)
    await git(clone, 'fsck', '--strict')
    expect((await datakit('get', path, '-C', clone)).out.trimEnd()).toBe(
      await git(corpus, 'show', `main:${path}`),
    )
    expect((await datakit('get', '-C', clone)).out.split('\n')).toContain('team-001')

    const set = JSON.parse(
      (await datakit('set', 'new/limit', '42', '-C', clone, '--json')).out,
    ) as { commit: string }
    expect(await git(clone, 'ls-remote', url, 'refs/heads/main')).toBe(
      `${set.commit}\trefs/heads/main`,
    )
    expect(await git(clone, 'show', 'main:new/limit')).toBe('42')

    const listed = (await datakit('log', '-C', clone, '-n', '3', '--json')).out
      .trimEnd()
      .split('\n')
    expect(listed.map((line) => (JSON.parse(line) as { oid: string }).oid)).toEqual(
      (await git(clone, 'log', '-3', '--format=%H', 'main')).split('\n'),
    )
    await git(clone, 'fsck', '--strict')
  })

  it('datakit watch prints a value and the next one, which came from elsewhere', async () => {
    const clone = join(folder.path, `${kind}-watch.git`)
    await datakit('clone', url, clone)
    const watch = spawn(process.execPath, [
      join(root, 'packages/cli/src/main.ts'),
      'watch',
      'flag',
      '-C',
      clone,
      '--every',
      '1',
      '--json',
    ])
    const lines = createInterface({ input: watch.stdout })[Symbol.asyncIterator]()
    expect(JSON.parse((await lines.next()).value as string)).not.toHaveProperty('text')

    const work = join(folder.path, `${kind}-watch-work`)
    await git(folder.path, 'clone', '--quiet', url, work)
    await datakit('set', 'flag', 'on', '-C', clone, '--offline')
    expect(JSON.parse((await lines.next()).value as string)).toMatchObject({ text: 'on\n' })
    const ended = once(watch, 'exit')
    watch.kill('SIGINT')
    expect((await ended)[0]).toBe(0)
  })
})

describe('datakit', () => {
  it('says what it can do', async () => {
    const { code, out } = await datakit('--help')
    expect(code).toBe(0)
    for (const command of ['clone', 'get', 'set', 'sync', 'log', 'watch', 'serve']) {
      expect(out).toContain(command)
      expect((await datakit(command, '--help')).out).toContain(`Usage: datakit ${command}`)
    }
  })

  it.each([
    [['nonsense'], 2, 'there is no command "nonsense"'],
    [['get', 'a', 'b'], 2, 'Expected one PATH'],
    [['get', '--bogus'], 2, '--bogus'],
    [['get', 'a', '-C', 'nowhere'], 3, 'There is no repository at "nowhere"'],
    [['clone', 'http://127.0.0.1:9/x.git', 'x'], 1, 'no answer ('],
    [['clone', 'notaurl', 'x'], 2, 'Not the URL of a server: "notaurl"'],
    [['clone', 'ftp://ada:secret@host/x.git', 'x'], 2, 'URL of a server: "ftp://host/x.git"'],
    [['sync', '--restore', '--keep-mine-as', 'x'], 2, 'or neither'],
  ])('%j ends with %i and says why', async (args, code, message) => {
    const run = await datakit(...args)
    expect(run.code).toBe(code)
    expect(run.err).toContain(message)
  })
})
