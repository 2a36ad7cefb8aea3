/**
 * Programs of ours that tests run as a person does: in a process of their own, by what they print and how they end.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

/** How a run of a program ended. */
export interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a TypeScript program of ours to its end. */
export function runProgram(script: string, args: readonly string[], cwd: string): Promise<Run> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(root, script), ...args],
      { cwd, env: { ...process.env, DATAKIT_TOKEN: '' } },
      (error, out, err) => {
        resolve({
          code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1,
          out,
          err,
        })
      },
    )
  })
}

/** Runs the command-line tool to its end. */
export function runDatakit(cwd: string, ...args: readonly string[]): Promise<Run> {
  return runProgram('packages/cli/src/main.ts', args, cwd)
}
