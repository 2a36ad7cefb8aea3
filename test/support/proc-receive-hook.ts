/**
 * Repositories with a hook `proc-receive` for tests: a program that follows a script. All hooks write down what they were
 * told.
 *
 * @module
 */
import { appendFileSync, chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BesideBackend, Served } from './beside-backend.ts'
import { git } from './stock-git.ts'

/** What a hook does. Its steps come in the order of their names here. */
export interface HookScript {
  /** Whether it ends before it has said anything. */
  readonly isDead?: boolean
  /** What it says of its version; `\0` before features. `version=1`, with push options, when left out; nothing when empty. */
  readonly greeting?: string
  /** Whether it ends when it has read everything. */
  readonly leaves?: boolean
  /** A command for the shell, run when it has read everything. */
  readonly shell?: string
  /** Lines of its report. */
  readonly report?: readonly string[]
  /** What it says instead of a report, byte for byte. */
  readonly rubbish?: string
  /** How it ends; 0 when left out. */
  readonly code?: number
}

/** What a repository leaves to its hook, and what hooks it has. */
export interface Hooked {
  /** Values of `receive.procReceiveRefs`. */
  readonly rules: readonly string[]
  readonly hook?: HookScript
  /** What other hooks do when they have written down what they were told. */
  readonly hooks?: Readonly<Record<string, string>>
  /** More settings of the section `receive`. */
  readonly receive?: Readonly<Record<string, string>>
}

const OTHER_HOOKS = {
  'pre-receive': 'sed "s/^/pre-receive /" >>told',
  update: 'echo "update $1" >>told',
  'post-receive': 'sed "s/^/post-receive /" >>told',
  'post-update': 'echo "post-update $*" >>told',
}

/** Makes such repositories, with `main` and `other` at the first commit of the source. */
export async function hookedRepositories(
  beside: BesideBackend,
): Promise<(hooked: Hooked) => Served> {
  const sample = await beside.create()
  const first = ['main~1:refs/heads/main', 'main~1:refs/heads/other']
  await git(beside.source, 'push', '--quiet', sample.directory, ...first)
  for (const [name, script] of Object.entries(OTHER_HOOKS))
    writeHook(sample, name, `#!/bin/sh\n${script}\n`)
  return ({ rules, hook, hooks = {}, receive = {} }) => {
    const served = beside.copy(sample)
    const settings = Object.entries({ ...receive }).map(([key, value]) => `\t${key} = ${value}\n`)
    const left = rules.map((rule) => `\tprocReceiveRefs = "${rule}"\n`)
    appendFileSync(
      join(served.directory, 'config'),
      `[http]\n\treceivepack = true\n[receive]\n${[...settings, ...left].join('')}`,
    )
    for (const [name, script] of Object.entries(hooks))
      appendFileSync(join(served.directory, 'hooks', name), `${script}\n`)
    if (hook !== undefined) writeHook(served, 'proc-receive', procReceiveHook(hook))
    return served
  }
}

function writeHook({ directory }: Served, name: string, program: string): void {
  const path = join(directory, 'hooks', name)
  writeFileSync(path, program)
  chmodSync(path, 0o755)
}

/** The text of a program, to be run by Node. What it is told goes to the file `told` of the repository. */
function procReceiveHook(script: HookScript): string {
  return `#!${process.execPath}
const script = ${JSON.stringify({ greeting: 'version=1\0push-options', report: [], ...script })}
${PROGRAM}`
}

const PROGRAM = String.raw`
const { appendFileSync, readSync, writeSync } = require('node:fs')
const { execSync } = require('node:child_process')
const tell = (words) => appendFileSync('told', words + '\n')
const read = (length) => {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; ) {
    const count = readSync(0, bytes, at, length - at)
    if (count === 0) process.exit(3)
    at += count
  }
  return bytes.toString()
}
const readLines = () => {
  const lines = []
  for (;;) {
    const length = parseInt(read(4), 16)
    if (length === 0) return lines
    lines.push(read(length - 4))
  }
}
const say = (lines) => {
  const packets = lines.map((line) => {
    const bytes = Buffer.from(line)
    return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes])
  })
  writeSync(1, Buffer.concat([...packets, Buffer.from('0000')]))
}

if (script.isDead) process.exit(1)
const greeting = readLines()
tell('proc-receive ' + JSON.stringify(greeting))
say(script.greeting === '' ? [] : [script.greeting + '\n'])
for (const line of readLines()) tell('proc-receive ' + line)
const takesOptions = script.greeting.includes('push-options')
if (takesOptions) for (const option of readLines()) tell('proc-receive option ' + option)
if (script.leaves) process.exit(0)
if (script.shell) execSync(script.shell, { stdio: ['ignore', 2, 2] })
if (script.rubbish !== undefined) writeSync(1, script.rubbish)
else say(script.report.map((line) => line + '\n'))
process.exitCode = script.code
`
