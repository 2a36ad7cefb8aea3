/**
 * Stock Git, as a program that tests run and believe.
 *
 * @module
 */
import { execFile } from 'node:child_process'

/** How a run of Git ended. */
export interface GitRun {
  readonly code: number
  readonly out: string
  readonly err: string
}

const environment = {
  ...process.env,
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
}

/** Runs git in `folder` to its end, whatever the end. Never blocks the loop, since the server may live in this process. */
export function tryGit(folder: string, ...args: readonly string[]): Promise<GitRun> {
  return new Promise((resolve) => {
    const child = execFile(
      'git',
      ['-C', folder, ...args],
      { env: environment, maxBuffer: 1 << 28 },
      (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 128
        resolve({ code, out, err })
      },
    )
    // What reads its input finds none, and does not wait for any.
    child.stdin?.end()
  })
}

/** Output of git in `folder`, trimmed at the end. @throws Error with what Git said, when it failed */
export async function git(folder: string, ...args: readonly string[]): Promise<string> {
  const { code, out, err } = await tryGit(folder, ...args)
  if (code !== 0) throw new Error(`git ${args.join(' ')} ended with ${code}: ${err}`)
  return out.trimEnd()
}

/** Every ref with its oid, a line each, as Git lists them. */
export function refsOf(folder: string): Promise<string> {
  return git(folder, 'for-each-ref', '--format=%(objectname) %(refname)')
}

/** Every object that any ref reaches, sorted. */
export async function objectsOf(folder: string): Promise<string> {
  const listed = await git(folder, 'rev-list', '--objects', '--all')
  return listed
    .split('\n')
    .map((line) => line.slice(0, 40))
    .toSorted()
    .join('\n')
}
