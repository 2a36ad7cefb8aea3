/**
 * Stock Git against our Worker in workerd, beside `git http-backend` over a disk.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeCorpus, type CorpusOptions } from '../support/corpus.ts'
import { httpBackend } from '../support/http-backend.ts'
import { IsolateMemory } from '../support/isolate-memory.ts'
import { freePort, startTestServer, temporaryFolder } from '../support/servers.ts'
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
  'clone --depth 1',
  'clone --filter=blob:none',
  'push of one commit',
  'clone right after it',
  'fetch of one commit',
  '20 serial pushes',
  'clone after those',
] as const

/** What a repository is like when it is pushed. */
export interface ServerCase {
  readonly title: string
  readonly corpus: CorpusOptions
  /** Refs beside `main`, each at a commit of it. */
  readonly refs?: number
  /** Pushes of one commit that were made before the clock started. */
  readonly pushes?: number
}

/** Both sides in one case. */
export interface ServerResult extends ServerCase {
  readonly objects: number
  /** Bytes of the pack as Git keeps it. */
  readonly bytes: number
  readonly ours: Timings
  readonly peer: Timings
  /** Most bytes that the isolate of the Worker held during each piece of work. */
  readonly memory: Timings
}

/** Runs both sides in one case. */
export async function benchServer(of: ServerCase): Promise<ServerResult> {
  const folder = temporaryFolder('bench-server')
  const source = join(folder.path, 'source.git')
  await makeCorpus(source, of.corpus)
  await addRefs(source, of.refs ?? 0)
  const inspectorPort = await freePort()
  const worker = await startTestServer('worker', { inspectorPort, throttled: false })
  const watch = await IsolateMemory.open(inspectorPort)
  const backend = await httpBackend(folder.path)
  try {
    execFileSync('git', [
      'init',
      '-q',
      '--bare',
      '--initial-branch=main',
      `${folder.path}/peer.git`,
    ])
    await git(`${folder.path}/peer.git`, 'config', 'uploadpack.allowFilter', 'true')
    const side = { source, pushes: of.pushes ?? 0 }
    const peer = await runSide({
      ...side,
      url: `${backend.url}/peer.git`,
      work: `${folder.path}/p`,
    })
    const memory: Partial<Record<ServerWork, number>> = {}
    const ours = await runSide({
      ...side,
      url: `${worker.url}/config.git`,
      work: `${folder.path}/o`,
      during: async (work, run) => {
        memory[work] = (await watch.during(run)).peak
      },
    })
    const objects = (await objectsOf(source)).split('\n').length
    // Every name of the list was run above.
    return {
      ...of,
      objects,
      bytes: await packedBytes(source),
      ours,
      peer,
      memory: memory as Timings,
    }
  } finally {
    watch.close()
    await worker.stop()
    await backend.close()
    folder.remove()
  }
}

interface Side {
  readonly url: string
  readonly source: string
  readonly pushes: number
  /** Where clones go: a path to which names are added. */
  readonly work: string
  /** Runs a piece of work and watches it. */
  readonly during?: (work: ServerWork, run: () => Promise<unknown>) => Promise<void>
}

async function runSide({ url, source, pushes, work, during }: Side): Promise<Timings> {
  const timings: Partial<Record<ServerWork, number>> = {}
  const time = async (name: ServerWork, run: () => Promise<unknown>): Promise<void> => {
    const timed = async (): Promise<void> => {
      const started = performance.now()
      await run()
      timings[name] = (timings[name] ?? 0) + performance.now() - started
    }
    await (during === undefined ? timed() : during(name, timed))
  }
  const clone = (name: string, ...options: string[]) =>
    git(source, 'clone', '-q', '--no-checkout', ...options, url, `${work}-${name}`)
  await time('full push', () => git(source, 'push', '-q', url, 'refs/*:refs/*'))
  const own = `${work}-work`
  await git(source, 'clone', '-q', url, own)
  const push = () => git(own, 'push', '-q', 'origin', 'main')
  for (let i = 0; i < pushes; i++) {
    await commit(own, `before-${i}`)
    await push()
  }
  await time('first clone', () => clone('first'))
  await time('repeat clone', () => clone('repeat'))
  await time('clone --depth 1', () => clone('depth', '--depth=1'))
  await time('clone --filter=blob:none', () => clone('filter', '--filter=blob:none'))
  await commit(own, 'one')
  await time('push of one commit', push)
  await time('clone right after it', () => clone('after'))
  await time('fetch of one commit', () => git(`${work}-first`, 'fetch', '-q', 'origin'))
  for (let i = 0; i < 20; i++) {
    await commit(own, `serial-${i}`)
    await time('20 serial pushes', push)
  }
  await time('clone after those', () => clone('last'))
  await verify({ url, own, work })
  // Every name of the list was timed above.
  return timings as Timings
}

async function commit(own: string, name: string): Promise<void> {
  writeFileSync(join(own, `bench-${name}.json`), `{ "name": "${name}" }\n`)
  await git(own, 'add', `bench-${name}.json`)
  await git(own, 'commit', '-q', '-m', `Bench ${name}`)
}

/** Makes refs at commits of `main`, as branches of a team. */
async function addRefs(source: string, count: number): Promise<void> {
  if (count === 0) return
  const commits = (await git(source, 'rev-list', 'main')).split('\n')
  const lines = Array.from(
    { length: count },
    (_, i) => `create refs/heads/team/branch-${i} ${commits[i % commits.length]}\n`,
  )
  execFileSync('git', ['-C', source, 'update-ref', '--stdin'], { input: lines.join('') })
  await git(source, 'pack-refs', '--all')
}

async function packedBytes(source: string): Promise<number> {
  const counted = await git(source, 'count-objects', '-v')
  return Number(/^size-pack: (\d+)$/m.exec(counted)?.[1] ?? 0) * 1024
}

/** What the server holds in the end is what was pushed, and the clones that were cut hold what they should. */
async function verify({
  url,
  own,
  work,
}: {
  url: string
  own: string
  work: string
}): Promise<void> {
  const bare = `${work}-bare`
  await git(own, 'clone', '-q', '--bare', '--single-branch', url, bare)
  await git(bare, 'fsck', '--strict')
  const objects = await objectsOf(bare)
  if (objects !== (await git(own, 'rev-list', '--objects', 'main').then(sortedOids)))
    throw new Error(`What ${url} serves is not what was pushed`)
  for (const cut of ['depth', 'filter']) await git(`${work}-${cut}`, 'fsck', '--strict')
  rmSync(bare, { recursive: true })
}

function sortedOids(listed: string): string {
  const oids = listed.split('\n').map((line) => line.slice(0, 40))
  return oids.toSorted().join('\n')
}
