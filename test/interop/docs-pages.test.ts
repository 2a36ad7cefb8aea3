/**
 * The examples of `docs/bundles.md`, run as they stand there.
 */
import { execFile } from 'node:child_process'
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import { temporaryFolder } from '../support/servers.ts'
import { git, refsOf } from '../support/stock-git.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = temporaryFolder('docs-bundles')
afterAll(() => folder.remove())

/** The blocks of a language. */
function blocks(language: string): string[] {
  const text = readFileSync(join(root, 'docs', 'bundles.md'), 'utf8')
  return [...text.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(
    ([, block = '']) => block,
  )
}

function run(command: string, ...args: readonly string[]): Promise<string> {
  const env = {
    ...process.env,
    PATH: `${folder.path}:${process.env['PATH']}`,
    GIT_AUTHOR_NAME: 'Ada',
    GIT_AUTHOR_EMAIL: 'ada@example.org',
    GIT_COMMITTER_NAME: 'Ada',
    GIT_COMMITTER_EMAIL: 'ada@example.org',
  }
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd: folder.path, env }, (error, out, err) =>
      error === null ? resolve(out) : reject(new Error(`${error.message}\n${out}\n${err}`)),
    )
  })
}

it('backs up, restores and goes on, as the page says', async () => {
  await makeCorpus(join(folder.path, 'config.git'), {
    files: 20,
    commits: 3,
    layout: 'flat',
    seed: 1,
  })
  const main = join(root, 'packages', 'cli', 'src', 'main.ts')
  writeFileSync(
    join(folder.path, 'npx'),
    `#!/bin/sh\nshift\nexec "${process.execPath}" "${main}" "$@"\n`,
  )
  chmodSync(join(folder.path, 'npx'), 0o755)
  const commands = blocks('sh')
  expect(commands).toHaveLength(2)
  for (const block of commands) await run('sh', '-e', '-c', block)
  const copy = join(folder.path, 'copy.git')
  expect(await refsOf(copy)).toBe(await refsOf(join(folder.path, 'config.git')))
  expect(await git(copy, 'log', '-1', '--format=%s', 'main')).toBe('A change')
})

it('runs the program of the page', async () => {
  symlinkSync(join(root, 'node_modules'), join(folder.path, 'node_modules'))
  const [program = ''] = blocks('ts')
  writeFileSync(join(folder.path, 'program.mts'), program)
  expect(await run(process.execPath, 'program.mts')).toBe('0 { "users": 20 }\n\n')
})
