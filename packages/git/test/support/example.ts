/**
 * A small repository made by Git, the same on every machine: three commits on `main`, an annotated tag.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const configuration = [
  'init.defaultBranch=main',
  'user.name=Ada',
  'user.email=ada@example.org',
  'gc.auto=0',
]

/** Runs Git; gives what it printed. */
export function git(cwd: string, args: readonly string[], options: GitOptions = {}): Buffer {
  const flags = configuration.flatMap((setting) => ['-c', setting])
  return execFileSync('git', [...flags, ...args], {
    cwd,
    env: {
      ...process.env,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_TERMINAL_PROMPT: '0',
      ...options.env,
    },
    ...(options.input === undefined ? {} : { input: options.input }),
    stdio: ['pipe', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
  })
}

/** What Git is given besides its arguments. */
export interface GitOptions {
  readonly env?: Record<string, string>
  readonly input?: Uint8Array
}

/** What Git printed, as text without the newline at its end. */
export function gitText(cwd: string, args: readonly string[], options: GitOptions = {}): string {
  return git(cwd, args, options).toString().trimEnd()
}

/** A directory for one test file, and how to remove it. */
export function scratch(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'datakit-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Adds a commit that changes one file, at a date that follows from `day`. */
export function commitFile(cwd: string, file: string, content: string, day: number): string {
  const date = `2026-01-${String(day).padStart(2, '0')}T00:00:00+0000`
  writeFileSync(join(cwd, file), content)
  git(cwd, ['add', file])
  git(cwd, ['commit', '-q', '-m', `day ${day}`], {
    env: { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date },
  })
  return gitText(cwd, ['rev-parse', 'HEAD'])
}

/** The example, in a new directory of its own below `root`. */
export function exampleRepository(root: string): string {
  const path = mkdtempSync(join(root, 'example-'))
  git(path, ['init', '-q'])
  for (const day of [1, 2, 3]) commitFile(path, `file-${day}`, `content of day ${day}\n`, day)
  git(path, ['tag', '-a', 'v1', '-m', 'first'], {
    env: { GIT_COMMITTER_DATE: '2026-01-04T00:00:00+0000' },
  })
  return path
}
