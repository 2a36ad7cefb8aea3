/**
 * Runs one script of Git's own tests against a server, and reads what it says of each test.
 *
 * Spec: t/README in Git's source; https://testanything.org
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** Who answers for Git. */
export type SuiteServer = 'ours' | 'stock'

/** A run of a script. */
export interface ScriptRun {
  /** `t5551-http-fetch-smart`. */
  readonly script: string
  readonly protocol: '0' | '1' | '2'
  readonly server: SuiteServer
  /** Numbers of the tests to run, as `--run` takes them; all when left out. */
  readonly only?: string | undefined
}

/** What became of one test: `skipped` when its needs are not met, `known` when Git says itself that it fails. */
export type Outcome = 'passed' | 'failed' | 'skipped' | 'known'

/** One test of a script. */
export interface SuiteTest {
  /** Counted from 1, as Git counts. */
  readonly number: number
  readonly name: string
  readonly outcome: Outcome
}

/** What a run gave. */
export interface ScriptResult {
  readonly tests: readonly SuiteTest[]
  /** All that the script wrote. */
  readonly output: string
  readonly seconds: number
}

/** How many minutes a script may take. */
const PATIENCE = 10

/** Runs a script of the source in `source` to its end, in a folder of its own. */
export async function runScript(source: string, run: ScriptRun): Promise<ScriptResult> {
  const folder = mkdtempSync(join(tmpdir(), 'git-suite-'))
  const began = performance.now()
  try {
    const output = await outputOf(source, run, folder)
    return { tests: testsIn(output), output, seconds: (performance.now() - began) / 1000 }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

function outputOf(source: string, run: ScriptRun, folder: string): Promise<string> {
  const verbose = process.env['GIT_SUITE_VERBOSE'] === '1' ? ['-v', '-x'] : []
  const selected = run.only === undefined ? [] : [`--run=${run.only}`]
  const child = spawn('sh', [`${run.script}.sh`, `--root=${folder}`, ...selected, ...verbose], {
    cwd: join(source, 't'),
    env: { ...environment(run, folder), HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PATIENCE * 60_000,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece: Buffer) => (output += piece.toString()))
  return new Promise((resolve) => child.on('close', () => resolve(output)))
}

function environment({ protocol, server }: ScriptRun, folder: string): NodeJS.ProcessEnv {
  return {
    PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
    TERM: 'dumb',
    GIT_TEST_INSTALLED: '/usr/bin',
    GIT_TEST_PROTOCOL_VERSION: protocol,
    GIT_TEST_HTTPD: 'true',
    TEST_OUTPUT_DIRECTORY: folder,
    // Scripts that run at the same time would choose ports by their numbers, the same for each protocol.
    LIB_HTTPD_PORT: String(freePort()),
    LIB_HTTPD_PATH: apache(folder),
    LIB_HTTPD_MODULE_PATH: folder,
    SUITE_SERVER: server,
  }
}

let ports = 0

/** A port that no other run of this process was given, below those that the system gives out. */
function freePort(): number {
  return 20_000 + ((process.pid * 50 + ports++) % 12_000)
}

/** A program that is called as Apache is. */
function apache(folder: string): string {
  const path = join(folder, 'bin', 'apache2')
  mkdirSync(dirname(path))
  const httpd = join(import.meta.dirname, 'httpd.ts')
  const script = `#!/bin/sh
test "$1" = -v && echo 'Server version: Apache/2.4.0' && exit
exec '${process.execPath}' --disable-warning=ExperimentalWarning '${httpd}' "$@"
`
  writeFileSync(path, script, { mode: 0o755 })
  return path
}

/** The tests that a TAP output tells of, without those that were not selected. */
export function testsIn(output: string): SuiteTest[] {
  return output
    .split('\n')
    .map(testOf)
    .filter((test) => test !== undefined)
}

function testOf(line: string): SuiteTest | undefined {
  const skipped = /^ok (\d+) # skip (.*) \((.*)\)$/.exec(line)
  if (skipped !== null) {
    const [, number, name = '', why] = skipped
    return why === '--run' ? undefined : { number: Number(number), name, outcome: 'skipped' }
  }
  const [, not, number, rest = ''] = /^(not )?ok (\d+) - (.*)$/.exec(line) ?? []
  if (number === undefined) return undefined
  const [name = '', remark] = rest.split(' # TODO ')
  const failed = remark === undefined ? 'failed' : 'known'
  return { number: Number(number), name, outcome: not === undefined ? 'passed' : failed }
}
