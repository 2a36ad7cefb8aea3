/**
 * The example of `docs/records.md`, run as it stands there.
 */
import { execFile } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { temporaryFolder } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = temporaryFolder('docs-records')
afterAll(() => folder.remove())

/** The block of a language. */
function block(language: string): string {
  const text = readFileSync(join(root, 'docs', 'records.md'), 'utf8')
  return new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(text)?.[1] ?? ''
}

function run(command: string, ...args: readonly string[]): Promise<string> {
  const env = {
    ...process.env,
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

it('says what it says it says, and takes what is set by hand', async () => {
  symlinkSync(join(root, 'node_modules'), join(folder.path, 'node_modules'))
  writeFileSync(join(folder.path, 'program.mts'), block('ts'))
  expect(await run(process.execPath, 'program.mts')).toBe(block('text'))
  const settings = join(folder.path, 'settings.git')
  expect(await git(settings, 'log', '--format=%s', 'user')).toBe(
    'Set channel\nSet memory\nSet memory, proxy/http',
  )
  await run('sh', '-e', '-c', block('sh'))
  const again = block('ts').replace(/await settings\.set[^]*/, 'console.log(settings.values())\n')
  writeFileSync(join(folder.path, 'again.mts'), `${again}process.exit()\n`)
  expect(await run(process.execPath, 'again.mts')).toContain('memory: 8192')
  expect(await git(settings, 'show', 'state:vm/memory')).toBe('8192')
  await git(settings, 'fsck', '--strict')
})
