/**
 * Git's own HTTP tests against `datakit serve`. What passes is listed in docs/git-suite.md, and stays so.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { PLAN } from '../support/git-suite/plan.ts'
import { runScript, type ScriptResult, type ScriptRun } from '../support/git-suite/run-script.ts'
import { suiteSource } from '../support/git-suite/source.ts'
import {
  formatSuiteList,
  NO_REASON,
  parseSuiteList,
  recordOf,
} from '../support/git-suite/suite-list.ts'
import { mustRun } from '../../tools/must-run.ts'

const path = join(import.meta.dirname, '..', '..', 'docs', 'git-suite.md')
const writes = process.env['GIT_SUITE_WRITE'] === '1'
const all = writes || process.env['GIT_SUITE_ALL'] === '1'
const chosen = process.env['GIT_SUITE_ONLY'] ?? ''
const server = process.env['GIT_SUITE_SERVER'] === 'stock' ? 'stock' : 'ours'

const runs: ScriptRun[] = PLAN.filter(({ script }) => new RegExp(chosen).test(script)).flatMap(
  ({ script, only, protocols, also = [] }) =>
    [...protocols, ...(all ? also : [])].map((protocol) => ({ script, only, protocol, server })),
)
const results = new Map<ScriptRun, ScriptResult>()

/** Runs them all, two at a time: half of what they do is waiting. */
async function runAll(): Promise<void> {
  const source = await suiteSource()
  const waiting = [...runs]
  const work = async (): Promise<void> => {
    for (let run = waiting.shift(); run !== undefined; run = waiting.shift())
      results.set(run, await runScript(source, run))
  }
  await Promise.all([work(), work()])
}

/** Writes what was run into the list; the rest of it stays. */
function write(): void {
  const document = readFileSync(path, 'utf8')
  const records = [...results].map(([run, { tests }]) => recordOf(run, tests))
  const isRun = ({ script, protocol }: { script: string; protocol: string }): boolean =>
    records.some((one) => one.script === script && one.protocol === protocol)
  const others = parseSuiteList(document).runs.filter((one) => !isRun(one))
  writeFileSync(path, formatSuiteList(document, [...others, ...records]))
}

const isOurGit = execFileSync('git', ['--version']).toString().startsWith('git version 2.39.')
const problem = isOurGit ? undefined : "they are those of Git 2.39, Debian 12's, which is not here"

describe.skipIf(!mustRun("Git's own HTTP tests", problem))("Git's own HTTP tests", () => {
  beforeAll(async () => {
    await runAll()
    if (writes) write()
  }, 30 * 60_000)

  it.each(runs)('pass in $script, protocol version $protocol, as the list says', (run) => {
    const { runs: listed } = parseSuiteList(readFileSync(path, 'utf8'))
    const result = results.get(run)
    const record = recordOf(run, result?.tests ?? [])
    const { script, protocol } = run
    const known = listed.find((one) => one.script === script && one.protocol === protocol)
    const output = process.env['GIT_SUITE_VERBOSE'] === '1' ? result?.output : ''
    expect(
      record.failed.filter((name) => known?.failed.includes(name) !== true),
      output,
    ).toEqual([])
    expect(record.passed, output).toBeGreaterThanOrEqual(known?.passed ?? 1)
    if (record.passed > (known?.passed ?? 0))
      console.warn(
        `More of ${script} pass than docs/git-suite.md says: GIT_SUITE_WRITE=1 writes it`,
      )
  })

  it('has a reason for each that does not pass', () => {
    const { reasons } = parseSuiteList(readFileSync(path, 'utf8'))
    expect([...reasons].filter(([, reason]) => reason === NO_REASON)).toEqual([])
  })
})
