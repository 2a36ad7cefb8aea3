/**
 * The same way of remotes in any place and any runtime: a server in memory, and a repository that fetches a part of it,
 * merges, pushes and comes back for the rest.
 *
 * @module
 */
import { NotHereError } from '@datakit/git/error'
import type { Place } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import { createApp } from '@datakit/server/app'
import { memoryDepot, memoryPlace } from '@datakit/storage/memory'
import { fetchOnDemand, promisorsIn } from '../src/files/on-demand.ts'
import { pullRemote } from '../src/remote/pull.ts'
import { pushRemote } from '../src/remote/push.ts'
import { findRemote, remoteOf, storedRemotes } from '../src/remote/remotes.ts'
import { requestOf } from './request.ts'
import { Repository } from '../src/repository.ts'

/** What happened, step by step. */
export interface CarriedRemote {
  readonly states: readonly string[]
  /** Files of the server's branch in the end, with what is in them. */
  readonly there: readonly string[]
  /** The same of the place. */
  readonly here: readonly string[]
  /** How many commits are cut off here in the end. */
  readonly shallow: number
}

/** Runs everything on the place, which is empty. */
export async function carryRemotes(runtime: Runtime, place: Place): Promise<CarriedRemote> {
  const access = serverOf(runtime)
  const [ada, grace] = [
    await Repository.open(memoryPlace(), { runtime }),
    await Repository.open(place, { runtime }),
  ]
  const plain = remoteOf({ name: 'origin', url: 'http://127.0.0.1:8787/config.git' })
  for (let i = 0; i < 4; i++) await write(ada, 'a/counter', `${i}`)
  await write(ada, 'large', 'large '.repeat(50_000))
  await pushRemote(ada, plain, { ...access, refs: ['main'] })

  await storedRemotes(grace).add({ ...plain, filter: 'blob:none' })
  const remote = await findRemote(storedRemotes(grace), 'origin')
  const pull = { ...access, branch: 'main', how: 'merge' } as const
  const deepen = { kind: 'depth', depth: 2, relative: false } as const
  const states: string[] = []
  states.push((await pullRemote(grace, remote, { ...pull, deepen })).branch.state)
  states.push(
    await read(grace).catch((error: unknown) =>
      error instanceof NotHereError ? 'not here' : 'broken',
    ),
  )
  fetchOnDemand(
    grace,
    promisorsIn(storedRemotes(grace), () => access),
  )
  states.push(await read(grace))
  await write(grace, 'a/mine', 'mine')
  await write(ada, 'a/counter', 'last')
  await pushRemote(ada, plain, { ...access, refs: ['main'] })
  states.push((await pullRemote(grace, remote, pull)).branch.state)
  const pushed = await pushRemote(grace, remote, { ...access, refs: ['main'] })
  states.push(...pushed.refs.map(({ state }) => state))
  states.push((await pullRemote(ada, plain, pull)).branch.state)
  return {
    states,
    there: await filesOf(ada),
    here: await filesOf(grace),
    shallow: grace.store.shallow.size,
  }
}

function serverOf(runtime: Runtime) {
  const app = createApp({
    depot: memoryDepot(),
    runtime,
    access: { kind: 'token', token: 'secret' },
    assets: () => new Response('', { status: 404 }),
    log: (error) => console.error(error),
  })
  const fetch = async (url: string, init: RequestInit) => app.fetch(await requestOf(url, init))
  return { token: 'secret', fetch }
}

async function write(repository: Repository, path: string, content: string): Promise<void> {
  await repository.branch('main').commit((files) => files.write(path, content), { message: path })
}

async function read(repository: Repository): Promise<string> {
  const head = await repository.branch('main').head()
  return (await head?.readText('a/counter')) ?? 'nothing'
}

async function filesOf(repository: Repository): Promise<string[]> {
  const files: string[] = []
  const head = await repository.branch('main').head()
  if (head !== undefined)
    for await (const { path } of head.walk())
      files.push(`${path}: ${(await head.readText(path))?.slice(0, 10)}`)
  return files
}

/** What {@link carryRemotes} gives everywhere. */
export const CARRIED: CarriedRemote = {
  states: ['created', 'not here', '3', 'merged', 'updated', 'fast-forward'],
  there: ['a/counter: last', 'a/mine: mine', 'large: large larg'],
  here: ['a/counter: last', 'a/mine: mine', 'large: large larg'],
  shallow: 1,
}
