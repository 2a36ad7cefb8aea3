/**
 * `tools/run.mjs` in a folder of its own, with an npm that only writes down how it was called.
 */
import { execFile } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'datakit-run-'))
  for (const name of ['tools', 'node_modules', 'home']) mkdirSync(join(folder, name))
  for (const path of ['tools/run.mjs', 'packages/cli/bin/find-node.mjs'])
    cpSync(join(import.meta.dirname, '..', path), join(folder, path))
  write('tools/tasks.ts', 'console.log("task", ...process.argv.slice(2))')
  write('package-lock.json', '{}')
  write('npm.mjs', `import fs from 'node:fs'; fs.appendFileSync('calls', process.argv[2] + '\\n')`)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(path: string, content: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), content)
}

interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a task; `pretend` is code that runs first, to be another Node on another machine. */
function runTask(task: string, pretend = ''): Promise<Run> {
  write('pretend.cjs', pretend)
  const args = ['--require', join(folder, 'pretend.cjs'), join(folder, 'tools', 'run.mjs'), task]
  const env = { ...process.env, npm_execpath: join(folder, 'npm.mjs') }
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: folder, env }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ code, out, err })
    })
  })
}

function nodeIs(version: string, arch: string = process.arch): string {
  return `Object.defineProperty(process, 'version', { value: 'v${version}' })
    Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })
    Object.defineProperty(process, 'arch', { value: '${arch}' })`
}

function installs(): string[] {
  return readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n')
}

it('installs once, and again only when the lockfile is another one', async () => {
  for (let i = 0; i < 3; i++) expect(await runTask('lint')).toMatchObject({ out: 'task lint\n' })
  expect(installs()).toEqual(['ci'])
  appendFileSync(join(folder, 'package-lock.json'), '\n')
  const { err } = await runTask('lint')
  expect(err).toContain('Installing what DataKit needs')
  expect(installs()).toEqual(['ci', 'ci'])
})

it('says so when it cannot install, and tries again the next time', async () => {
  const npm = readFileSync(join(folder, 'npm.mjs'), 'utf8')
  write('npm.mjs', `${npm}; process.exit(1)`)
  const { code, out, err } = await runTask('lint')
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toContain('Cannot install: npm ci failed; its message is above.')
  write('npm.mjs', npm)
  expect(await runTask('lint')).toMatchObject({ code: 0, out: 'task lint\n' })
})

describe('the Node that runs it', () => {
  it.each(['18.20.8', '16.0.0'])('is too old in one sentence: %s', async (version) => {
    expect(await runTask('start', nodeIs(version))).toEqual({
      code: 1,
      out: '',
      err: `DataKit needs Node 20 or newer; this is v${version}. Install one from nodejs.org and run the same command again.\n`,
    })
  })

  it.runIf(process.platform === 'linux')('hands over to the packaged one from 20 on', async () => {
    const name = `node_modules/node-linux-${process.arch}/bin/node`
    write(name, '#!/bin/sh\necho packaged "$@"\n')
    chmodSync(join(folder, name), 0o755)
    const { code, out } = await runTask('types', nodeIs('20.9.0'))
    expect(code).toBe(0)
    expect(out).toMatch(/^packaged .*tasks\.ts types\n$/)
  })

  it('runs the tools itself where none is packaged, if it is new enough', async () => {
    expect(await runTask('types', nodeIs('22.18.0', 'riscv64'))).toMatchObject({
      code: 0,
      out: 'task types\n',
    })
  })

  it('is told of where none is packaged and it is too old', async () => {
    const { code, err } = await runTask('types', nodeIs('22.17.0', 'riscv64'))
    expect(code).toBe(1)
    expect(err).toContain(
      `DataKit's tools need Node 22.18 or newer. This is v22.17.0, and npm has no newer Node for ${process.platform}-riscv64: install one from nodejs.org.`,
    )
  })
})
