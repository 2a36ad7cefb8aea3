/**
 * Stock Git against our Worker in workerd, beside `git http-backend` over a disk.
 *
 * @module
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { makeCorpus, type CorpusOptions } from '../support/corpus.ts'
import { httpBackend } from '../support/http-backend.ts'
import { startTestServer, temporaryFolder } from '../support/servers.ts'
import { git, objectsOf } from '../support/stock-git.ts'

/** Milliseconds of each piece of work, by its name. */
export type Timings = Readonly<Record<ServerWork, number>>

/** What is timed. */
export type ServerWork = (typeof SERVER_WORK)[number]

/** What is timed, in the order in which it is done. */
export const SERVER_WORK = [
  'full push',
  'first clone',
  'repeat clone',
  'push of one commit',
  'clone right after it',
  'fetch of one commit',
  '20 serial pushes',
] as const

/** Both sides on one corpus. */
export interface ServerResult {
  readonly corpus: CorpusOptions
  readonly objects: number
  readonly ours: Timings
  readonly peer: Timings
}

/** Runs both sides on one corpus. */
export async function benchServer(corpus: CorpusOptions): Promise<ServerResult> {
  const folder = temporaryFolder('bench-server')
  const source = join(folder.path, 'source.git')
  await makeCorpus(source, corpus)
  const worker = await startTestServer('worker')
  const peerRoot = join(folder.path, 'peer')
  execFileSync('git', [
    'init',
    '--quiet',
    '--bare',
    '--initial-branch=main',
    join(peerRoot, 'config.git'),
  ])
  const backend = await httpBackend(peerRoot)
  try {
    const peer = await side(`${backend.url}/config.git`, source, join(folder.path, 'p'))
    const ours = await side(`${worker.url}/config.git`, source, join(folder.path, 'o'))
    const objects = (await objectsOf(source)).split('\n').length
    return { corpus, objects, ours, peer }
  } finally {
    await worker.stop()
    await backend.close()
    folder.remove()
  }
}

async function side(url: string, source: string, folder: string): Promise<Timings> {
  const timings: Partial<Record<ServerWork, number>> = {}
  const time = async (work: ServerWork, run: () => Promise<unknown>): Promise<void> => {
    const started = performance.now()
    await run()
    timings[work] = performance.now() - started
  }
  const clone = (name: string) =>
    git(source, 'clone', '--quiet', '--no-checkout', url, `${folder}-${name}`)
  await time('full push', () => git(source, 'push', '--quiet', url, 'main'))
  await time('first clone', () => clone('first'))
  await time('repeat clone', () => clone('repeat'))
  const work = `${folder}-work`
  await git(source, 'clone', '--quiet', url, work)
  await commit(work, 0)
  await time('push of one commit', () => git(work, 'push', '--quiet', 'origin', 'main'))
  await time('clone right after it', () => clone('after'))
  await time('fetch of one commit', () => git(`${folder}-first`, 'fetch', '--quiet', 'origin'))
  timings['20 serial pushes'] = 0
  for (let i = 1; i <= 20; i++) {
    await commit(work, i)
    const started = performance.now()
    await git(work, 'push', '--quiet', 'origin', 'main')
    timings['20 serial pushes'] += performance.now() - started
  }
  await verify(url, work, folder)
  // Every name of the list was timed above.
  return timings as Timings
}

async function commit(work: string, i: number): Promise<void> {
  writeFileSync(join(work, `bench-${i}.json`), `{ "i": ${i} }\n`)
  await git(work, 'add', '.')
  await git(work, 'commit', '--quiet', '-m', `Bench ${i}`)
}

/** What the server holds in the end is what was pushed. */
async function verify(url: string, work: string, folder: string): Promise<void> {
  const last = `${folder}-last`
  await git(work, 'clone', '--quiet', '--bare', url, last)
  await git(last, 'fsck', '--strict')
  if ((await objectsOf(last)) !== (await objectsOf(work)))
    throw new Error(`What ${url} serves is not what was pushed`)
}
