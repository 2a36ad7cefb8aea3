/**
 * The same way of a part in any place and any runtime: a server in a depot, and a repository that syncs a part of it, works in it
 * without the network, asks for more and comes back for the rest.
 *
 * @module
 */
import { NotHereError } from '@datakit/git/error'
import type { Depot, Place } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import { createApp } from '@datakit/server/app'
import { compact } from '@datakit/storage/maintenance'
import { memoryPlace } from '@datakit/storage/memory'
import { verifyPacks } from '@datakit/storage/verify'
import { Repository } from '../src/repository.ts'
import { setChoice } from '../src/sync/choice.ts'
import { sync, type SyncOptions } from '../src/sync/sync.ts'
import { requestOf } from './request.ts'
import { partOf, wrongWith } from './part-scene.ts'

/** What happened, step by step. */
export interface CarriedPart {
  readonly read: readonly string[]
  readonly states: readonly string[]
  /** What was not as it must be, in the end. */
  readonly wrong: readonly string[]
}

/** What is carried wherever all is well. */
export const CARRIED: CarriedPart = {
  read: ['inside', 'not here', 'not here', 'outside', 'mine', 'theirs', 'outside'],
  states: ['pulled', 'pushed', 'merged', 'in-step'],
  wrong: [],
}

const LARGE = 'large '.repeat(20_000)

/** Between what it is carried. */
export interface CarriedBetween {
  /** Where the part is; empty. */
  readonly place: Place
  readonly depot: Depot
  /** Of the server's repository, which is not there yet; `config` when left out. */
  readonly name?: string
}

/** Runs everything. */
export async function carryPart(
  runtime: Runtime,
  { place, depot, name = 'config' }: CarriedBetween,
): Promise<CarriedPart> {
  const options = serverOf(runtime, depot, name)
  const identity = () => ({ name: 'Ada', address: 'ada@example.org' })
  const whole = await Repository.open(memoryPlace(), { runtime, identity })
  for (let i = 0; i < 20; i++) await write(whole, `a/${i % 5}/file`, `${i}`)
  await write(whole, 'a/file', 'inside')
  await write(whole, 'b/deep/file', 'outside')
  await write(whole, 'a/large', LARGE)
  await sync(whole, options)

  const choice = { branches: ['main'], paths: ['a'], blobLimit: 10_000 }
  const part = await Repository.open(place, { runtime, identity })
  await setChoice(part, choice)
  const [read, states]: [string[], string[]] = [[], []]
  const syncPart = async (): Promise<void> => {
    for (const { state } of (await sync(part, options)).branches) states.push(state)
  }
  await syncPart()
  part.store.onDemand = undefined
  for (const path of ['a/file', 'b/deep/file', 'a/large']) read.push(await look(part, path))
  await write(part, 'a/mine', 'mine')
  await upkeep(place, runtime)
  await syncPart()
  read.push(await look(part, 'b/deep/file'))
  await sync(whole, options)
  await write(whole, 'a/theirs', 'theirs')
  await sync(whole, options)
  await write(part, 'a/mine', 'mine')
  await write(part, 'a/more', 'more')
  await syncPart()
  await upkeep(place, runtime)
  await setChoice(part, { paths: ['a', 'b'] })
  await syncPart()
  part.store.onDemand = undefined
  for (const path of ['a/mine', 'a/theirs', 'b/deep/file']) read.push(await look(part, path))
  await sync(whole, options)
  const head = await whole.branch('main').oid()
  const met = await partOf(whole, head === undefined ? [] : [head], { paths: ['a', 'b'] })
  return { read, states, wrong: await wrongWith(part, whole, met) }
}

/** As it goes on in the background. */
async function upkeep(place: Place, runtime: Runtime): Promise<void> {
  const { damaged } = await verifyPacks(place, runtime)
  if (damaged.length > 0) throw new Error(JSON.stringify(damaged))
  await compact(place, runtime)
}

function serverOf(runtime: Runtime, depot: Depot, name: string): SyncOptions {
  const app = createApp({
    depot,
    runtime,
    access: { kind: 'token', token: 'secret' },
    assets: () => new Response('', { status: 404 }),
  })
  return {
    url: `http://127.0.0.1:8787/${name}.git`,
    token: 'secret',
    fetch: async (url, init) => app.fetch(await requestOf(url, init)),
  }
}

async function write(repository: Repository, path: string, content: string): Promise<void> {
  await repository
    .branch('main')
    .commit((files) => files.write(path, content), { message: `Write ${path}` })
}

async function look(repository: Repository, path: string): Promise<string> {
  try {
    return (await (await repository.branch('main').head())?.readText(path)) ?? 'nothing'
  } catch (error) {
    if (error instanceof NotHereError) return 'not here'
    throw error
  }
}
