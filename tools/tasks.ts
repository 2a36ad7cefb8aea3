/**
 * The npm scripts, one function each. `tools/run.mjs` has installed everything and chosen the Node before this runs.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** Where the person is: npm runs scripts in the folder of the package, wherever it was called. */
const caller = process.env['INIT_CWD'] ?? process.cwd()
const quiet = '--disable-warning=ExperimentalWarning'

type Task = (options: readonly string[]) => Promise<number> | number

const tasks: Readonly<Record<string, Task>> = {
  start: async (options) => {
    const { ensureWeb } = await import('./web-build.ts')
    await ensureWeb()
    return cli([
      'serve',
      '--root',
      join(root, 'data'),
      '--web',
      join(root, 'web', 'dist'),
      ...options,
    ])
  },
  serve: (options) => cli(['serve', ...options]),
  worker: async (options) => {
    const { ensureWeb } = await import('./web-build.ts')
    await ensureWeb()
    return run(process.execPath, [quiet, join(root, 'tools', 'worker.ts'), ...options], caller)
  },
  build: async () => {
    const { ensureWeb } = await import('./web-build.ts')
    await ensureWeb({ force: true })
    return size()
  },
  check: () => inOrder([format, lint, types, size, () => vitest(['node'], [])]),
  format: () => run('oxfmt', ['.']),
  lint,
  types,
  test: async (options) => (options.length > 0 ? await someTests(options) : await everyTest()),
  bench: (options) =>
    run(process.execPath, [quiet, join(root, 'test', 'bench', 'bench.ts'), ...options]),
}

const [name = '', ...options] = process.argv.slice(2)
const task = tasks[name]
if (task === undefined) {
  console.error(`Unknown task "${name}": expected one of ${Object.keys(tasks).join(', ')}`)
  process.exit(2)
}
process.exitCode = await task(options)

async function everyTest(): Promise<number> {
  const { ensureWeb } = await import('./web-build.ts')
  const folder = mkdtempSync(join(tmpdir(), 'datakit-test-'))
  process.env['DATAKIT_COUNTS'] = join(folder, 'counts')
  const failed = await inOrder([
    format,
    lint,
    types,
    async () => (await ensureWeb({ force: true }), 0),
    size,
    useChromium,
    () => vitest(['node', 'browser', 'workerd'], []),
    otherBrowsers,
    () => vitest(['journeys'], []),
  ])
  printCounts(join(folder, 'counts'), failed)
  rmSync(folder, { recursive: true, force: true })
  return failed
}

async function someTests(options: readonly string[]): Promise<number> {
  // A journey through the app of before would say nothing of the sources; nothing is built when they did not change.
  const { ensureWeb } = await import('./web-build.ts')
  await ensureWeb()
  return (await useChromium()) || (await vitest([], options))
}

/** Runs the steps until one fails; the exit code of that one, or 0. */
async function inOrder(steps: readonly (() => Promise<number> | number)[]): Promise<number> {
  for (const step of steps) {
    const code = await step()
    if (code !== 0) return code
  }
  return 0
}

function format(): Promise<number> {
  return run('oxfmt', ['--check', '.'])
}

function lint(): Promise<number> {
  return run('oxlint', ['--quiet', '.'])
}

async function types(): Promise<number> {
  const projects = ['packages', 'worker', 'web', 'web/tsconfig.worker.json', 'tsconfig.node.json']
  return inOrder(projects.map((project) => () => run('tsc', ['-p', join(root, project)])))
}

function size(): Promise<number> {
  return run(process.execPath, [quiet, join(root, 'tools', 'size.ts')])
}

async function useChromium(): Promise<number> {
  const { findChromium } = await import('./chromium.ts')
  process.env['CHROMIUM'] = findChromium()
  return 0
}

/** The tests in browsers once more, in Firefox and WebKit. */
async function otherBrowsers(): Promise<number> {
  const { BROWSER_PACKAGES } = await import('./other-browsers.ts')
  const { installPackages } = await import('./debian.ts')
  const { mustRun } = await import('./must-run.ts')
  const problem = installPackages(BROWSER_PACKAGES)
  if (!mustRun('the tests in Firefox and WebKit', problem)) return 0
  return vitest(['firefox', 'webkit'], [])
}

function vitest(projects: readonly string[], options: readonly string[]): Promise<number> {
  const named = projects.flatMap((project) => ['--project', project])
  return run('vitest', ['run', ...named, ...options])
}

function cli(options: readonly string[]): Promise<number> {
  return run(
    process.execPath,
    [quiet, join(root, 'packages', 'cli', 'src', 'main.ts'), ...options],
    caller,
  )
}

/** Runs a program to its end, passing signals on; its exit code. */
function run(program: string, options: readonly string[], folder = root): Promise<number> {
  const windows = process.platform === 'win32' && program !== process.execPath
  const child = spawn(program, options, { cwd: folder, stdio: 'inherit', shell: windows })
  // A terminal has sent its Ctrl-C to the child too; a second one would mean "at once" there.
  const forward = (): void => void child.kill('SIGTERM')
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, forward)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => {
      for (const signal of signals) process.off(signal, forward)
      resolve(code ?? 1)
    })
  })
}

/** The closing line: how many tests passed and failed in all runs together. */
function printCounts(file: string, failed: number): void {
  const total = { passed: 0, failed: 0 }
  try {
    for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
      const count = JSON.parse(line) as { passed: number; failed: number }
      total.passed += count.passed
      total.failed += count.failed
    }
  } catch {
    // No test ran: a step before them failed and has said so.
  }
  if (failed !== 0 && total.failed === 0) total.failed = 1
  console.log(`${total.passed} passed, ${total.failed} failed`)
}
