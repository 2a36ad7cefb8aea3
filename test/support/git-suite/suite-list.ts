/**
 * The list of Git's own tests that pass, as it is committed in `docs/git-suite.md`: a table of counts, and each test that does
 * not pass with its reason. What is measured is held against it, and writes it when asked.
 *
 * @module
 */
import type { ScriptRun, SuiteTest } from './run-script.ts'

/** What is known of one run of a script. */
export interface RunRecord {
  readonly script: string
  readonly protocol: ScriptRun['protocol']
  /** How many pass. */
  readonly passed: number
  /** Names of those that do not. */
  readonly failed: readonly string[]
}

/** The list: runs, and why what does not pass does not. */
export interface SuiteList {
  readonly runs: readonly RunRecord[]
  /** By `SCRIPT: NAME`. */
  readonly reasons: ReadonlyMap<string, string>
}

/** Stands where nobody has said why yet. */
export const NO_REASON = '?'

/** What a run came to. */
export function recordOf({ script, protocol }: ScriptRun, tests: readonly SuiteTest[]): RunRecord {
  return {
    script,
    protocol,
    passed: tests.filter(({ outcome }) => outcome === 'passed').length,
    failed: tests.filter(({ outcome }) => outcome === 'failed').map(({ name }) => name),
  }
}

/** Where the parts that are written stand in the document. */
const TABLE = /(?<=<!-- counts -->\n)[^]*(?=<!-- end of counts -->)/
const FAILURES = /(?<=<!-- failures -->\n)[^]*(?=<!-- end of failures -->)/

/** Reads the list from the document. @throws Error when it is not there */
export function parseSuiteList(document: string): SuiteList {
  const table = TABLE.exec(document)?.[0]
  const failures = FAILURES.exec(document)?.[0]
  if (table === undefined || failures === undefined)
    throw new Error('Cannot read docs/git-suite.md: expected its two lists between their marks')
  const listed = failures.split('\n').flatMap((line) => {
    const [, script = '', name = '', protocols = '', reason = ''] =
      /^- (\S+): `(.*)` \(([\d, ]+)\): (.*)$/.exec(line) ?? []
    return script === '' ? [] : [{ script, name, protocols: protocols.split(', '), reason }]
  })
  const runs = table.split('\n').flatMap((line): RunRecord[] => {
    const [, script = '', ...counts] = line.split('|').map((cell) => cell.trim())
    if (!script.startsWith('t')) return []
    return PROTOCOLS.flatMap((protocol, i) => {
      const passed = Number(/^(\d+) of /.exec(counts[i] ?? '')?.[1] ?? Number.NaN)
      const failed = listed
        .filter((one) => one.script === script && one.protocols.includes(protocol))
        .map(({ name }) => name)
      return Number.isNaN(passed) ? [] : [{ script, protocol, passed, failed }]
    })
  })
  const reasons = new Map(listed.map(({ script, name, reason }) => [`${script}: ${name}`, reason]))
  return { runs, reasons }
}

const PROTOCOLS = ['0', '1', '2'] as const

/** The document with other runs in it; reasons stay where they are still needed. */
export function formatSuiteList(document: string, runs: readonly RunRecord[]): string {
  const { reasons } = parseSuiteList(document)
  return document
    .replace(TABLE, () => formatCounts(runs))
    .replace(FAILURES, () => formatFailures(runs, reasons))
}

function formatCounts(runs: readonly RunRecord[]): string {
  const scripts = [...new Set(runs.map(({ script }) => script))].toSorted()
  const rows = scripts.map((script) => {
    const cells = PROTOCOLS.map((protocol) => {
      const run = runs.find((one) => one.script === script && one.protocol === protocol)
      return run === undefined ? '' : `${run.passed} of ${run.passed + run.failed.length}`
    })
    return `| ${[script, ...cells].join(' | ')} |`
  })
  const head = ['| script | protocol 0 | protocol 1 | protocol 2 |', '| --- | --- | --- | --- |']
  return ['', ...head, ...rows, '', ''].join('\n')
}

function formatFailures(runs: readonly RunRecord[], reasons: ReadonlyMap<string, string>): string {
  const protocols = new Map<string, string[]>()
  for (const { script, protocol, failed } of runs) {
    for (const name of failed) {
      const key = `${script}: ${name}`
      protocols.set(key, [...(protocols.get(key) ?? []), protocol].toSorted())
    }
  }
  const lines = [...protocols].toSorted().map(([key, versions]) => {
    const colon = key.indexOf(': ')
    const [script, name] = [key.slice(0, colon), key.slice(colon + 2)]
    return `- ${script}: \`${name}\` (${versions.join(', ')}): ${reasons.get(key) ?? NO_REASON}`
  })
  return ['', ...lines, '', ''].join('\n')
}
