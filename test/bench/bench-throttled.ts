/**
 * Pushes to a Worker whose bucket takes one write a second to a key, with a Durable Object and without, beside
 * `git http-backend`.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { httpBackend } from '../support/http-backend.ts'
import { startTestServer, temporaryFolder } from '../support/servers.ts'
import { git, tryGit } from '../support/stock-git.ts'

/** Milliseconds that twenty pushes of one commit took. */
export interface PushTimes {
  /** One after the other, to one branch. */
  readonly serial: number
  /** All at the same time, to a branch each. */
  readonly together: number
  /** How many of those were told that the repository takes no update at the moment. */
  readonly turnedAway: number
}

/** The three servers. */
export interface ThrottledResult {
  readonly coordinated: PushTimes
  readonly alone: PushTimes
  readonly peer: PushTimes
}

const PUSHES = 20

/** Runs all three. */
export async function benchThrottled(): Promise<ThrottledResult> {
  const folder = temporaryFolder('bench-throttled')
  try {
    const backend = await httpBackend(folder.path)
    execFileSync('git', [
      'init',
      '-q',
      '--bare',
      '--initial-branch=main',
      join(folder.path, 'p.git'),
    ])
    const peer = await timePushes(folder.path, 'peer', `${backend.url}/p.git`)
    await backend.close()
    const ours = async (coordinated: boolean): Promise<PushTimes> => {
      const server = await startTestServer('worker', { throttled: true, coordinated })
      try {
        return await timePushes(folder.path, `ours-${coordinated}`, `${server.url}/config.git`)
      } finally {
        await server.stop()
      }
    }
    return { peer, coordinated: await ours(true), alone: await ours(false) }
  } finally {
    folder.remove()
  }
}

async function timePushes(folder: string, name: string, url: string): Promise<PushTimes> {
  const own = join(folder, name)
  await git(folder, 'init', '-q', '--initial-branch=main', own)
  const tree = await git(own, 'mktree')
  const commit = (message: string, ...parents: string[]): Promise<string> =>
    git(own, 'commit-tree', '-m', message, ...parents.flatMap((parent) => ['-p', parent]), tree)
  const push = (oid: string, branch: string): Promise<string> =>
    git(own, 'push', '-q', url, `${oid}:refs/heads/${branch}`)
  const first = await commit('First')
  await push(first, 'main')
  let head = first
  const serial = await timed(async () => {
    for (let i = 0; i < PUSHES; i++) {
      head = await commit(`Serial ${i}`, head)
      await push(head, 'main')
    }
  })
  const tips = await Promise.all(
    Array.from({ length: PUSHES }, (_, i) => commit(`Together ${i}`, first)),
  )
  const accepted = [head]
  const together = await timed(() =>
    Promise.all(
      tips.map(async (oid, i) => {
        const run = await tryGit(own, 'push', '-q', url, `${oid}:refs/heads/b${i}`)
        if (run.code === 0) accepted.push(oid)
        else if (!run.err.includes('takes no update at the moment')) throw new Error(run.err)
      }),
    ),
  )
  const listed = await git(own, 'ls-remote', url)
  for (const oid of accepted)
    if (!listed.includes(oid)) throw new Error(`${name}: a push that was accepted is not there`)
  return { serial, together, turnedAway: PUSHES + 1 - accepted.length }
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await run()
  return performance.now() - started
}
