/**
 * The hook `proc-receive` as a program: it is started, talked with over its input and output, and waited for.
 *
 * Spec: https://git-scm.com/docs/githooks#proc-receive
 *
 * @module
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'

import {
  talkToProcReceive,
  type ProcReceiveReport,
  type ProcReceiveRequest,
} from '@datakit/git/protocol/proc-receive'

/** Which program, and how it is run. */
export interface ProcReceiveProgram {
  readonly path: string
  readonly cwd: string
  readonly env: Record<string, string>
  /** Takes what it says beside the conversation, on its standard error. */
  readonly onOutput: (piece: Uint8Array) => void
}

/**
 * Starts the program, talks with it, and waits for its end, which has to be a good one too.
 *
 * @throws what `spawn` throws when it cannot be started
 */
export async function runProcReceive(
  request: ProcReceiveRequest,
  { path, cwd, env, onOutput }: ProcReceiveProgram,
): Promise<ProcReceiveReport> {
  const child = spawn(path, [], { cwd, env })
  // A hook need not read what it is told; what is written then says so.
  child.stdin.on('error', () => {})
  child.stderr.on('data', onOutput)
  // Who waits for the end learns of an error, too.
  const ended = once(child, 'close')
  ended.catch(() => {})
  await once(child, 'spawn')
  const report = await talkToProcReceive(
    { output: child.stdout, write: (bytes) => write(child, bytes) },
    request,
  )
  child.stdin.destroy()
  child.stdout.destroy()
  const [code] = await ended
  return code === 0 ? report : { ...report, hasFailed: true }
}

function write({ stdin }: ChildProcessWithoutNullStreams, bytes: Uint8Array): Promise<void> {
  return new Promise((done, fail) => {
    stdin.write(bytes, (error) => {
      if (error === undefined || error === null) done()
      else fail(error)
    })
  })
}
