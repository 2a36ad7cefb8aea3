/**
 * The examples of pages in `docs/`, run as they stand there.
 */
import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import { httpBackend, type HttpBackend } from '../support/http-backend.ts'
import { temporaryFolder } from '../support/servers.ts'
import { git, refsOf } from '../support/stock-git.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = temporaryFolder('docs')
const served = join(folder.path, 'served')
let backend: HttpBackend
beforeAll(async () => {
  mkdirSync(served)
  backend = await httpBackend(served)
  symlinkSync(join(root, 'node_modules'), join(folder.path, 'node_modules'))
  const main = join(root, 'packages', 'cli', 'src', 'main.ts')
  const npx = `#!/bin/sh\nshift\nexec "${process.execPath}" "${main}" "$@"\n`
  writeFileSync(join(folder.path, 'npx'), npx)
  chmodSync(join(folder.path, 'npx'), 0o755)
})
afterAll(async () => {
  await backend.close()
  folder.remove()
})

/** The blocks of a language on a page; its server is ours. */
function blocks(page: string, language: string): string[] {
  const text = readFileSync(join(root, 'docs', page), 'utf8')
  const pattern = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs')
  return [...text.replaceAll('https://git.example.org', backend.url).matchAll(pattern)].map(
    ([, block = '']) => block,
  )
}

/** Runs a command in a folder of the page's own. */
function run(page: string, command: string, ...args: readonly string[]): Promise<string> {
  const env = {
    ...process.env,
    PATH: `${folder.path}:${process.env['PATH']}`,
    GIT_AUTHOR_NAME: 'Ada',
    GIT_AUTHOR_EMAIL: 'ada@example.org',
    GIT_COMMITTER_NAME: 'Ada',
    GIT_COMMITTER_EMAIL: 'ada@example.org',
  }
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd: folderOf(page), env }, (error, out, err) =>
      error === null ? resolve(out) : reject(new Error(`${error.message}\n${out}\n${err}`)),
    )
  })
}

function folderOf(page: string): string {
  const path = join(folder.path, page)
  mkdirSync(path, { recursive: true })
  return path
}

/** Runs the program of a page, and gives what it prints. */
async function runProgram(page: string): Promise<string> {
  const [program = ''] = blocks(page, 'ts')
  writeFileSync(join(folderOf(page), 'program.mts'), program)
  return run(page, process.execPath, 'program.mts')
}

/** Runs every command of a page, up to the first that fails. */
async function runCommands(page: string): Promise<string[]> {
  const printed: string[] = []
  for (const block of blocks(page, 'sh')) printed.push(await run(page, 'sh', '-e', '-c', block))
  return printed
}

describe('docs/bundles.md', () => {
  const page = 'bundles.md'

  it('backs up, restores and goes on, as it says', async () => {
    const config = join(folderOf(page), 'config.git')
    await makeCorpus(config, { files: 20, commits: 3, layout: 'flat', seed: 1 })
    expect(await runCommands(page)).toHaveLength(2)
    const copy = join(folderOf(page), 'copy.git')
    expect(await refsOf(copy)).toBe(await refsOf(config))
    expect(await git(copy, 'log', '-1', '--format=%s', 'main')).toBe('A change')
  })

  it('has a program that runs', async () => {
    expect(await runProgram(page)).toBe('0 { "users": 20 }\n\n')
  })
})

describe('docs/remotes.md', () => {
  const page = 'remotes.md'
  const there = join(served, 'config.git')
  beforeAll(async () => {
    await makeCorpus(there, { files: 20, commits: 3, layout: 'flat', seed: 1 })
    await git(there, 'branch', 'old', 'main~1')
    // It is pushed to by people without a name of their own.
    await git(there, 'config', 'http.receivepack', 'true')
  })

  it('fetches, pulls and pushes, as it says', async () => {
    const [printed = ''] = await runCommands(page)
    expect(printed).toContain('deleted           refs/heads/old')
    expect(printed).toContain(' Set limits.json')
    const ours = join(folderOf(page), 'config.git')
    expect(await git(there, 'rev-parse', 'main')).toBe(await git(ours, 'rev-parse', 'main'))
    expect(await refsOf(there)).not.toContain('refs/heads/old')
  })

  it('has a program that runs', async () => {
    const lines = (await runProgram(page)).split('\n')
    expect(lines).toContain("[ 'created refs/remotes/backup/main' ] refs/heads/main")
    expect(lines.slice(-3)).toEqual(["[ 'updated refs/heads/main' ]", 'pushed', ''])
    expect(await git(there, 'show', 'main:a')).toBe('2')
  })
})
